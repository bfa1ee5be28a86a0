"""Normalization, softmax and losses, forward alone and with backward."""

from ..registry import Case, forward_and_backward, workload

_LIMIT = 1.05


def _register(group, name, build, ways="fb"):
    """`build(torch, inputs)` gives the call and its leaves; f is forward alone, b with backward."""
    if "f" in ways:

        @workload(group, f"{name}, forward", limit=_LIMIT)
        def forward(torch, inputs):
            call, _ = build(torch, inputs)
            return Case("call()", {"call": call}, lambda: [call()])

    if "b" in ways:

        @workload(group, f"{name}, forward and backward", limit=_LIMIT)
        def both(torch, inputs):
            call, leaves = build(torch, inputs)
            for t in leaves:
                t.requires_grad_()
            with torch.no_grad():
                seed = inputs.normal(*call().shape) if call().dim() else torch.ones(())
            return forward_and_backward(call, leaves, seed)


def _norm(name, shape, *arguments, **options):
    """A normalization with weights over the channels, or over the last dimension."""

    def build(torch, inputs):
        function = getattr(torch.nn.functional, name)
        last = name in ("layer_norm", "rms_norm")
        size = shape[-1] if last else shape[1]
        x, weight, bias = inputs.normal(*shape), inputs.normal(size), inputs.normal(size)
        leaves = [x, weight] if name == "rms_norm" else [x, weight, bias]
        if name == "batch_norm":
            mean, var = inputs.normal(size), inputs.normal(size) ** 2 + 0.5
            training = options["training"]
            return (lambda: function(x, mean, var, weight, bias, training)), leaves
        if name == "instance_norm":
            return (lambda: function(x, weight=weight, bias=bias)), leaves
        first = ((size,),) if last else arguments
        return (lambda: function(x, *first, *leaves[1:])), leaves

    return build


for _shape in ((8, 64, 56, 56), (16, 512, 7, 7), (1, 64, 112, 112), (128, 256)):
    _name = "x".join(map(str, _shape))
    _register("normalization", f"batch_norm training, {_name}",
              _norm("batch_norm", _shape, training=True))  # fmt: skip
    _register("normalization", f"batch_norm evaluation, {_name}",
              _norm("batch_norm", _shape, training=False), "f")  # fmt: skip


for _shape in ((8, 64, 56, 56), (16, 512, 7, 7)):
    _name = "x".join(map(str, _shape))

    @workload(
        "normalization",
        f"batch_norm evaluation, bfloat16, {_name}, forward",
        limit=_LIMIT,
        tolerance=1e-2,
    )
    def _narrow_batch_norm(torch, inputs, shape=_shape):
        _, (x, weight, bias) = _norm("batch_norm", shape, training=False)(torch, inputs)
        mean, var = inputs.normal(shape[1]), inputs.normal(shape[1]) ** 2 + 0.5
        x, *others = (t.to(torch.bfloat16) for t in (x, mean, var, weight, bias))
        call = lambda: torch.nn.functional.batch_norm(x, *others)  # noqa: E731
        return Case("call()", {"call": call}, lambda: [call().float()])


for _shape in ((32, 128, 256), (8, 197, 768), (1, 1, 768), (4096, 64)):
    _name = "x".join(map(str, _shape))
    _register("normalization", f"layer_norm, {_name}", _norm("layer_norm", _shape))
_register("normalization", "rms_norm, 4x256x1024", _norm("rms_norm", (4, 256, 1024)))
_register("normalization", "group_norm 32, 4x256x32x32", _norm("group_norm", (4, 256, 32, 32), 32))
_register("normalization", "instance_norm, 4x64x64x64", _norm("instance_norm", (4, 64, 64, 64)))


def _soft(name, shape, dim):
    def build(torch, inputs):
        x = inputs.normal(*shape)
        function = getattr(torch.nn.functional, name)
        return (lambda: function(x, dim)), [x]

    return build


for _name in ("softmax", "log_softmax"):
    for _shape, _dim in (
        ((64, 10), 1),
        ((128, 1000), 1),
        ((32, 50257), 1),
        ((12, 512, 512), 2),
        ((8, 21, 64, 64), 1),
    ):
        _register("softmax", f"{_name} dim {_dim}, {'x'.join(map(str, _shape))}",
                  _soft(_name, _shape, _dim))  # fmt: skip


def _classes(name, rows, classes, *tail, **options):
    def build(torch, inputs):
        x = inputs.normal(rows, classes, *tail)
        y = inputs.integers(classes, rows, *tail)
        function = getattr(torch.nn.functional, name)
        return (lambda: function(x, y, **options)), [x]

    return build


for _rows, _count in ((64, 10), (128, 1000), (32, 50257)):
    _register("loss", f"cross_entropy, {_rows}x{_count}", _classes("cross_entropy", _rows, _count))
_register("loss", "cross_entropy smoothed, 128x1000",
          _classes("cross_entropy", 128, 1000, label_smoothing=0.1))  # fmt: skip
_register("loss", "cross_entropy of pixels, 4x21x64x64",
          _classes("cross_entropy", 4, 21, 64, 64))  # fmt: skip
_register("loss", "nll_loss, 128x1000", _classes("nll_loss", 128, 1000))


def _pair(name, shape, **options):
    def build(torch, inputs):
        x, y = inputs.normal(*shape), inputs.normal(*shape)
        if name.startswith("binary"):
            y = torch.sigmoid(y)
        if name == "binary_cross_entropy":
            x = torch.sigmoid(x)
        if name == "kl_div":
            x, y = torch.log_softmax(x, 1), torch.softmax(y, 1)
        function = getattr(torch.nn.functional, name)
        return (lambda: function(x, y, **options)), [x]

    return build


for _name, _options in (
    ("mse_loss", {}),
    ("l1_loss", {}),
    ("smooth_l1_loss", {}),
    ("huber_loss", {}),
    ("binary_cross_entropy_with_logits", {}),
    ("binary_cross_entropy", {}),
    ("kl_div", {"reduction": "batchmean"}),
):
    for _shape in ((64, 10), (256, 1024)):
        _register("loss", f"{_name}, {_shape[0]}x{_shape[1]}", _pair(_name, _shape, **_options))
