"""Errors of vectorised functions over the whole range of float32, in units in the last place."""

from __future__ import annotations

import pytest

import pycore

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
