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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("size", "out"),
    [((24, 24), (3, 3)), ((13, 37), (5, 6)), ((7, 7), (7, 1)), ((4, 9, 18), (2, 4, 5)), ((3, 4), (5, 7)), ((1000,), (7,))],
    ids=str,
)  # fmt: skip
def test_adaptive_average(size: tuple, out: tuple, dtype: str) -> None:
    draw = np.random.default_rng(6)
    x, g = draw.standard_normal((5, *size)).astype(dtype), draw.standard_normal((5, *out))
    expected, gradient = np.zeros((5, *out)), np.zeros(x.shape)
    for at in np.ndindex(*out):
        spans = [windows(n, o)[i] for n, o, i in zip(size, out, at, strict=True)]
        window = (slice(None), *(slice(s.start, s.stop) for s in spans))
        expected[(slice(None), *at)] = x[window].reshape(5, -1).mean(axis=1, dtype="float64")
        share = g[(slice(None), *at)] / math.prod(map(len, spans))
        gradient[window] += share.reshape(5, *(1 for _ in size))
    t = pycore.from_numpy(x).requires_grad_()
    y = getattr(F, f"adaptive_avg_pool{len(size)}d")(t, out)
    y.backward(pycore.from_numpy(g.astype(dtype)))
    bound = 32 * np.finfo(dtype).eps
    assert np.allclose(y.detach().numpy(), expected, atol=bound, rtol=0)
    assert np.allclose(t.grad.numpy(), gradient, atol=bound, rtol=0)


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("divisor", [None, 3])
@pytest.mark.parametrize("ceil", [True, False])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(5, 3, 2), (2, 3, 1), (8, 8, 0), (3, 2, 1)]
)
def test_average_with_borders(kernel, stride, padding, ceil, divisor, include) -> None:
    """Rows longer and shorter than a vector, windows that overhang, every kind of divisor."""
    for height, width in ((9, 11), (10, 40)):
        x = np.random.default_rng(7).standard_normal((3, height, width))
        spans = []
        for n in (height, width):
            steps = (n + 2 * padding - kernel + (stride - 1 if ceil else 0)) // stride + 1
            starts = [i * stride - padding for i in range(steps)]
            spans.append(
                [
                    (s, min(s + kernel, n + padding))
                    for s in starts
                    if s < n + (padding if not ceil else 0)
                ]
            )
        expected = np.zeros((3, len(spans[0]), len(spans[1])))
        for (i, (top, bottom)), (j, (left, right)) in itertools.product(*map(enumerate, spans)):
            inside = x[:, max(top, 0) : bottom, max(left, 0) : right]
            count = (bottom - top) * (right - left) if include else inside[0].size
            expected[:, i, j] = inside.sum(axis=(1, 2)) / (divisor or count)
        y = F.avg_pool2d(
            pycore.from_numpy(x), kernel, stride, padding, ceil, include, divisor_override=divisor
        )
        assert np.allclose(y.numpy(), expected, atol=1e-14)


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
