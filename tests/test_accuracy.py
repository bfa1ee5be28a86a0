"""Errors of vectorised functions over the whole range of float32, in units in the last place."""

from __future__ import annotations

import math

import pytest

import pycore
from pycore.nn import functional as F

np = pytest.importorskip("numpy")


def sweep(step: int = 4099):
    """Every `step`-th float32 of either sign, without NaN."""
    x = np.arange(0, 0x7F800001, step, dtype=np.uint32).view(np.float32)
    return np.concatenate([x, -x])


def units(got, exact):
    return np.abs(got.astype(np.float64) - exact) / np.spacing(np.abs(exact.astype(np.float32)))


@pytest.mark.parametrize("name", ["erfc", "erfinv"])
def test_error_functions(name):
    x = sweep()
    if name == "erfinv":
        near_one = 1 - np.arange(1, 3000, dtype=np.float32) * np.float32(2**-24)
        x = np.concatenate([x[np.abs(x) < 1], near_one, -near_one])
    function = getattr(pycore, name)
    exact = function(pycore.from_numpy(x.astype(np.float64))).numpy()
    assert units(function(pycore.from_numpy(x)).numpy(), exact).max() < 0.6


def test_error_functions_at_the_ends():
    inf, nan = float("inf"), float("nan")
    assert pycore.erfc(pycore.tensor([inf, -inf, 0.0])).tolist() == [0, 2, 1]
    assert pycore.erfinv(pycore.tensor([1.0, -1.0, 0.0])).tolist() == [inf, -inf, 0]
    assert pycore.erfc(pycore.tensor([nan])).isnan().all()
    assert pycore.erfinv(pycore.tensor([nan, 2.0, -inf])).isnan().all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_nextafter(dtype):
    info = np.finfo(dtype)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, info.max, info.min, info.tiny]
    special += [-info.tiny, info.smallest_subnormal, -info.smallest_subnormal]
    a, b = (m.ravel() for m in np.meshgrid(np.array(special, dtype), np.array(special, dtype)))
    want = np.nextafter(a, b)
    got = pycore.nextafter(pycore.from_numpy(a.copy()), pycore.from_numpy(b.copy())).numpy()
    same = (got == want) & (np.signbit(got) == np.signbit(want)) | (np.isnan(got) & np.isnan(want))
    assert same.all()


def gamma_arguments():
    x = sweep(40099)
    near = np.linspace(-12, 12, 40001).astype(np.float32)  # the zeros and the poles between them
    return np.concatenate([x, near])


