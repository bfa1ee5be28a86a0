"""Matrix products: square, skinny, batched, transposed, and in every dtype that has kernels.

Those of float32 and narrower types tell their errors against float64 too. Shapes of models are those of their Linear layers: rows (batch x sequence) x outputs x inputs.
"""

from ..registry import Case, float64, variant, workload


def _mm(rows: int, columns: int, inner: int, transposed: str = "", dtype: str = "float32"):
    """a (rows, inner) @ b (inner, columns); `transposed` names operands stored the other way."""

    def build(module, inputs):
        a = inputs.normal(*((inner, rows) if "a" in transposed else (rows, inner)))
        b = inputs.normal(*((columns, inner) if "b" in transposed else (inner, columns)))
        if dtype != "float32":
            a, b = a.to(getattr(module, dtype)), b.to(getattr(module, dtype))
        a, b = (a.T if "a" in transposed else a), (b.T if "b" in transposed else b)
        wide = (lambda c: c.to(module.float32)) if "float16" in dtype else (lambda c: c)
        return Case(
            "a @ b",
            {"a": a, "b": b},
            lambda: [wide(a @ b)],
            exact=(lambda: [float64(a) @ float64(b)]) if dtype != "float64" else None,
        )

    return build


for _n in (16, 32, 64, 128, 256, 512, 1024, 2048):
    _w = workload("gemm", f"float32 {_n}", limit=1.0 if _n < 512 else 0.8)(_mm(_n, _n, _n))
    variant(_w, "numpy")(_mm(_n, _n, _n))

_SKINNY = {
    "vector times matrix": (1, 1024, 1024, ""),
    "vector times transposed matrix": (1, 1024, 1024, "b"),
    "matrix times vector": (1024, 1, 1024, ""),
    "2 rows": (2, 1024, 1024, "b"),
    "8 rows": (8, 1024, 4096, ""),
    "8 rows, transposed": (8, 1024, 4096, "b"),
    "32 rows, transposed": (32, 1024, 1024, "b"),
    "tall": (4096, 8, 1024, ""),
    "short sum": (1024, 1024, 8, ""),
    "long sum": (64, 64, 8192, ""),
    "gradient of a weight": (1024, 512, 256, "a"),
    "gradient of an input": (256, 512, 1024, ""),
    "both transposed": (384, 384, 384, "ab"),
}
for _name, _shape in _SKINNY.items():
    workload("gemm", f"float32 {_name} {_shape[0]}x{_shape[1]}x{_shape[2]}", limit=1.0)(
        _mm(*_shape)
    )

for _n in (64, 512):
    workload("gemm", f"float64 {_n}", limit=1.0)(_mm(_n, _n, _n, dtype="float64"))


def _linear(rows: int, outputs: int, inner: int, dtype: str = "float32"):
    def build(module, inputs):
        kind = getattr(module, dtype)
        x, weight = inputs.normal(rows, inner).to(kind), inputs.normal(outputs, inner).to(kind)
        bias = inputs.normal(outputs).to(kind)
        linear = module.nn.functional.linear
        return Case(
            "linear(x, weight, bias)",
            {"linear": linear, "x": x, "weight": weight, "bias": bias},
            lambda: [linear(x, weight, bias).to(module.float32)],
            exact=lambda: [float64(x) @ float64(weight).T + float64(bias)],
        )

    return build


for _name, _shape in {
    "MLP": (128, 512, 784),
    "MLP, one row": (1, 512, 784),
    "GPT projection": (256, 1536, 512),
    "GPT feed-forward": (512, 2048, 512),
    "GPT token": (1, 3072, 768),
}.items():
    workload("gemm", f"float32 linear {_name}", limit=1.0)(_linear(*_shape))


def _bmm(batch: int, rows: int, columns: int, inner: int, transposed: bool = False):
    def build(module, inputs):
        a = inputs.normal(batch, rows, inner)
        b = inputs.normal(*((batch, columns, inner) if transposed else (batch, inner, columns)))
        b = b.transpose(1, 2) if transposed else b
        return Case(
            "a @ b", {"a": a, "b": b}, lambda: [a @ b], exact=lambda: [float64(a) @ float64(b)]
        )

    return build


workload("gemm", "float32 batched scores", limit=1.0)(_bmm(32, 128, 128, 64, True))
workload("gemm", "float32 batched values", limit=1.0)(_bmm(32, 128, 64, 128))
workload("gemm", "float32 batched 16", limit=1.0)(_bmm(256, 16, 16, 16))
workload("gemm", "float32 batched rows", limit=1.0)(_bmm(64, 1, 64, 256))


@workload("gemm", "float32 addmm 256", limit=1.0)
def addmm(module, inputs):
    c, a, b = (inputs.normal(256, 256) for _ in range(3))
    return Case(
        "addmm(c, a, b)",
        {"addmm": module.addmm, "c": c, "a": a, "b": b},
        lambda: [module.addmm(c, a, b)],
        exact=lambda: [float64(c) + float64(a) @ float64(b)],
    )


for _n in (64, 256, 512, 1024):
    workload("gemm bf16", f"bfloat16 {_n}", limit=1.0, tolerance=1e-2)(
        _mm(_n, _n, _n, dtype="bfloat16")
    )
for _name, _shape in {
    "vector times matrix": (1, 1024, 1024, ""),
    "vector times transposed matrix": (1, 1024, 1024, "b"),
    "matrix times vector": (4096, 1, 1024, ""),
    "8 rows, transposed": (8, 1024, 4096, "b"),
    "gradient of a weight": (1024, 512, 256, "a"),
}.items():
    workload("gemm bf16", f"bfloat16 {_name}", limit=1.0, tolerance=1e-2)(
        _mm(*_shape, dtype="bfloat16")
    )
for _name, _shape in {
    "MLP": (128, 512, 784),
    "GPT feed-forward": (512, 2048, 512),
    "GPT token": (1, 3072, 768),
}.items():
    workload("gemm bf16", f"bfloat16 linear {_name}", limit=1.0, tolerance=1e-2)(
        _linear(*_shape, "bfloat16")
    )
workload("gemm bf16", "float16 512", limit=1.0, tolerance=1e-2)(_mm(512, 512, 512, "", "float16"))


def _int_mm(rows: int, columns: int, inner: int, transposed: bool = False):
    def build(module, inputs):
        def byte(*shape):
            return (inputs.normal(*shape) * 40).clamp(-128, 127).to(module.int8)

        a = byte(rows, inner)
        b = byte(columns, inner).t() if transposed else byte(inner, columns)
        multiply = module._int_mm
        return Case(
            "multiply(a, b)", {"multiply": multiply, "a": a, "b": b}, lambda: [multiply(a, b)]
        )

    return build


for _name, _shape in {
    "int8 64": (64, 64, 64),
    "int8 512": (512, 512, 512),
    "int8 1024": (1024, 1024, 1024),
    "int8 linear MLP": (128, 512, 784, True),
    "int8 vector times transposed matrix": (1, 1024, 1024, True),
}.items():
    workload("gemm int8", _name, limit=1.0, tolerance=0)(_int_mm(*_shape))
