"""Matrix products."""

from ..registry import Case, variant, workload


def _square(size: int):
    def build(module, inputs):
        a, b = inputs.normal(size, size), inputs.normal(size, size)
        return Case("a @ b", {"a": a, "b": b}, lambda: [a @ b])

    return build


for _size in (512, 1024):
    _w = workload("matmul", f"float32 {_size}", limit=1.3)(_square(_size))
    variant(_w, "numpy")(_square(_size))
