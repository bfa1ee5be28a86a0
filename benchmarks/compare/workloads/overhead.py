"""What one call costs where the arithmetic is nothing: a few elements, a small layer."""

from ..registry import Case, variant, workload


def _register(name, call, shapes=((8,), (8,)), grad=False):
    """A call of (library, *tensors); recorded for autograd if `grad`."""

    @workload("overhead", name, limit=1 / 3)
    def build(torch, inputs):
        tensors = [inputs.normal(*shape) for shape in shapes]
        for t in tensors:
            t.requires_grad_(grad)
        run = lambda: call(torch, *tensors)  # noqa: E731
        return Case("call(torch, *tensors)", {"call": call, "torch": torch, "tensors": tensors},
                    lambda: [run()])  # fmt: skip

    return build


@workload("overhead", "a + b", limit=0.25)
def add(torch, inputs):
    a, b = inputs.normal(8), inputs.normal(8)
    return Case("a + b", {"a": a, "b": b}, lambda: [a + b])


@variant(add, "numpy")
def add_numpy(np, inputs):
    a, b = inputs.normal(8), inputs.normal(8)
    return Case("a + b", {"a": a, "b": b}, lambda: [a + b])


@workload("overhead", "a + b, recorded", limit=0.25)
def add_recorded(torch, inputs):
    a, b = inputs.normal(8).requires_grad_(), inputs.normal(8).requires_grad_()
    return Case("a + b", {"a": a, "b": b}, lambda: [a + b])


_register("a * 2.5", lambda torch, a: a * 2.5, [(8,)])
_register("a.add_(1)", lambda torch, a: a.add_(1).sub_(1), [(8,)])
_register("relu", lambda torch, a: torch.relu(a), [(8,)])
_register("sum of 8", lambda torch, a: a.sum(), [(8,)])
_register("max over a dimension", lambda torch, a: a.max(1).values, [(4, 4)])
_register("softmax 1x10", lambda torch, a: torch.softmax(a, 1), [(1, 10)])
_register("cat of two", lambda torch, a, b: torch.cat((a, b)))
_register("view", lambda torch, a: a.view(4, 4), [(16,)])
_register("transpose", lambda torch, a: a.transpose(0, 1), [(4, 4)])
_register("row a[1]", lambda torch, a: a[1], [(4, 4)])
_register("slice a[:, 1:3]", lambda torch, a: a[:, 1:3], [(4, 4)])
_register("8x8 @ 8x8", lambda torch, a, b: a @ b, [(8, 8), (8, 8)])
_register("zeros(8)", lambda torch: torch.zeros(8), [])
_register("comparison and where", lambda torch, a, b: torch.where(a > b, a, b))
_register("layer_norm 1x16", lambda torch, a: torch.nn.functional.layer_norm(a, (16,)), [(1, 16)])
_register(
    "conv2d 1x1x8x8, 3x3",
    lambda torch, x, w: torch.nn.functional.conv2d(x, w),
    [(1, 1, 8, 8), (2, 1, 3, 3)],
)
_register("chain of ten, recorded", lambda torch, a: _chain(a), [(8,)], grad=True)


def _chain(a):
    for _ in range(5):
        a = (a * 1.5).tanh()
    return a


@workload("overhead", "item()", limit=1 / 3)
def item(torch, inputs):
    a = inputs.normal(1)
    return Case("a.item()", {"a": a}, lambda: [a + 0])


@workload("overhead", "backward of a chain of ten", limit=1 / 3)
def chain_backward(torch, inputs):
    a = inputs.normal(8).requires_grad_()

    def run():
        a.grad = None
        _chain(a).sum().backward()
        return a.grad

    return Case("run()", {"run": run}, lambda: [run()])


@workload("overhead", "Linear(8, 8), one row", limit=0.25)
def linear(torch, inputs):
    layer, x = inputs.fill(torch.nn.Linear(8, 8)), inputs.normal(1, 8)
    return Case("layer(x)", {"layer": layer, "x": x}, lambda: [layer(x)])


@workload("overhead", "Linear(8, 8), one row, no_grad", limit=1 / 3)
def linear_no_grad(torch, inputs):
    layer, x = inputs.fill(torch.nn.Linear(8, 8)).requires_grad_(False), inputs.normal(1, 8)
    return Case("layer(x)", {"layer": layer, "x": x}, lambda: [layer(x)])


@workload("overhead", "Sequential of five", limit=1 / 3)
def sequential(torch, inputs):
    nn = torch.nn
    model = nn.Sequential(
        nn.Linear(8, 8), nn.ReLU(), nn.Dropout(0.0), nn.Linear(8, 8), nn.Identity()
    )
    model, x = inputs.fill(model), inputs.normal(1, 8)
    return Case("model(x)", {"model": model, "x": x}, lambda: [model(x)])


@workload("overhead", "Embedding of 4 tokens", limit=1 / 3)
def embedding(torch, inputs):
    layer, x = inputs.fill(torch.nn.Embedding(100, 16)), inputs.integers(100, 4)
    return Case("layer(x)", {"layer": layer, "x": x}, lambda: [layer(x)])


@workload("overhead", "cross_entropy of 4x10, forward and backward", limit=1 / 3)
def cross_entropy(torch, inputs):
    x, y = inputs.normal(4, 10).requires_grad_(), inputs.integers(10, 4)
    loss_of = torch.nn.functional.cross_entropy

    def run():
        x.grad = None
        loss = loss_of(x, y)
        loss.backward()
        return loss

    return Case("run()", {"run": run}, lambda: [run(), x.grad])