@pytest.mark.parametrize("name", ["lgamma", "digamma"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_gamma_functions(name):
    """Against the float64 function of the same number, whose reference is the C library's."""
    x = gamma_arguments()
    function = getattr(pycore, name)
    exact = function(pycore.from_numpy(x.astype(np.float64))).numpy()
    got = function(pycore.from_numpy(x)).numpy()
    assert (np.isnan(got) == np.isnan(exact)).all()
    with np.errstate(over="ignore"):
        rounded = exact.astype(np.float32)
    assert (np.isinf(got) == np.isinf(rounded)).all()
    finite = np.isfinite(rounded)
    assert units(got[finite], exact[finite]).max() < 1.0


def test_digamma_by_recurrence():
    """digamma(x + 1) = digamma(x) + 1 / x, and values known in closed form."""
    x = np.concatenate([np.linspace(0.01, 30, 4001), -np.linspace(0.013, 9.77, 1001)])
    digamma = lambda v: pycore.digamma(pycore.from_numpy(v)).numpy()  # noqa: E731
    np.testing.assert_allclose(digamma(x + 1), digamma(x) + 1 / x, rtol=1e-11, atol=1e-11)
    euler = 0.57721566490153286061
    known = np.array([1.0, 0.5, 2.0])
    np.testing.assert_allclose(
        digamma(known), [-euler, -euler - 2 * np.log(2), 1 - euler], rtol=1e-14
    )


def test_gamma_functions_at_the_ends():
    inf, nan = float("inf"), float("nan")
    assert pycore.lgamma(pycore.tensor([inf, -inf, 0.0, -0.0, -1.0])).tolist() == [inf] * 5
    assert pycore.digamma(pycore.tensor([inf, 0.0, -0.0])).tolist() == [inf, -inf, inf]
    assert pycore.digamma(pycore.tensor([nan, -inf, -1.0, -2.0])).isnan().all()
    assert pycore.lgamma(pycore.tensor([1.0, 2.0])).tolist() == [0, 0]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_pow_of_doubles():
    """Within 0.8 units in the last place of long double's, over all bases, powers and results."""
    r = np.random.default_rng(5)
    n = 20_000
    wide = np.exp(r.uniform(-700, 700, n))
    near = r.uniform(0.5, 2, n)
    cases = [
        (wide, r.uniform(-745, 709, n) / np.log(wide)),  # results over the whole range
        (near, r.uniform(-745, 709, n) / np.log(near)),
        (1 + r.normal(0, 1e-8, n), r.normal(0, 1e9, n)),
        (-near, r.integers(-1000, 1000, n).astype(float)),
        (r.uniform(0, 10, n), r.normal(0, 3, n)),
        (wide, r.normal(0, 1e-3, n)),
        (2.0 ** r.integers(-1000, 1000, n), r.integers(-3, 4, n).astype(float)),
    ]
    ends = [0.0, 1.0, 2.0, 5e-324, 1e-310, 2.3e-308, 1.7e308, np.inf, np.nan, 0.5, 3.0, 2.0**53 + 2]
    ends = np.array([s * x for x in ends for s in (1, -1)])
    cases.append(tuple(np.stack(np.meshgrid(ends, ends)).reshape(2, -1)))
    for base, power in cases:
        exact = np.power(base.astype(np.longdouble), power.astype(np.longdouble))
        want = exact.astype(np.float64)
        got = pycore.pow(pycore.from_numpy(base), pycore.from_numpy(power)).numpy()
        assert (np.isnan(got) == np.isnan(want)).all()
        assert (np.signbit(got) == np.signbit(want))[~np.isnan(want)].all()
        plain = np.isfinite(want) & (want != 0) & (np.abs(got) < np.inf)
        ulps = np.abs(got.astype(np.longdouble) - exact) / np.spacing(np.abs(want))
        assert ulps[plain].max() < 0.8
        assert (got == want)[~plain & ~np.isnan(want)].all()
    whole = np.arange(1.0, 300)
    for e in (2, 3, 4, 6):  # what doubles hold is exact
        power = pycore.full((299,), float(e), dtype=pycore.float64)
        assert (pycore.pow(pycore.from_numpy(whole), power).numpy() == whole**e).all()


POWERS = [0.0, -0.0, 1.0, -1.0, 2.0, 3.0, -2.0, 0.5, -0.5, 1.7, -1.7, 33.0, 127.0, 1e-3, 1e30]
POWERS += [float("inf"), -float("inf"), float("nan")]


@pytest.mark.parametrize("exponent", POWERS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_pow(exponent):
    """Powers of the whole range against NumPy's in float64: one exponent for all, and one each."""
    x = np.concatenate([sweep(80021), np.linspace(0.5, 2, 20001).astype(np.float32)])
    x = np.concatenate([x, np.array([np.inf, -np.inf, np.nan, 0.0, -0.0], np.float32)])
    with np.errstate(all="ignore"):
        exact = np.power(x.astype(np.float64), np.float64(np.float32(exponent)))
        if abs(exponent) == 0.5:  # NumPy takes the square root; C's pow says otherwise
            exact[x == -np.inf] = np.inf if exponent > 0 else 0
            exact[x == 0] = 0 if exponent > 0 else np.inf
        rounded = exact.astype(np.float32)
    t = pycore.from_numpy(x)
    each = pycore.pow(t, pycore.full_like(t, exponent)).numpy()
    one = pycore.pow(t, exponent).numpy()
    # Roots of negative zero and infinity: as PyTorch computes one exponent for all, by sqrt.
    ordinary = np.ones(len(x), bool) if abs(exponent) != 0.5 else (x > 0) | np.isnan(x)
    for got, where in ((each, slice(None)), (one, ordinary)):
        g, r, e = got[where], rounded[where], exact[where]
        assert (np.isnan(g) == np.isnan(r)).all()
        whole = np.isinf(r) | (r == 0)
        assert (g[whole] == r[whole]).all()
        assert (np.signbit(g) == np.signbit(r))[whole].all()
        rest = ~whole & ~np.isnan(r)
        assert units(g[rest], e[rest]).max(initial=0) < 1.6


def test_erf_of_float64():
    rng = np.random.default_rng(0)
    tiny = 10.0 ** rng.uniform(-308, 0, 2000)
    x = np.concatenate(
        [np.linspace(-6.5, 6.5, 20001), tiny, np.nextafter(1.0, [0, 2]), [5e-324, 1e300]]
    )
    exact = np.array([math.erf(v) for v in x])
    got = pycore.erf(pycore.from_numpy(x)).numpy()
    assert (np.abs(got - exact) / np.spacing(np.abs(exact))).max() < 2
    ends = np.array([np.inf, -np.inf, -0.0, np.nan])
    np.testing.assert_array_equal(
        pycore.erf(pycore.from_numpy(ends)).numpy(), [1, -1, -0.0, np.nan]
    )
    got = F.gelu(pycore.from_numpy(x)).numpy()
    want = x * 0.5 * (1 + np.array([math.erf(v * math.sqrt(0.5)) for v in x]))
    np.testing.assert_allclose(got, want, rtol=1e-15, atol=1e-15)
