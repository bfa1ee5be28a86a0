"""Sums, means, extremes, norms and scans: over everything, over rows and over columns."""

from .elementwise import K, M, call_workload, normal, numpy_variant

_CALLS = {
    "sum": lambda t, x, *d: x.sum(*d),
    "mean": lambda t, x, *d: x.mean(*d),
    "var": lambda t, x, *d: x.var(*d),
    "max": lambda t, x, *d: x.max(*d),
    "amax": lambda t, x, *d: x.amax(*d),
    "argmax": lambda t, x, *d: x.argmax(*d),
    "norm": lambda t, x, *d: t.linalg.vector_norm(x, 2, *d),
    "prod": lambda t, x, *d: (x * 1e-3 + 1).prod(*d),
    "logsumexp": lambda t, x, *d: x.logsumexp(*(d or (0,))),
}
for _name, _call in _CALLS.items():
    for _where, _shape, _dims in (
        ("all, 1000k", M, ()),
        ("rows, 1000x1000", (1000, 1000), (1,)),
        ("columns, 1000x1000", (1000, 1000), (0,)),
    ):
        _w = call_workload(
            "reduction",
            f"{_name} over {_where}",
            normal(_shape)(lambda t, x, call=_call, dims=_dims: call(t, x, *dims)),
        )
        if _name == "sum":
            _axis = _dims[0] if _dims else None
            numpy_variant(_w, lambda np, x, axis=_axis: x.sum(axis), _shape)
_small = call_workload("reduction", "sum over all, 10k", normal(K)(lambda t, x: x.sum()))
numpy_variant(_small, lambda np, x: x.sum(), K)
for _name, _shape, _call in (
    ("sum over rows, 10000x10", (10_000, 10), lambda t, x: x.sum(1)),
    ("sum over rows, 10x10000", (10, 10_000), lambda t, x: x.sum(1)),
    ("sum of channels, 32x64x28x28", (32, 64, 28, 28), lambda t, x: x.sum((0, 2, 3))),
    ("sum of channels, 32x512x7x7", (32, 512, 7, 7), lambda t, x: x.sum((0, 2, 3))),
    ("mean of planes, 32x64x28x28", (32, 64, 28, 28), lambda t, x: x.mean((2, 3))),
    ("max over rows, 10000x10", (10_000, 10), lambda t, x: x.max(1)),
    ("argmax over rows, 10000x10", (10_000, 10), lambda t, x: x.argmax(1)),
    ("any, 1000k", M, lambda t, x: (x > 10).any()),
    ("all over rows, 1000x1000", (1000, 1000), lambda t, x: (x > -10).all(1)),
    ("count_nonzero, 1000k", M, lambda t, x: x.count_nonzero()),
    ("sum of int64, 1000k", M, lambda t, x: (x * 9).long().sum()),
    ("max of int64 over rows, 1000x1000", (1000, 1000), lambda t, x: (x * 9).long().max(1)),
    ("mean of bool, 1000k", M, lambda t, x: (x > 0).float().mean()),
    # Layouts that are not the kernel's own.
    ("sum of transposed rows, 1000x1000", (1000, 1000), lambda t, x: x.t().sum(1)),
    ("sum of rows with gaps, 1000x1000", (1000, 1000), lambda t, x: x[:, 3:900].sum()),
    ("sum of every second column, 1000x1000", (1000, 1000), lambda t, x: x[:, ::2].sum(1)),
    ("amax of permuted planes, 100x20x500", (100, 20, 500), lambda t, x: x.transpose(0, 1).amax(1)),
    ("sum of fours, 1000k", (250_000, 4), lambda t, x: x.sum(1)),
):
    call_workload("reduction", _name, normal(_shape)(_call))
for _name, _shape, _call in (
    ("cumsum, 1000k", M, lambda t, x: x.cumsum(0)),
    ("cumsum along rows, 1000x1000", (1000, 1000), lambda t, x: x.cumsum(1)),
    ("cumsum along columns, 1000x1000", (1000, 1000), lambda t, x: x.cumsum(0)),
    ("cumprod along rows, 1000x1000", (1000, 1000), lambda t, x: (x * 1e-3 + 1).cumprod(1)),
    ("cummax along rows, 1000x1000", (1000, 1000), lambda t, x: x.cummax(1)),
    ("cumsum of int64, 1000k", M, lambda t, x: (x * 9).long().cumsum(0)),
    ("logcumsumexp along rows, 1000x1000", (1000, 1000), lambda t, x: x.logcumsumexp(1)),
    ("diff, 1000k", M, lambda t, x: x.diff()),
):
    call_workload("scan", _name, normal(_shape)(_call))
