"""Samples of reductions, scans, matrix products and indexing; read through ops_samples.py."""

from __future__ import annotations

import numpy as np
from op_sample import T, b, f, i, index, octets, values

add = T.add


def logsumexp(x, axis, keepdims=False):
    top = x.max(axis=axis, keepdims=True)
    out = np.log(np.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return out if keepdims else out.squeeze(axis)


# --- reductions -----------------------------------------------------------------------------------

for name, op in {
    "sum": np.sum,
    "mean": np.mean,
    "nansum": np.nansum,
    "nanmean": np.nanmean,
}.items():
    add(name, f(2, 3), ref=op)
    add(name, f(2, 3, 2), (0, 2), ref=lambda x, d, op=op: op(x, axis=d))
    add(name, f(2, 3), 1, True, ref=lambda x, d, k, op=op: op(x, axis=d, keepdims=k))
    add(name, f(), ref=op)
for name in ("sum", "nansum"):
    add(name, i(2, 3), ref=np.sum)
    add(name, f(0, 3), 0, ref=lambda x, d: x.sum(d))
add("sum", b(5), ref=np.sum)
add("nansum", values([1.0, np.nan, 2.0]), ref=np.nansum, grad=False)
add("prod", f(2, 3), ref=np.prod)
add("prod", f(2, 3), 1, ref=np.prod)
add("prod", values([[0.0, 2.0], [3.0, 0.0]]), 1, ref=np.prod)
add("prod", i(3), ref=np.prod)
for name, op in {"any": np.any, "all": np.all}.items():
    add(name, b(2, 3), ref=op)
    add(name, values([[1.0, 0.0], [0.0, 0.0]]), 1, ref=op, grad=False)
    add(name, b(0), ref=op)
add("count_nonzero", i(3, 4, lo=-1, hi=2), ref=np.count_nonzero)
add("count_nonzero", i(3, 4, lo=-1, hi=2), 1, ref=np.count_nonzero)
for name, op in {"amax": np.max, "amin": np.min}.items():
    add(name, f(2, 3), 1, ref=op)
    add(name, f(2, 3), (0, 1), True, ref=lambda x, d, k, op=op: op(x, axis=d, keepdims=k))
    add(name, i(2, 3), ref=op)
for name, op, where in (("max", np.max, np.argmax), ("min", np.min, np.argmin)):
    add(name, f(2, 3), ref=op)
    add(name, f(2, 3), 1, ref=lambda x, d, op=op, where=where: (op(x, d), where(x, d)))
    add(name, f(3), f(2, 1), ref=np.maximum if name == "max" else np.minimum)
    add(name, i(4), ref=op)
add("aminmax", f(2, 3), ref=lambda x: (x.min(), x.max()))
add("aminmax", f(2, 3), kw={"dim": 1}, ref=lambda x, dim: (x.min(dim), x.max(dim)))
for name, op in {"argmax": np.argmax, "argmin": np.argmin}.items():
    add(name, f(2, 3), ref=op, grad=False)
    add(name, f(2, 3), 1, ref=op, grad=False)
    add(name, i(4), ref=op)
for name, op in {"std": np.std, "var": np.var}.items():
    add(name, f(2, 3), ref=lambda x, op=op: op(x, ddof=1), tol=2)
    add(name, f(2, 3), 1, ref=lambda x, d, op=op: op(x, axis=d, ddof=1), tol=2)
    add(name, f(4), kw={"correction": 0}, ref=lambda x, correction, op=op: op(x), tol=2)
    add(
        name,
        f(2, 3),
        0,
        False,
        True,
        ref=lambda x, d, u, k, op=op: op(x, axis=d, keepdims=k),
        tol=2,
    )
    both = lambda x, op=op: (op(x, ddof=1), x.mean())  # noqa: E731
    add(name + "_mean", f(2, 3), ref=both, tol=2)
for name in ("norm", "linalg.vector_norm"):
    add(name, f(2, 3), ref=lambda x: np.sqrt((x * x).sum()))
    add(name, f(2, 3), 1, 1, ref=lambda x, p, d: np.abs(x).sum(d))
    add(
        name,
        f(2, 3),
        3,
        0,
        True,
        ref=lambda x, p, d, k: (np.abs(x) ** 3).sum(d, keepdims=k) ** (1 / 3),
    )
    add(name, f(2, 3), float("inf"), 1, ref=lambda x, p, d: np.abs(x).max(d))
for name in ("logsumexp", "special.logsumexp"):
    add(name, f(2, 3), 1, ref=logsumexp)
    add(name, f(2, 3), (0, 1), True, ref=logsumexp)

# --- scans ----------------------------------------------------------------------------------------

for name, op in {"cumsum": np.cumsum, "cumprod": np.cumprod}.items():
    add(name, f(2, 3), 1, ref=op)
    add(name, i(4), 0, ref=op)
    add(name, f(0, 2), 0, ref=op)
for name, op in {"cummax": np.maximum, "cummin": np.minimum}.items():
    where = np.argmax if name == "cummax" else np.argmin
    add(
        name,
        f(5),
        0,
        ref=lambda x, d, op=op, where=where: (
            op.accumulate(x),
            np.array([where(x[: k + 1]) for k in range(5)]),
        ),
    )
add("logcumsumexp", f(2, 3), 1, ref=lambda x, d: np.logaddexp.accumulate(x, axis=1))

# --- products -------------------------------------------------------------------------------------

add("mm", f(2, 3), f(3, 4), ref=np.matmul)
add("mm", f(2, 0), f(0, 3), ref=np.matmul)
add("_int_mm", octets(3, 70), octets(70, 5), ref=np.matmul)
add("bmm", f(2, 2, 3), f(2, 3, 2), ref=np.matmul)
add("mv", f(2, 3), f(3), ref=np.matmul)
for name in ("dot", "vdot"):
    add(name, f(4), f(4), ref=np.dot)
    add(name, i(3), i(3), ref=np.dot)
for name in ("outer", "ger"):
    add(name, f(2), f(3), ref=np.outer)
add("inner", f(2, 3), f(4, 3), ref=np.inner)
for name in ("matmul", "__matmul__"):
    add(name, f(2, 3), f(3, 2), ref=np.matmul)
    add(name, f(3), f(3), ref=np.matmul)
    add(name, f(2, 1, 2, 3), f(3, 3, 2), ref=np.matmul)
    add(name, f(2, 2, 3), f(3), ref=np.matmul)
add("matmul", i(2, 3), i(3, 2), ref=np.matmul)
add("__rmatmul__", f(3, 2), f(2, 3), ref=lambda x, y: y @ x)
add(
    "addmm",
    f(2, 2),
    f(2, 3),
    f(3, 2),
    kw={"beta": 0.5, "alpha": 2},
    ref=lambda c, x, y, beta, alpha: beta * c + alpha * x @ y,
)
add("addmm", f(2), f(2, 3), f(3, 2), ref=lambda c, x, y: c + x @ y)
add("addmv", f(2), f(2, 3), f(3), ref=lambda c, x, y: c + x @ y)
add("addr", f(2, 3), f(2), f(3), ref=lambda c, x, y: c + np.outer(x, y))
add("baddbmm", f(2, 2, 2), f(2, 2, 3), f(2, 3, 2), ref=lambda c, x, y: c + x @ y)
add("addbmm", f(2, 2), f(2, 2, 3), f(2, 3, 2), ref=lambda c, x, y: c + (x @ y).sum(0))
add("_einsum", "ij,kj->ik", [f(2, 3), f(4, 3)], ref=lambda e, x: np.einsum(e, *x), torch=False)
add(
    "_tensordot",
    f(2, 3, 4),
    f(4, 3, 2),
    [1, 2],
    [1, 0],
    ref=lambda x, y, a, z: np.tensordot(x, y, (a, z)),
    torch=False,
)
for name in ("linalg.multi_dot", "_chain_matmul"):
    add(name, [f(2, 3), f(3, 4), f(4, 2)], ref=lambda x: x[0] @ x[1] @ x[2], torch=name[0] == "l")

# --- indexing -------------------------------------------------------------------------------------


def scatter(x, dim, where, src, how):
    """One element at a time."""
    out = x.copy()
    for at in np.ndindex(where.shape):
        to = list(at)
        to[dim] = where[at]
        value = src[at] if isinstance(src, np.ndarray) else src
        out[tuple(to)] = how(out[tuple(to)], value)
    return out


def put_rows(x, dim, where, src, how):
    out = np.moveaxis(x.copy(), dim, 0)
    rows = np.moveaxis(src, dim, 0) if isinstance(src, np.ndarray) and src.ndim else src
    for k, at in enumerate(where):
        out[at] = how(out[at], rows[k] if np.ndim(rows) else rows)
    return np.moveaxis(out, 0, dim)


LAST = lambda old, new: new  # noqa: E731
SUM = lambda old, new: old + new  # noqa: E731
PLACES = index([[0, 2, 1], [1, 1, 0]])
add("gather", f(3, 3), 0, PLACES, ref=lambda x, d, k: np.take_along_axis(x, k, d))
add("gather", f(2, 4), 1, PLACES, ref=lambda x, d, k: np.take_along_axis(x, k, d))
add("take_along_dim", f(2, 4), PLACES, 1, ref=np.take_along_axis)
add("take", f(2, 3), index([[0, 5], [2, 2]]), ref=np.take)
add("index_select", f(3, 2), 0, index([2, 0, 2]), ref=lambda x, d, k: np.take(x, k, d))
add("index_select", f(2, 3), 1, index([1]), ref=lambda x, d, k: np.take(x, k, d))
for name in ("scatter", "scatter_"):
    grad = name[-1] != "_"
    add(
        name,
        f(3, 3),
        0,
        index([[0, 1, 2], [1, 2, 0]]),
        f(2, 3),
        grad=grad,
        ref=lambda x, d, k, s: scatter(x, d, k, s, LAST),
    )
    add(
        name,
        f(3, 3),
        0,
        index([[0, 1, 2]]),
        2.5,
        grad=grad,
        ref=lambda x, d, k, s: scatter(x, d, k, s, LAST),
    )
for name in ("scatter_add", "scatter_add_"):
    add(
        name,
        f(3, 3),
        0,
        PLACES,
        f(2, 3),
        grad=name[-1] != "_",
        ref=lambda x, d, k, s: scatter(x, d, k, s, SUM),
    )
add(
    "scatter_reduce",
    f(3, 3),
    0,
    PLACES,
    f(2, 3),
    "sum",
    ref=lambda x, d, k, s, r: scatter(x, d, k, s, SUM),
)
add(
    "scatter_reduce",
    f(3, 3),
    0,
    PLACES,
    f(2, 3),
    "amax",
    ref=lambda x, d, k, s, r: scatter(x, d, k, s, max),
)
add(
    "scatter_reduce",
    f(3, 3),
    0,
    PLACES,
    f(2, 3),
    "prod",
    ref=lambda x, d, k, s, r: scatter(x, d, k, s, lambda a, z: a * z),
)
for name in ("index_add", "index_add_"):
    grad = name[-1] != "_"
    add(
        name,
        f(3, 2),
        0,
        index([0, 2, 0]),
        f(3, 2),
        grad=grad,
        ref=lambda x, d, k, s: put_rows(x, d, k, s, SUM),
    )
    add(
        name,
        f(2, 3),
        1,
        index([1, 1]),
        f(2, 2),
        kw={"alpha": 2},
        grad=grad,
        ref=lambda x, d, k, s, alpha: put_rows(x, d, k, alpha * s, SUM),
    )
add(
    "index_copy",
    f(3, 2),
    0,
    index([2, 0]),
    f(2, 2),
    ref=lambda x, d, k, s: put_rows(x, d, k, s, LAST),
)
add("index_fill", f(3, 2), 0, index([2, 0]), 1.5, ref=lambda x, d, k, s: put_rows(x, d, k, s, LAST))
add(
    "index_reduce",
    f(3, 2),
    0,
    index([2, 0]),
    f(2, 2),
    "amax",
    grad=False,
    ref=lambda x, d, k, s, r: put_rows(x, d, k, s, np.maximum),
)
for name in ("index_put", "index_put_"):
    grad = name[-1] != "_"
    add(
        name,
        f(3, 2),
        [index([2, 0])],
        f(2),
        grad=grad,
        ref=lambda x, k, v: put_rows(x, 0, k[0], np.stack([v, v]), LAST),
    )
    add(
        name,
        f(3),
        [index([0, 0, 1])],
        f(3),
        True,
        grad=grad,
        ref=lambda x, k, v, a: scatter(x, 0, k[0], v, SUM),
    )
add(
    "put",
    f(2, 3),
    index([0, 4]),
    f(2),
    ref=lambda x, k, v: scatter(x.reshape(-1), 0, k, v, LAST).reshape(2, 3),
)
add(
    "masked_select",
    f(2, 3),
    values([True, False, True]),
    ref=lambda x, m: x[np.broadcast_to(m, x.shape)],
)
add(
    "masked_scatter",
    f(2, 3),
    values([[True, False, True], [False, True, False]]),
    f(5),
    ref=lambda x, m, s: np.array([[s[0], x[0, 1], s[1]], [x[1, 0], s[2], x[1, 2]]]),
)


def written(x, part, src):
    out = x.copy()
    out[part] = src
    return out


add("select_scatter", f(2, 3), f(2), 1, 0, ref=lambda x, s, d, k: written(x, np.s_[:, 0], s))
add("slice_scatter", f(4, 2), f(2, 2), 0, 1, 3, ref=lambda x, s, d, a, z: written(x, np.s_[1:3], s))
add("diagonal_scatter", f(3, 3), f(3), ref=lambda x, s: written(x, np.diag_indices(3), s))

# --- sorting, searching, counting -----------------------------------------------------------------

for name in ("sort",):
    add(name, f(2, 4), ref=lambda x: (np.sort(x), np.argsort(x, kind="stable")))
    add(name, f(4), 0, True, ref=lambda x, d, r: (-np.sort(-x), np.argsort(-x, kind="stable")))
    add(
        name,
        i(5),
        kw={"stable": True},
        ref=lambda x, stable: (np.sort(x), np.argsort(x, kind="stable")),
    )
add("msort", f(3, 2), ref=lambda x: np.sort(x, axis=0))
add("argsort", f(2, 4), ref=np.argsort, grad=False)
add("topk", f(2, 5), 2, ref=lambda x, k: (-np.sort(-x)[:, :k], np.argsort(-x)[:, :k]))
add("topk", f(5), 2, 0, False, ref=lambda x, k, d, r: (np.sort(x)[:k], np.argsort(x)[:k]))
add("kthvalue", f(2, 5), 2, ref=lambda x, k: (np.sort(x)[:, 1], np.argsort(x)[:, 1]))
add("median", f(5), ref=np.median)
add("median", f(2, 5), 1, ref=lambda x, d: (np.sort(x)[:, 2], np.argsort(x)[:, 2]))
add("nanmedian", f(5), ref=np.nanmedian)
add("mode", values([1, 2, 2, 3]), ref=lambda x: (np.array(2), np.array(2)))
add("quantile", f(5), 0.25, ref=np.quantile)
add("nanquantile", f(5), 0.25, ref=np.nanquantile)
add("nonzero", values([[1.0, 0.0], [0.0, 2.0]]), ref=lambda x: np.argwhere(x), grad=False)
add("argwhere", values([[1.0, 0.0], [0.0, 2.0]]), ref=np.argwhere, grad=False)
add("searchsorted", values([1.0, 3.0, 5.0]), f(4, lo=0, hi=6), ref=np.searchsorted, grad=False)
add(
    "bucketize",
    f(4, lo=0, hi=6),
    values([1.0, 3.0, 5.0]),
    ref=lambda x, e: np.searchsorted(e, x),
    grad=False,
)
add("isin", i(5), values([0, 1, 2]), ref=np.isin)
add("bincount", values([0, 2, 2, 5]), ref=np.bincount)
add(
    "histc",
    f(8),
    4,
    -2,
    2,
    ref=lambda x, n, lo, hi: np.histogram(x, n, (lo, hi))[0].astype(float),
    grad=False,
)
add("unique", values([3, 1, 3, 2]), ref=np.unique)
add("unique_consecutive", values([3, 3, 1, 3]), ref=lambda x: np.array([3, 1, 3]))
