"""Recurrent layers: forward and backward, and inference, from one short sentence to wide batches."""

from ..registry import Case, workload


def _both_ways(kind, hidden, batch, steps, **options):
    """Forward and backward with gradients of the input, the weights and the biases."""

    def build(torch, inputs):
        layer = inputs.fill(getattr(torch.nn, kind)(hidden, hidden, **options))
        x = inputs.normal(steps, batch, hidden).requires_grad_()
        weights = inputs.normal(steps, batch, hidden * (2 if options else 1))
        every = [x, *layer.parameters()]

        def run():
            for p in every:
                p.grad = None
            out, _ = layer(x)
            (out * weights).sum().backward()
            return out

        def check():
            out = run()
            return [out, *(p.grad for p in every)]

        return Case("run()", {"run": run}, check)

    return build


def _inference(kind, hidden, batch, steps, **options):
    def build(torch, inputs):
        layer = inputs.fill(getattr(torch.nn, kind)(hidden, hidden, **options)).requires_grad_(
            False
        )
        x = inputs.normal(steps, batch, hidden)
        return Case("layer(x)", {"layer": layer, "x": x}, lambda: [layer(x)[0]])

    return build


_LIMIT = 1 / 1.1


def _register(kind, hidden, batch, steps, **options):
    size = f"{kind} hidden {hidden}, batch {batch}, {steps} steps"
    size += ", bidirectional" if options else ""
    workload("recurrent", f"{size}, forward + backward", limit=_LIMIT)(
        _both_ways(kind, hidden, batch, steps, **options)
    )
    workload("recurrent", f"{size}, inference", limit=_LIMIT)(
        _inference(kind, hidden, batch, steps, **options)
    )


for _hidden, _batch, _steps in (
    (32, 1, 100),
    (32, 32, 64),
    (128, 1, 64),
    (128, 32, 64),
    (256, 1, 64),
    (256, 32, 64),
    (512, 1, 32),
    (512, 64, 32),
):
    for _kind in ("LSTM", "GRU"):
        _register(_kind, _hidden, _batch, _steps)
_register("RNN", 64, 16, 64)
_register("RNN", 256, 32, 64)
_register("LSTM", 128, 16, 64, bidirectional=True)
_register("GRU", 128, 16, 64, bidirectional=True)
