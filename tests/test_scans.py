"""Running sums, products and extremes, and reductions of rows of every length, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import pycore

T = pycore.tensor
LENGTHS = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 127, 1000, 1025, 70_001]


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8"])
def test_running_sums(n, dtype, threads):
    for shape, dim in (((n,), 0), ((3, n), 1), ((n, 3), 0)):
        x = (rng().standard_normal(shape) * 9).astype(dtype)
        got = T(x).cumsum(dim).numpy()
        want = x.astype(float).cumsum(dim)
        if dtype == "uint8":
            want = x.cumsum(dim, dtype=np.int64)
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-5 if dtype == "float32" else 1e-10)
    wide = rng().integers(-(2**63), 2**63 - 1, n, dtype=np.int64)  # wraps around
    assert (T(wide).cumsum(0).numpy() == wide.cumsum()).all()


def test_running_sums_of_what_is_not_finite():
    inf, nan = float("inf"), float("nan")
    for n in (5, 40):
        for at in range(n):
            for special in (inf, -inf, nan):
                x = np.ones(n, "f")
                x[at] = special
                assert np.array_equal(T(x).cumsum(0).numpy(), x.cumsum(), equal_nan=True)
    # In order in float64, as long as it is: 1e308 + 1e308 is not finite.
    x = T([1e308, 1e308, -1e308], dtype=pycore.float64)
    assert x.cumsum(0).tolist() == [1e308, inf, inf]


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8"])
def test_running_extremes(n, dtype, threads):
    x = (rng().standard_normal((2, n)) * 20).astype(dtype)
    for t, a in ((T(x), x), (T(np.sort(x, 1)), np.sort(x, 1)), (T(x % 2), x % 2)):
        for name, best in (("cummax", np.maximum), ("cummin", np.minimum)):
            values, places = getattr(t, name)(1)
            want = best.accumulate(a, 1)
            assert (values.numpy() == want).all()
            # The last place of what is the best so far.
            here = np.where(a == want, np.arange(n), -1)
            assert (places.numpy() == np.maximum.accumulate(here, 1)).all()
    if dtype == "float32":
        x[:, n // 2] = np.nan
        values, places = T(x).cummax(1)
        assert np.isnan(values.numpy()[:, n // 2 :]).all()
        assert (places.numpy()[:, n // 2 :] == n // 2).all()


@pytest.mark.parametrize("n", LENGTHS[:-1])
def test_reductions_of_short_rows(n, threads):
    x = rng().standard_normal((77, n))
    for t, rtol in ((T(x), 1e-12), (T(x).float(), 2e-5)):
        for view, a in ((t, x), (t[:, 1:], x[:, 1:]), (t[::2], x[::2])):
            if a.shape[1] == 0:
                continue
            np.testing.assert_allclose(view.sum(1).numpy(), a.sum(1), rtol=rtol, atol=rtol * 10)
            np.testing.assert_allclose(view.mean(1).numpy(), a.mean(1), rtol=rtol, atol=rtol * 10)
            near = (view * 0.01 + 1).prod(1).numpy()
            np.testing.assert_allclose(near, (a * 0.01 + 1).prod(1), rtol=rtol * 10)
        assert (t.double().argmax(1).numpy() == t.double().numpy().argmax(1)).all()
    columns = T(x.T.copy())
    np.testing.assert_allclose(columns.sum(0).numpy(), x.sum(1), rtol=1e-12, atol=1e-12)


def test_sums_of_many_columns_and_rows(threads):
    x = rng().standard_normal((3000, 300))
    np.testing.assert_allclose(T(x).sum(0).numpy(), x.sum(0), rtol=1e-11)
    np.testing.assert_allclose(T(x).var(0).numpy(), x.var(0, ddof=1), rtol=1e-11)
    assert (T(x).argmax(0).numpy() == x.argmax(0)).all()
    y = x.reshape(2, 1500, 300)
    np.testing.assert_allclose(T(y).sum(1).numpy(), y.sum(1), rtol=1e-11)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "int8", "bool"])
def test_isin_of_integers(dtype):
    for high in (3, 100, 10**9):
        info = 2 if dtype == "bool" else min(high, 100 if dtype in ("int8", "uint8") else high)
        x, pool = (rng().integers(0, info, n).astype(dtype) for n in (500, 20))
        for values in (x, x - x.max() if dtype != "bool" else x):
            assert (pycore.isin(T(values), T(pool)).numpy() == np.isin(values, pool)).all()
            inverted = pycore.isin(T(values), T(pool), invert=True).numpy()
            assert (inverted == np.isin(values, pool, invert=True)).all()
    ends = np.array([-(2**63), 2**63 - 1])
    assert pycore.isin(T(ends), T(ends[:1])).tolist() == [True, False]


@pytest.mark.parametrize("name", ["cummax", "cummin"])
def test_gradients_of_running_extremes_take_linear_memory(name):
    """A table of all pairs would have 3 * 30000 ** 2 elements."""
    x = pycore.randn(3, 30_000, requires_grad=True)
    values, indices = getattr(pycore, name)(x, 1)
    weights = pycore.linspace(0, 1, 90_000).view(3, -1)
    (values * weights).sum().backward()
    want = pycore.zeros(3, 30_000).scatter_add_(1, indices, weights)
    assert (x.grad == want).all()
