"""Optimizers and what surrounds a step, over the twenty small parameters of a small model."""

from ..registry import Case, workload


def _parameters(torch, inputs):
    parameters = []
    for size in ((16, 16), (16,)) * 10:
        p = torch.nn.Parameter(inputs.normal(*size))
        p.grad = inputs.normal(*size)
        parameters.append(p)
    return parameters


def _register(name, kind, **options):
    @workload("optimizer", f"{name}, 20 small parameters", limit=1 / 3)
    def build(torch, inputs):
        parameters = _parameters(torch, inputs)
        optimizer = getattr(torch.optim, kind)(parameters, **options)

        def check():
            for _ in range(3):
                optimizer.step()
            return parameters

        return Case("optimizer.step()", {"optimizer": optimizer}, check)


_register("SGD", "SGD", lr=1e-6)
_register("SGD with momentum", "SGD", lr=1e-6, momentum=0.9)
_register("Adam", "Adam", lr=1e-6)
_register("AdamW", "AdamW", lr=1e-6)


@workload("optimizer", "RMSprop, 20 small parameters")
def rmsprop(torch, inputs):
    parameters = _parameters(torch, inputs)
    optimizer = torch.optim.RMSprop(parameters, lr=1e-6)

    def check():
        optimizer.step()
        return parameters

    return Case("optimizer.step()", {"optimizer": optimizer}, check)


@workload("optimizer", "clip_grad_norm_, 20 small parameters", limit=1 / 3)
def clip(torch, inputs):
    parameters = _parameters(torch, inputs)
    clip_grad_norm_ = torch.nn.utils.clip_grad_norm_
    return Case(
        "clip(parameters, 1e9)",
        {"clip": clip_grad_norm_, "parameters": parameters},
        lambda: [clip_grad_norm_(parameters, 1e9)],
    )


@workload("optimizer", "zero_grad and a training step of Linear(8, 8)", limit=1 / 3)
def small_step(torch, inputs):
    layer, x = inputs.fill(torch.nn.Linear(8, 8)), inputs.normal(4, 8)
    optimizer = torch.optim.Adam(layer.parameters(), lr=1e-6)

    def step():
        optimizer.zero_grad()
        loss = layer(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return Case("step()", {"step": step}, lambda: [step()])
