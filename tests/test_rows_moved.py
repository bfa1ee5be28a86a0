"""Rows written by index, values looked up and permuted views copied, against NumPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import pycore


@pytest.fixture(params=[1, 2])
def threads(request):
    before = pycore.get_num_threads()
    pycore.set_num_threads(request.param)
    yield request.param
    pycore.set_num_threads(before)


def _exact(x):
    return x.to(pycore.float64).numpy()


@pytest.mark.parametrize("width", [3, 8, 300, 1000])
@pytest.mark.parametrize("name", ["bool", "uint8", "float16", "bfloat16", "float32", "int64"])
def test_rows_are_written_in_order(name, width, threads):
    rng = np.random.default_rng(0)
    dtype = getattr(pycore, name)
    x = pycore.from_numpy(rng.integers(0, 3, (40, width))).to(dtype)
    y = pycore.from_numpy(rng.integers(0, 3, (60, width))).to(dtype)
    places = rng.integers(0, 40, 60)
    at = pycore.from_numpy(places)
    want = _exact(x).copy()
    for row, values in zip(places, _exact(y), strict=True):
        want[row] = values  # of equal places the last one stays
    got = x.clone()
    got[at] = y
    np.testing.assert_array_equal(_exact(got), want)
    np.testing.assert_array_equal(_exact(x.index_copy(0, at, y)), want)
    want = _exact(x).copy()
    want[places] = 1
    np.testing.assert_array_equal(_exact(x.index_fill(0, at, 1)), want)
    if name != "bool":
        want = _exact(x).copy()
        np.add.at(want, places, _exact(y))
        np.testing.assert_array_equal(_exact(x.index_add(0, at, y)), want)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_rounding_of_16_bit_sums(name):
    """index_put rounds after every term, index_add once, as PyTorch's do."""
    rng = np.random.default_rng(1)
    dtype = getattr(pycore, name)
    x = pycore.from_numpy(rng.normal(size=(5, 700))).to(dtype)
    y = pycore.from_numpy(rng.normal(size=(9, 700))).to(dtype)
    x[0, 0], y[0, 1], y[1, 2] = float("inf"), float("nan"), -float("inf")
    places = rng.integers(0, 5, 9)
    often, once = x.clone(), x.float()
    for k, row in enumerate(places.tolist()):
        often[row] = often[row] + y[k]
        once[row] = once[row] + y[k].float()
    at = pycore.from_numpy(places)
    np.testing.assert_array_equal(_exact(x.index_put((at,), y, accumulate=True)), _exact(often))
    np.testing.assert_array_equal(_exact(x.index_add(0, at, y)), _exact(once.to(dtype)))


@pytest.mark.parametrize("name", ["uint8", "int32", "int64", "float32", "bfloat16", "float64"])
@pytest.mark.parametrize("boundaries", [1, 2, 7, 336])
@pytest.mark.parametrize("right", [False, True])
def test_buckets(name, boundaries, right, threads):
    rng = np.random.default_rng(2)
    dtype = getattr(pycore, name)
    edges = pycore.from_numpy(np.sort(rng.integers(0, 200, boundaries))).to(dtype)
    for count in (3, 8, 5003):
        values = pycore.from_numpy(rng.integers(0, 210, count)).to(dtype)
        want = np.searchsorted(_exact(edges), _exact(values), side="right" if right else "left")
        np.testing.assert_array_equal(pycore.bucketize(values, edges, right=right).numpy(), want)


def test_buckets_of_nan_and_infinity():
    edges = pycore.tensor([0.0, 1.0, float("inf"), float("nan")])
    values = pycore.tensor([float("nan"), 1.0, float("inf"), -float("inf")])
    for repeat in (1, 4):  # one by one, and side by side
        many = values.repeat(repeat)
        assert pycore.bucketize(many, edges).tolist() == [4, 1, 2, 0] * repeat
        assert pycore.bucketize(many, edges, right=True).tolist() == [4, 2, 4, 0] * repeat


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize(
    "shape", [(9, 11), (1, 20, 30), (17, 3, 9, 10), (2, 1, 40, 8), (70, 5, 1, 12), (3, 130, 2, 9)]
)
def test_permuted_copies(shape, dtype, threads):
    x = np.random.default_rng(3).integers(0, 100, shape).astype(dtype)
    for order in itertools.permutations(range(len(shape))):
        view = pycore.from_numpy(x).permute(*order)
        np.testing.assert_array_equal(view.contiguous().numpy(), x.transpose(order))
        if view.shape[-1] < 8:
            continue
        windows = view.unfold(-1, 8, 1)
        copy = pycore.empty(windows.shape, dtype=view.dtype).copy_(windows)
        want = np.lib.stride_tricks.sliding_window_view(x.transpose(order), 8, axis=-1)
        np.testing.assert_array_equal(copy.numpy(), want)
