"""Element by element: arithmetic, functions, comparisons, selection, broadcasts, copies, casts.

Names say how many elements: 1M leave the second-level cache, 10k stay in the first.
"""

from ..registry import Case, variant, workload

M, K = (1_000_000,), (10_000,)


def size_name(shape):
    if len(shape) > 1:
        return "x".join(map(str, shape))
    return f"{shape[0] >> 20}Mi" if shape[0] >= 1 << 20 else f"{shape[0] // 1000}k"


def call_workload(group, name, prepare, limit=1.05, compared=lambda out: out):
    """A workload from prepare(module, inputs), which returns the function of no arguments that is
    timed and whose result, a tensor or several, is compared."""

    @workload(group, name, limit=limit)
    def build(torch, inputs):
        run = prepare(torch, inputs)

        def check():
            out = compared(run())
            tensors = [out] if hasattr(out, "shape") else out
            return [t.float() if t.dtype == torch.bfloat16 else t for t in tensors]

        return Case("run()", {"run": run}, check)

    return build


def normal(*shapes):
    """What call_workload wants, of a call(module, *tensors) on normal numbers."""

    def of(call):
        def prepare(torch, inputs):
            tensors = [inputs.normal(*s) for s in shapes]
            return lambda: call(torch, *tensors)

        return prepare

    return of


def numpy_variant(of, call, *shapes):
    @variant(of, "numpy")
    def build(np, inputs):
        arrays = [inputs.normal(*s) for s in shapes]
        run = lambda: call(np, *arrays)  # noqa: E731
        return Case("run()", {"run": run}, lambda: [run()])


def _normal(shape, calls):
    return {
        name: call_workload(
            "elementwise", f"{name}, {size_name(shape)}", normal(shape, shape)(call)
        )
        for name, call in calls.items()
    }


_COMMON = {
    "add": lambda t, x, y: x + y,
    "mul": lambda t, x, y: x * y,
    "add number": lambda t, x, y: x + 1.5,
    "relu": lambda t, x, y: t.relu(x),
    "exp": lambda t, x, y: t.exp(x),
    "tanh": lambda t, x, y: t.tanh(x),
    "sigmoid": lambda t, x, y: t.sigmoid(x),
    "gelu": lambda t, x, y: t.nn.functional.gelu(x),
    "where": lambda t, x, y: t.where(x > 0, x, y),
    "clamp": lambda t, x, y: x.clamp(-1.0, 1.0),
}
for _shape in (M, K):
    _made = _normal(_shape, _COMMON)
    numpy_variant(_made["add"], lambda np, x, y: x + y, _shape, _shape)
    numpy_variant(_made["exp"], lambda np, x, y: np.exp(x), _shape, _shape)
_normal(
    M,
    {
        "div": lambda t, x, y: x / y,
        "abs and sqrt": lambda t, x, y: x.abs().sqrt(),
        "abs and log": lambda t, x, y: x.abs().log(),
        "sin": lambda t, x, y: t.sin(x),
        "erf": lambda t, x, y: t.erf(x),
        "silu": lambda t, x, y: t.nn.functional.silu(x),
        "leaky_relu": lambda t, x, y: t.nn.functional.leaky_relu(x, 0.1),
        "x ** 2": lambda t, x, y: x**2,
        "x ** 3": lambda t, x, y: x**3,
        "where number": lambda t, x, y: t.where(x > 0, x, 0.0),
        "lerp": lambda t, x, y: t.lerp(x, y, 0.3),
        "addcmul": lambda t, x, y: t.addcmul(x, x, y, value=0.5),
        "maximum": lambda t, x, y: t.maximum(x, y),
        "x > y": lambda t, x, y: x > y,
        "x == 0": lambda t, x, y: x == 0,
        "isnan": lambda t, x, y: t.isnan(x),
        "atan2": lambda t, x, y: t.atan2(x, y),
    },
)
_normal(((1 << 24),), {"add": lambda t, x, y: x + y, "relu": lambda t, x, y: t.relu(x)})


def _positive(call):
    def prepare(torch, inputs):
        x, y = inputs.normal(*M).abs() + 0.1, inputs.normal(*M)
        return lambda: call(torch, x, y)

    return prepare


for _name, _call in {
    "pow of tensors": lambda t, x, y: t.pow(x, y),
    "x ** 0.5": lambda t, x, y: x**0.5,
    "x ** 1.7": lambda t, x, y: x**1.7,
    "log1p": lambda t, x, y: t.log1p(x),
    "lgamma": lambda t, x, y: t.lgamma(x),
    "digamma": lambda t, x, y: t.digamma(x),
}.items():
    call_workload("elementwise", f"{_name}, 1000k", _positive(_call))


def _of_integers(call):
    def prepare(torch, inputs):
        x = (inputs.normal(*M) * 1000).long()
        return lambda: call(x)

    return prepare


for _name, _call in {
    "x // 3": lambda x: x // 3,
    "x % 3": lambda x: x % 3,
    "clamp": lambda x: x.clamp(-100, 100),
}.items():
    call_workload("elementwise", f"{_name}, int64, 1000k", _of_integers(_call))


def _in_place(torch, inputs):
    x, y = inputs.normal(*M), inputs.normal(*M, scale=1e-6)
    return lambda: x.add_(y)


