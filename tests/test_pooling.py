"""Pooling at sizes where vectors, their remainders and uneven windows meet, against plain loops."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import pycore
import pycore.nn.functional as F


def windows(size: int, out: int) -> list[range]:
    """The windows of adaptive pooling in one dimension."""
    return [range(o * size // out, -(-(o + 1) * size // out)) for o in range(out)]


def adaptive_max(x: np.ndarray, out: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Of equal values the first, of NaNs the last, in the order of memory."""
    dims = x.shape[-len(out) :]
    y = np.zeros((len(x), *out), x.dtype)
    where = np.zeros(y.shape, "int64")
    for p, at in itertools.product(range(len(x)), np.ndindex(*out)):
        spans = [windows(n, o)[i] for n, o, i in zip(dims, out, at, strict=True)]
        best, place = -math.inf, tuple(s[0] for s in spans)
        for position in itertools.product(*spans):
            v = x[(p, *position)]
            if v > best or math.isnan(v):
                best, place = v, position
        y[(p, *at)], where[(p, *at)] = best, np.ravel_multi_index(place, dims)
    return y, where


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("size", "out"),
    [((7, 5), (3, 4)), ((13, 37), (5, 6)), ((9, 16), (2, 5)), ((4, 5, 18), (3, 2, 5)), ((3, 4), (5, 7))],
    ids=str,
)  # fmt: skip
def test_adaptive_max(size: tuple, out: tuple, dtype: str) -> None:
    draw = np.random.default_rng(3)
    x = draw.integers(0, 4, (3, *size)).astype(dtype)  # with ties
    x[0].reshape(-1)[draw.integers(0, x[0].size, 5)] = math.nan
    x[1] = -math.inf
    call = getattr(F, f"adaptive_max_pool{len(size)}d")
    y, where = call(pycore.from_numpy(x), out, return_indices=True)
    expected, places = adaptive_max(x, out)
    assert np.array_equal(y.numpy(), expected, equal_nan=True)
    assert np.array_equal(where.numpy(), places)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("planes", [1, 5, 16, 37])
@pytest.mark.parametrize("size", [(1, 1), (7, 7), (4, 4), (9, 30)], ids=str)
def test_global_average(size: tuple, planes: int, dtype: str) -> None:
    x = np.random.default_rng(4).standard_normal((planes, *size)).astype(dtype)
    y = F.adaptive_avg_pool2d(pycore.from_numpy(x), 1).numpy()
    expected = x.astype("float64").mean(axis=(1, 2), keepdims=True)
    assert np.allclose(y, expected, atol=4 * np.finfo(dtype).eps, rtol=0)


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("length", [9, 63, 64, 130, 257])
@pytest.mark.parametrize("stride", [2, 3, 4, 8])
def test_strides(stride: int, length: int, padding: int) -> None:
    """Rows are split by their stride in several ways."""
    x = np.random.default_rng(5).standard_normal((3, length)).astype("float32")
    padded = np.pad(x, [(0, 0), (padding, padding)], constant_values=-np.inf)
    view = np.lib.stride_tricks.sliding_window_view(padded, 4, axis=1)[:, ::stride]
    t = pycore.from_numpy(x)
    y, where = F.max_pool1d(t, 4, stride, padding, return_indices=True)
    assert np.array_equal(y.numpy(), view.max(axis=2))
    assert np.array_equal(x[np.arange(3)[:, None], where.numpy()], view.max(axis=2))
    means = np.where(np.isinf(view), 0, view).astype("float64").mean(axis=2)
    mine = F.avg_pool1d(t, 4, stride, padding).numpy()
    assert np.allclose(mine, means, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("height", [5, 24])
@pytest.mark.parametrize("width", [2, 3, 7, 12, 28, 31, 32, 33, 64, 101])
def test_two_by_two(width: int, height: int, dtype: str) -> None:
    """Windows that halve a plane; rows and columns may be left over."""
    draw = np.random.default_rng(6)
    x = draw.integers(0, 4, (3, height, width)).astype(dtype)  # with ties
    x[0].reshape(-1)[draw.integers(0, x[0].size, 5)] = math.nan
    x[1, :, : width // 2] = -math.inf
    seen = np.ascontiguousarray(x[:, : height // 2 * 2, : width // 2 * 2])
    expected, places = adaptive_max(seen, (height // 2, width // 2))
    row, column = np.unravel_index(places, seen.shape[1:])
    t = pycore.from_numpy(x)
    y, where = F.max_pool2d(t, 2, return_indices=True)
    assert np.array_equal(y.numpy(), expected, equal_nan=True)
    assert np.array_equal(where.numpy(), row * width + column)
    assert np.array_equal(F.max_pool2d(t, 2).numpy(), expected, equal_nan=True)
    lowest = pycore.nn.MinPool2d(2)(-t)
    assert np.array_equal(lowest.numpy(), -expected, equal_nan=True)
