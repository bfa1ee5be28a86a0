"""Sorting, selecting by rank, searching and counting, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pycore
from pycore.autograd import gradcheck, gradgradcheck

T = pycore.tensor
NAN = float("nan")


def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def leaf(*shape: int) -> pycore.Tensor:
    n = int(np.prod(shape))
    return T(rng().permutation(n).astype(float).reshape(shape) * 0.3 - 0.7).requires_grad_()


def check_both(f: Any, *inputs: pycore.Tensor) -> None:
    assert gradcheck(f, inputs)
    assert gradgradcheck(f, inputs)


@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 3, 4), (0,), (3, 0), ()])
@pytest.mark.parametrize("descending", [False, True])
def test_sort(shape: tuple[int, ...], descending: bool) -> None:
    data = rng().integers(-3, 3, shape)  # with many ties
    for dim in range(-len(shape), len(shape)) if shape else (0, -1):
        for t in (
            T(data),
            T(data).double(),
            T(data).t().contiguous().t() if data.ndim == 2 else T(data),
        ):
            values, indices = pycore.sort(t, dim, descending)
            if shape:
                order = np.argsort(-data if descending else data, dim, kind="stable")
                assert np.array_equal(indices.numpy(), order)
                assert np.array_equal(values.numpy(), np.take_along_axis(data, order, dim))
                assert np.array_equal(t.argsort(dim, descending).numpy(), order)
            else:
                assert values.item() == data
                assert indices.item() == 0
            assert values.dtype == t.dtype
            again = t.sort(stable=True, dim=dim, descending=descending)
            assert np.array_equal(again.indices.numpy(), indices.numpy())


def test_sort_puts_nan_last() -> None:
    for dtype in (pycore.float16, pycore.bfloat16, pycore.float32, pycore.float64):
        t = T([2.0, NAN, -float("inf"), 1.0, NAN, float("inf")], dtype=dtype)
        assert t.argsort().tolist() == [2, 3, 0, 5, 1, 4]
        assert t.argsort(descending=True).tolist() == [1, 4, 5, 0, 3, 2]
    assert T([True, False, True]).sort().values.tolist() == [False, True, True]
    assert pycore.msort(T([[2, 1], [1, 3]])).tolist() == [[1, 1], [2, 3]]


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("k", [0, 1, 3, 40, 100])
@pytest.mark.parametrize("dtype", ["int64", "float64", "float32", "uint8"])
def test_topk_of_a_few(dtype: str, k: int, largest: bool) -> None:
    for high in (4, 120):  # with many ties and with some
        data = rng().integers(0, high, (3, 1700)).astype(dtype)
        if "float" in dtype:
            data[1, [5, 900]] = NAN
        for t in (T(data), T(data.T.copy()).t()):
            values, indices = pycore.topk(t, k, 1, largest)
            keys = np.where(data != data, high, data).astype(np.int64)
            order = np.argsort(-keys if largest else keys, 1, kind="stable")[:, :k]
            assert np.array_equal(indices.numpy(), order)
            want = np.take_along_axis(data, order, 1)
            assert np.array_equal(values.numpy(), want, equal_nan=want.dtype.kind == "f")


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("k", [0, 1, 3, 40, 100])
def test_topk(k: int, largest: bool) -> None:
    data = rng().integers(0, 50, (3, 100)).astype(float)
    data[0, 5] = NAN
    values, indices = pycore.topk(T(data), k, 1, largest)
    order = np.argsort(-data if largest else data, 1, kind="stable")
    if largest:
        # NaN counts as the largest value; NumPy puts it last either way.
        order[0] = np.concatenate([[5], [i for i in order[0] if i != 5]])
    assert np.array_equal(indices.numpy(), order[:, :k])
    assert np.array_equal(values.numpy(), np.take_along_axis(data, order[:, :k], 1), equal_nan=True)


def test_rank_statistics() -> None:
    data = rng().permutation(60).astype(float).reshape(3, 4, 5)
    t = T(data)
    for dim in (0, 1, 2, -1):
        n = data.shape[dim]
        ordered = np.sort(data, dim)
        for k in range(1, n + 1):
            values, indices = t.kthvalue(k, dim)
            assert np.array_equal(values.numpy(), ordered.take(k - 1, dim))
            picked = np.take_along_axis(data, np.expand_dims(indices.numpy(), dim), dim)
            assert np.array_equal(picked.squeeze(dim), values.numpy())
        assert np.array_equal(t.median(dim).values.numpy(), ordered.take((n - 1) // 2, dim))
        assert t.median(dim, keepdim=True).values.shape == tuple(
            1 if d == dim % 3 else s for d, s in enumerate(data.shape)
        )
    assert t.median().item() == 29
    holes = T([[1.0, NAN, 3.0, 2.0], [NAN, NAN, NAN, NAN]])
    assert np.array_equal(holes.median(1).values.numpy(), [NAN, NAN], equal_nan=True)
    assert holes.median(1).indices.tolist() == [1, 0]
    assert np.array_equal(holes.nanmedian(1).values.numpy(), [2.0, NAN], equal_nan=True)
    assert holes.nanmedian().item() == 2
    assert np.isnan(pycore.zeros(0).median().item())
    values, indices = T([[2, 1, 2, 1, 0], [5, 5, 3, 3, 3]]).mode()
    assert values.tolist() == [1, 3]
    assert indices.tolist() == [3, 4]


@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantile(interpolation: str) -> None:
    data = rng().standard_normal((3, 4, 5))
    q = np.array([0.0, 0.13, 0.5, 1.0])
    t = T(data)
    for dim in (None, 0, 1, 2, -1):
        for keepdim in (False, True):
            got = pycore.quantile(t, T(q), dim, keepdim, interpolation=interpolation)
            expected = np.quantile(data, q, axis=dim, keepdims=keepdim, method=interpolation)
            assert np.allclose(got.numpy(), expected)
            got = t.quantile(0.3, dim, keepdim, interpolation=interpolation)
            assert got.shape == np.quantile(data, 0.3, axis=dim, keepdims=keepdim).shape
    data[1, 2] = NAN
    got = pycore.nanquantile(T(data), T(q), 1, interpolation=interpolation)
    assert np.allclose(got.numpy(), np.nanquantile(data, q, axis=1, method=interpolation))
    got = pycore.quantile(T(data), T(q), 1, interpolation=interpolation)
    assert np.isnan(got[:, 1].numpy()).all()
    assert not np.isnan(got[:, 0].numpy()).any()


def test_gradients() -> None:
    x = leaf(3, 5)
    check_both(lambda x: x.sort(0).values ** 2, x)
    check_both(lambda x: pycore.sort(x, stable=True, descending=True)[0] ** 2, x)
    check_both(lambda x: x.topk(2, 1).values ** 2, x)
    check_both(lambda x: x.kthvalue(2, 0).values ** 2, x)
    check_both(lambda x: x.kthvalue(2, 1, True).values ** 2, x)
    check_both(lambda x: x.median() ** 2, x)
    check_both(lambda x: x.median(1).values ** 2, x)
    check_both(lambda x: x.nanmedian(0).values ** 2, x)
    check_both(lambda x: x.nanmedian() ** 2, x)
    check_both(lambda x: x.quantile(T([0.3, 0.8], dtype=pycore.float64), 1) ** 2, x)
    check_both(lambda x: x.nanquantile(0.4) ** 2, x)
    assert x.sort().values.grad_fn.name() == "SortBackward0"
    assert not x.sort().indices.requires_grad
    tied = T([1.0, 2.0, 2.0, 3.0, 2.0], requires_grad=True)
    tied.median().backward()
    assert np.allclose(tied.grad.numpy(), [0, 1 / 3, 1 / 3, 0, 1 / 3])


# --- unique --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(20,), (4, 6), (2, 3, 4), (0,), ()])
def test_unique(shape: tuple[int, ...]) -> None:
    data = rng().integers(0, 5, shape)
    values, inverse, counts = pycore.unique(T(data), return_inverse=True, return_counts=True)
    expected, expected_inverse, expected_counts = np.unique(
        data, return_inverse=True, return_counts=True
    )
    assert np.array_equal(values.numpy(), expected)
    assert np.array_equal(inverse.numpy(), expected_inverse.reshape(shape))
    assert np.array_equal(counts.numpy(), expected_counts)
    assert np.array_equal(T(data).unique().numpy(), expected)
    assert len(T(data).unique(return_counts=True)) == 2


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8", "bool", "float32", "float16"])
def test_unique_of_dtypes_and_ranges(dtype: str) -> None:
    for spread in (1, 10**15 if dtype == "int64" else 1):
        data = (rng().integers(-3, 4, 500) * spread).astype(dtype)
        got = T(data).unique(return_inverse=True, return_counts=True)
        for ours, expected in zip(
            got, np.unique(data, return_inverse=True, return_counts=True), strict=True
        ):
            assert np.array_equal(ours.numpy(), expected)
    extremes = T([-(2**63), 2**63 - 1, 0, -(2**63)])
    assert extremes.unique().tolist() == [-(2**63), 0, 2**63 - 1]


@pytest.mark.parametrize("dim", [0, 1, 2, -1])
def test_unique_along_a_dimension(dim: int) -> None:
    data = rng().integers(0, 2, (4, 3, 5)) // 1
    data[2] = data[0]
    values, inverse, counts = T(data).unique(return_inverse=True, return_counts=True, dim=dim)
    expected, expected_inverse, expected_counts = np.unique(
        data, return_inverse=True, return_counts=True, axis=dim
    )
    assert np.array_equal(values.numpy(), expected)
    assert np.array_equal(inverse.numpy(), expected_inverse.reshape(-1))
    assert np.array_equal(counts.numpy(), expected_counts)


def test_unique_consecutive() -> None:
    t = T([1, 1, 2, 2, 3, 1, 1, 2])
    values, inverse, counts = pycore.unique_consecutive(t, return_inverse=True, return_counts=True)
    assert values.tolist() == [1, 2, 3, 1, 2]
    assert inverse.tolist() == [0, 0, 1, 1, 2, 3, 3, 4]
    assert counts.tolist() == [2, 2, 1, 2, 1]
    rows = T([[1, 2], [1, 2], [0, 2]])
    assert rows.unique_consecutive(dim=0).tolist() == [[1, 2], [0, 2]]
    assert rows.unique_consecutive(dim=1).tolist() == rows.tolist()
    assert T([NAN, NAN]).unique().shape == (2,)


# --- searching and counting ----------------------------------------------------------------------


def test_nonzero() -> None:
    for shape in [(7,), (3, 4), (2, 3, 4), (0, 3), (2, 0)]:
        data = rng().integers(0, 2, shape)
        t = T(data).reshape(shape)
        assert np.array_equal(t.nonzero().numpy(), np.argwhere(data))
        assert np.array_equal(pycore.argwhere(t.double()).numpy(), np.argwhere(data))
        for got in (t.nonzero(as_tuple=True), pycore.where(t != 0)):
            assert isinstance(got, tuple)
            for a, b in zip(got, data.nonzero(), strict=True):
                assert np.array_equal(a.numpy(), b)
    for shape in [(300, 336), (20000, 3), (3, 20000), (30, 1, 40, 50)]:  # rows across chunks
        for chance in (0.0, 0.003, 0.5, 1.0):
            data = rng().random(shape) < chance
            t = pycore.tensor(data)
            assert np.array_equal(t.nonzero().numpy(), np.argwhere(data))
            for a, b in zip(t.nonzero(as_tuple=True), data.nonzero(), strict=True):
                assert np.array_equal(a.numpy(), b)
    assert T(3.0).nonzero().shape == (1, 0)
    assert T(0.0).nonzero().shape == (0, 0)
    assert [x.tolist() for x in T(3.0).nonzero(as_tuple=True)] == [[0]]
    assert T([[1, 0]]).nonzero(as_tuple=False).tolist() == [[0, 0]]
    assert T([0.0, NAN, -0.0, 1e-30]).nonzero().tolist() == [[1], [3]]


@pytest.mark.parametrize("right", [False, True])
def test_searchsorted(right: bool) -> None:
    data = np.sort(rng().integers(0, 20, 30)).astype(float)
    values = rng().integers(-2, 23, (4, 5)).astype(float)
    expected = np.searchsorted(data, values, "right" if right else "left")
    got = pycore.searchsorted(T(data), T(values), right=right)
    assert got.dtype == pycore.int64
    assert np.array_equal(got.numpy(), expected)
    assert np.array_equal(pycore.bucketize(T(values), T(data), right=right).numpy(), expected)
    assert np.array_equal(
        pycore.searchsorted(T(data), T(values), side="right" if right else "left").numpy(), expected
    )
    small = pycore.searchsorted(T(data), T(values), right=right, out_int32=True)
    assert small.dtype == pycore.int32
    assert np.array_equal(small.numpy(), expected)
    lines = np.sort(rng().integers(0, 9, (3, 6)), 1)
    wanted = rng().integers(0, 9, (3, 4))
    got = pycore.searchsorted(T(lines), T(wanted), right=right).numpy()
    for row in range(3):
        assert np.array_equal(
            got[row], np.searchsorted(lines[row], wanted[row], "right" if right else "left")
        )
    shuffled = rng().permutation(data)
    got = pycore.searchsorted(T(shuffled), T(values), right=right, sorter=T(shuffled).argsort())
    assert np.array_equal(got.numpy(), expected)
    assert pycore.searchsorted(T([1, 3]), 2).item() == 1
    assert pycore.searchsorted(T([1.0, 3.0]), T([NAN])).item() == 2


def test_counting() -> None:
    data = rng().integers(0, 9, 100)
    weights = rng().standard_normal(100)
    assert np.array_equal(pycore.bincount(T(data)).numpy(), np.bincount(data))
    assert np.allclose(
        pycore.bincount(T(data), T(weights), 20).numpy(), np.bincount(data, weights, 20)
    )
    assert T(data).bincount(minlength=20).shape == (20,)
    assert pycore.bincount(pycore.zeros(0, dtype=pycore.int64)).shape == (0,)
    assert np.array_equal(pycore.histc(T(weights), 7).numpy(), np.histogram(weights, 7)[0])
    assert np.array_equal(T(weights).histc(5, -1, 1).numpy(), np.histogram(weights, 5, (-1, 1))[0])
    assert pycore.histc(T([2.0, 2.0]), 4).tolist() == [0, 0, 2, 0]


def test_isin() -> None:
    data, pool = rng().integers(0, 20, (5, 6)), rng().integers(0, 20, 7)
    assert np.array_equal(pycore.isin(T(data), T(pool)).numpy(), np.isin(data, pool))
    assert np.array_equal(pycore.isin(T(data), T(pool), invert=True).numpy(), ~np.isin(data, pool))
    assert pycore.isin(3, T([1, 3])).item() is True
    assert pycore.isin(T([1, 3]), 3).tolist() == [False, True]
    assert pycore.isin(T([NAN, 1.0]), T([NAN])).tolist() == [False, False]
    assert pycore.isin(T([1]), pycore.zeros(0, dtype=pycore.int64)).tolist() == [False]


X = pycore.zeros(3, 4)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: X.sort(7), IndexError, "Dimension out of range"),
        (lambda: X.topk(9), RuntimeError, "selected index k out of range"),
        (lambda: X.topk(-1), RuntimeError, "selected index k out of range"),
        (lambda: T(1.0).topk(2), RuntimeError, "selected index k out of range"),
        (lambda: X.kthvalue(0), RuntimeError, "selected number k out of range for dimension 1"),
        (lambda: X.kthvalue(9), RuntimeError, "selected number k out of range for dimension 1"),
        (
            lambda: pycore.zeros(0).kthvalue(1),
            IndexError,
            "Expected reduction dim 0 to have non-zero size",
        ),
        (
            lambda: pycore.zeros(0, 3).median(0),
            IndexError,
            "Expected reduction dim 0 to have non-zero size",
        ),
        (
            lambda: X.quantile(1.5),
            RuntimeError,
            r"quantile\(\) q must be in the range \[0, 1\] but got 1.5",
        ),
        (lambda: X.quantile(T([2.0])), RuntimeError, r"quantile\(\) q must be in the range"),
        (
            lambda: X.quantile(0.5, interpolation="bad"),
            RuntimeError,
            "interpolation must be one of linear",
        ),
        (lambda: T([1]).quantile(0.5), RuntimeError, "input tensor must be either float or double"),
        (
            lambda: X.quantile(T(0.5).double()),
            RuntimeError,
            "q tensor must be same dtype as the input tensor",
        ),
        (lambda: pycore.zeros(0).quantile(0.5), RuntimeError, "input tensor must be non-empty"),
        (
            lambda: pycore.searchsorted(T([1]), T([1]), side="bad"),
            RuntimeError,
            "side can only be 'left' or 'right'",
        ),
        (
            lambda: pycore.searchsorted(T([1]), T([1]), side="left", right=True),
            RuntimeError,
            "side and right can't be set to opposites",
        ),
        (
            lambda: pycore.searchsorted(X, pycore.zeros(2, 1)),
            RuntimeError,
            "boundaries tensor should be 1 dimension or",
        ),
        (
            lambda: pycore.searchsorted(T([1]), T([1]), sorter=T([5])),
            RuntimeError,
            "sorter index out of range",
        ),
        (
            lambda: pycore.bucketize(T([1]), X),
            RuntimeError,
            "boundaries tensor must be 1 dimension",
        ),
        (lambda: pycore.bincount(T([-1])), RuntimeError, "bincount only supports 1-d non-negative"),
        (
            lambda: pycore.bincount(T([[1]])),
            RuntimeError,
            "bincount only supports 1-d non-negative",
        ),
        (lambda: pycore.bincount(T([1.0])), NotImplementedError, "bincount_cpu"),
        (lambda: pycore.bincount(T([2**63 - 1])), RuntimeError, "too large"),
        (
            lambda: pycore.bincount(T([1]), T([1.0, 2.0])),
            RuntimeError,
            "weights should be 1-d and have the same length",
        ),
        (lambda: pycore.bincount(T([1]), minlength=-1), RuntimeError, "minlength should be >= 0"),
        (lambda: pycore.histc(X, 0), RuntimeError, "bins must be > 0"),
        (lambda: pycore.histc(X, 3, 2, 1), RuntimeError, "max must be larger than min"),
        (lambda: pycore.histc(T([NAN]), 3), RuntimeError, "is not finite"),
        (lambda: pycore.histc(T([1])), NotImplementedError, "histogram_cpu"),
        (lambda: pycore.isin(1, 2), TypeError, "invalid combination of arguments"),
        (lambda: pycore.zeros(2, 0).unique(dim=0), RuntimeError, "There are 0 sized dimensions"),
        (lambda: X.unique(dim=5), IndexError, "Dimension out of range"),
    ],
)
def test_errors(call: Any, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        call()


def lines_of_all_kinds(n: int) -> list[np.ndarray]:
    """Values for which sorting takes different ways: few and many digits, ties, extremes."""
    r = rng()
    wide = r.integers(-(2**63), 2**63 - 1, n, dtype=np.int64)
    near = 1 + r.integers(0, 3, n) * 2.0**-52  # differ in the last bits only
    special = r.choice([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-310, -5.0, 1e300], n)
    return [
        r.standard_normal(n).astype("f"),
        r.standard_normal(n),
        np.where(r.random(n) < 0.5, near, near * 1e10),
        special,
        special.astype("f"),
        wide,
        wide % 1000,
        wide % 2**40 - 2**39,
        np.sort(wide),
        (wide % 2**32 - 2**31).astype(np.int32),
        (wide % 256).astype(np.uint8),
        (wide % 200 - 100).astype(np.int16),
        wide % 2 == 0,
        np.full(n, 7),
    ]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("n", [1, 2, 31, 33, 64, 65, 1000, 70_001])
def test_order_of_long_lines(n: int) -> None:
    """Sort, topk, kthvalue and median against a stable sort, by one and by two threads."""
    threads = pycore.get_num_threads()
    for x in lines_of_all_kinds(n):
        t = T(x)
        want = np.argsort(x, kind="stable")
        bits = lambda a: a.view(f"u{a.itemsize}") if a.dtype.kind == "f" else a  # noqa: E731
        try:
            for count in (1, 2):
                pycore.set_num_threads(count)
                values, places = t.sort()
                assert (places.numpy() == want).all()
                assert (bits(values.numpy()) == bits(x[want])).all()
        finally:
            pycore.set_num_threads(threads)
        falling = t.argsort(descending=True).numpy()
        # Descending: equal values still in their order.
        low = x[falling]
        again = np.lexsort((np.arange(n), -np.unique(x, return_inverse=True)[1]))
        assert (falling == again).all() or np.array_equal(low, x[again], equal_nan=True)
        for k in {1, min(n, 5), n // 20, n // 2, n}:
            if k == 0:
                continue
            assert (t.topk(k, largest=False).indices.numpy() == want[:k]).all()
            assert (t.topk(k).indices.numpy() == falling[:k]).all()
            value, place = t.kthvalue(k, 0)
            assert place.item() == want[k - 1]
            assert np.array_equal(value.numpy(), x[want[k - 1]], equal_nan=True)
        if x.dtype != bool and not np.isnan(x.astype(float)).any():
            assert t.median().item() == x[want[(n - 1) // 2]]


@pytest.mark.parametrize("n", [5000, 8192, 8193, 12_000, 16_384, 16_385, 40_000])
def test_order_beside_an_outlier(n: int) -> None:
    """Keys that 32 bits tell apart together with their places, nearly all, a few, or hardly any."""
    close = 1 + rng().integers(0, 5000, n) * np.float32(2.0**-23)
    falling = close[np.argsort(-close)]
    for x in (close, falling, rng().standard_normal(n)):
        for far in (0.0, 1.0, 1e-3, 1e30, -1e30):
            x = x.astype("f")
            x[n // 3] = far
            places = T(x).sort().indices.numpy()
            assert (places == np.argsort(x, kind="stable")).all()


def test_order_of_strided_lines() -> None:
    x = rng().standard_normal((70, 90)).astype("f")
    for t, a in ((T(x).t(), x.T), (T(x)[:, ::3], x[:, ::3]), (T(x)[::2], x[::2])):
        for dim in (0, 1):
            want = np.argsort(a, dim, kind="stable")
            assert (t.argsort(dim).numpy() == want).all()
            top = pycore.topk(t, 3, dim, largest=False).indices.numpy()
            assert (top == want.take(range(3), dim)).all()


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "float32", "float64"])
def test_unique_of_many(dtype: str) -> None:
    for high in (3, 200, 10**6):
        x = rng().integers(0, min(high, 200 if dtype == "uint8" else high), 30_000).astype(dtype)
        for options in ({}, {"return_counts": True}, {"return_inverse": True}):
            got = pycore.unique(T(x), **options)
            want = np.unique(x, **options)
            pairs = zip(got, want, strict=True) if options else ((got, want),)
            for a, b in pairs:
                assert np.array_equal(a.numpy(), b)