call_workload("elementwise", "x.add_(y), 1000k", _in_place)

_SQUARE, _IMAGES = (1000, 1000), (32, 64, 28, 28)
for _name, _shapes, _call in (
    ("add a row, 1000x1000", (_SQUARE, (1000,)), lambda t, x, y: x + y),
    ("add a column, 1000x1000", (_SQUARE, (1000, 1)), lambda t, x, y: x + y),
    ("outer difference, 1000x1000", ((1000, 1), (1000,)), lambda t, x, y: x - y),
    ("scale and shift channels, 32x64x28x28", (_IMAGES, (64, 1, 1)), lambda t, x, y: x * y + y),
    ("add transposed, 1000x1000", (_SQUARE, _SQUARE), lambda t, x, y: x.t() + y),
    ("exp of a column of two, 1000k", ((1_000_000, 2),), lambda t, x: x[:, 0].exp()),
):
    call_workload("elementwise", _name, normal(*_shapes)(_call))


def _typed(dtype, call):
    def prepare(torch, inputs):
        x, y = ((inputs.normal(*M) * 100).to(getattr(torch, dtype)) for _ in range(2))
        return lambda: call(torch, x, y)

    return prepare


for _name, _dtype, _call in (
    ("add", "int64", lambda t, x, y: x + y),
    ("mul", "int64", lambda t, x, y: x * y),
    ("x == y", "int64", lambda t, x, y: x == y),
    ("add", "int32", lambda t, x, y: x + y),
    ("add", "bfloat16", lambda t, x, y: x + y),
    ("relu", "bfloat16", lambda t, x, y: t.relu(x)),
    ("exp", "float64", lambda t, x, y: (x * 0.01).exp()),
    ("and", "bool", lambda t, x, y: x & y),
    ("not", "bool", lambda t, x, y: ~x),
):
    call_workload("elementwise", f"{_name}, {_dtype}, 1000k", _typed(_dtype, _call))
for _from, _to in (
    ("float32", "bfloat16"),
    ("bfloat16", "float32"),
    ("float32", "float64"),
    ("float64", "float32"),
    ("float32", "int64"),
    ("int64", "float32"),
    ("bool", "float32"),
    ("float32", "uint8"),
):
    call_workload(
        "copies",
        f"{_from} to {_to}, 1000k",
        _typed(_from, lambda t, x, y, to=_to: (x.abs() if to == "uint8" else x).to(getattr(t, to))),
    )


def _masked(call):
    def prepare(torch, inputs):
        x = inputs.normal(*M)
        mask = x > 0
        return lambda: call(torch, x, mask)

    return prepare


call_workload("elementwise", "masked_fill, 1000k", _masked(lambda t, x, m: x.masked_fill(m, 0.0)))
call_workload("elementwise", "float times bool, 1000k", _masked(lambda t, x, m: x * m))

for _name, _shapes, _call in (
    ("clone, 1000k", (M,), lambda t, x: x.clone()),
    ("clone, 16Mi", ((1 << 24,),), lambda t, x: x.clone()),
    ("x.t().contiguous(), 1000x1000", (_SQUARE,), lambda t, x: x.t().contiguous()),
    ("NCHW to NHWC, 32x64x28x28", (_IMAGES,), lambda t, x: x.permute(0, 2, 3, 1).contiguous()),
    (
        "split heads, 8x128x8x64",
        ((8, 128, 8, 64),),
        lambda t, x: x.transpose(1, 2).contiguous(),
    ),
    ("every second column, 1000x1000", (_SQUARE,), lambda t, x: x[:, ::2].contiguous()),
    ("expand a row, 1000x1000", ((1000,),), lambda t, x: x.expand(1000, 1000).contiguous()),
    ("cat rows, 4x 250x1000", ((250, 1000),) * 4, lambda t, *xs: t.cat(xs)),
    ("cat columns, 4x 1000x250", ((1000, 250),) * 4, lambda t, *xs: t.cat(xs, 1)),
    ("cat, 8x 1000", ((1000,),) * 8, lambda t, *xs: t.cat(xs)),
    ("stack, 64x 3x32x32", ((3, 32, 32),) * 64, lambda t, *xs: t.stack(xs)),
    ("chunk and clone, 1000x1000", (_SQUARE,), lambda t, x: [c.clone() for c in x.chunk(4, 1)]),
    ("roll, 1000x1000", (_SQUARE,), lambda t, x: x.roll(3, 1)),
    ("flip, 1000x1000", (_SQUARE,), lambda t, x: x.flip(1)),
    ("tril, 1000x1000", (_SQUARE,), lambda t, x: x.tril()),
    ("pad, 32x64x28x28", (_IMAGES,), lambda t, x: t.nn.functional.pad(x, (1, 1, 1, 1))),
    ("repeat, 100x100", ((100, 100),), lambda t, x: x.repeat(10, 10)),
):
    call_workload("copies", _name, normal(*_shapes)(_call))
call_workload("copies", "zeros, 1000k", lambda torch, inputs: lambda: torch.zeros(1_000_000))
call_workload("copies", "full, 1000k", lambda torch, inputs: lambda: torch.full(M, 1.5))
call_workload("copies", "arange, 1000k", lambda torch, inputs: lambda: torch.arange(1_000_000))
