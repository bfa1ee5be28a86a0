"""What one call costs where the arithmetic is nothing: eight elements."""

from ..registry import Case, variant, workload


@workload("overhead", "a + b", limit=0.25, threads=[1])
def add(torch, inputs):
    a, b = inputs.normal(8), inputs.normal(8)
    return Case("a + b", {"a": a, "b": b}, lambda: [a + b])


@variant(add, "numpy")
def add_numpy(np, inputs):
    a, b = inputs.normal(8), inputs.normal(8)
    return Case("a + b", {"a": a, "b": b}, lambda: [a + b])


@workload("overhead", "a + b, recorded", limit=0.25, threads=[1])
def add_recorded(torch, inputs):
    a, b = inputs.normal(8).requires_grad_(), inputs.normal(8).requires_grad_()
    return Case("a + b", {"a": a, "b": b}, lambda: [a + b])


@workload("overhead", "Linear(8, 8), one row", limit=0.25, threads=[1])
def linear(torch, inputs):
    layer, x = inputs.fill(torch.nn.Linear(8, 8)), inputs.normal(1, 8)
    return Case("layer(x)", {"layer": layer, "x": x}, lambda: [layer(x)])


@workload("overhead", "Linear(8, 8), one row, no_grad", threads=[1])
def linear_no_grad(torch, inputs):
    layer, x = inputs.fill(torch.nn.Linear(8, 8)).requires_grad_(False), inputs.normal(1, 8)
    return Case("layer(x)", {"layer": layer, "x": x}, lambda: [layer(x)])
