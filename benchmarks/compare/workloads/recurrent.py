"""Recurrent layers: forward and backward, and inference, from one short sentence to wide batches."""

from ..registry import Case, workload


def _both_ways(kind, hidden, batch, steps):
    """Forward and backward with gradients of the input, the weights and the biases."""

    def build(torch, inputs):
        layer = inputs.fill(getattr(torch.nn, kind)(hidden, hidden))
        x = inputs.normal(steps, batch, hidden).requires_grad_()
        weights = inputs.normal(steps, batch, hidden)
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


def _inference(kind, hidden, batch, steps):
    def build(torch, inputs):
        layer = inputs.fill(getattr(torch.nn, kind)(hidden, hidden)).requires_grad_(False)
        x = inputs.normal(steps, batch, hidden)
        return Case("layer(x)", {"layer": layer, "x": x}, lambda: [layer(x)[0]])

    return build


# hidden, batch, steps, accepted ratio of forward and backward, and of inference
for _hidden, _batch, _steps, _limit, _infer in (
    (32, 1, 100, 0.5, 0.5),
    (32, 32, 64, 1.0, 1.1),
    (128, 1, 64, 1.0, 1.1),
    (128, 32, 64, 1.0, 1.1),
    (256, 1, 64, 1.0, 1.1),
    (256, 32, 64, 1.0, 1.1),
    (512, 1, 32, 1.0, 1.1),
    (512, 64, 32, 1.0, 1.1),
):
    for _kind in ("LSTM", "GRU"):
        _size = f"hidden {_hidden}, batch {_batch}, {_steps} steps"
        workload("recurrent", f"{_kind} {_size}, forward + backward", limit=_limit)(
            _both_ways(_kind, _hidden, _batch, _steps)
        )
        workload("recurrent", f"{_kind} {_size}, inference", limit=_infer)(
            _inference(_kind, _hidden, _batch, _steps)
        )
