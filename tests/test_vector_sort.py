"""Sorts in registers, by digits and on several threads: one result, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

import pycore

# Around the sizes at which registers, networks and ways of sorting change.
SIZES = [*range(1, 40), 63, 64, 65, 127, 128, 129, 255, 256, 257, 300, 511, 513, 1000, 2047, 2049]
LARGE = [4097, 8193, 33000, 70_001, 400_001]
DTYPES = ["float32", "float64", "int32", "int64", "float16", "int16", "uint8", "bool"]


def sample(kind: str, n: int, dtype: str, rng: np.random.Generator) -> np.ndarray:
    if dtype == "bool":
        return rng.random(n) < 0.5
    if dtype.startswith("float"):
        x = rng.standard_normal(n).astype(dtype)
        if kind == "special":
            x[rng.random(n) < 0.2] = 0.0
            x[rng.random(n) < 0.2] = -0.0
            x[rng.random(n) < 0.2] = np.inf
            x[rng.random(n) < 0.2] = -np.inf
            nan = np.full(n, np.nan, dtype)
            nan.view(f"u{x.itemsize}")[:] += np.arange(n, dtype=f"u{x.itemsize}") % 50  # payloads
            x = np.where(rng.random(n) < 0.2, np.copysign(nan, rng.standard_normal(n)), x)
        return x.astype(dtype)
    info = np.iinfo(dtype)
    if kind == "special":
        return rng.choice(np.array([info.min, info.max, 0, 1], dtype), n)
    return rng.integers(info.min, info.max, n, dtype, endpoint=True)


def bits(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x).view(f"u{x.itemsize}")


def check(x: np.ndarray, dim: int = -1) -> None:
    codes = np.unique(x, return_inverse=True)[1].reshape(x.shape)  # NaN last, all of them equal
    t = pycore.from_numpy(x.copy())
    for descending in (False, True):
        order = np.argsort(-codes if descending else codes, dim, kind="stable")
        want = bits(np.take_along_axis(x, order, dim))
        values, places = t.sort(dim, descending)
        assert np.array_equal(places.numpy(), order)
        assert np.array_equal(bits(values.numpy()), want)
        if not descending and dim == 0:
            assert np.array_equal(bits(t.msort().numpy()), want)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["normal", "special"])
def test_lengths(dtype: str, kind: str) -> None:
    rng = np.random.default_rng(1)
    for n in SIZES:
        check(sample(kind, n, dtype, rng), 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["normal", "special"])
def test_long_lines(dtype: str, kind: str, threads: None) -> None:
    rng = np.random.default_rng(2)
    for n in LARGE:
        check(sample(kind, n, dtype, rng), 0)


@pytest.mark.parametrize("dtype", ["float32", "int64", "int16"])
def test_rows_and_columns(dtype: str, threads: None) -> None:
    rng = np.random.default_rng(3)
    for shape in ((50, 10), (7, 300), (300, 40), (3, 5, 33)):
        x = sample("special", int(np.prod(shape)), dtype, rng).reshape(shape)
        for dim in range(len(shape)):
            check(x, dim)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_patterns(dtype: str, threads: None) -> None:
    n = 50_000
    up = np.arange(n)
    for x in (up, -up, np.minimum(up, n - up), up % 1000, up * 0 + 7, up // 100, up % 2):
        check(x.astype(dtype), 0)


def against_samples(n: int, count: int, wide: int, limit: int) -> np.ndarray:
    """Values that make each pivot one of the least: samples are the least values not given yet."""
    values = np.full(n, -1)
    segment, given, smallest = np.arange(n), 0, 0
    while len(segment) > limit:
        m = len(segment)
        k = wide if m > 8 * limit else count
        step = m // k
        chosen = segment[np.arange(k) * step + step // 2]
        for place in chosen:
            if values[place] < 0:
                values[place], given = given, given + 1
        pivot = np.sort(values[chosen])[k // 2]
        if pivot <= smallest:
            break
        smallest = pivot
        segment = segment[(values[segment] < 0) | (values[segment] >= pivot)]
    rest = values < 0
    values[rest] = np.random.default_rng(4).permutation(np.arange(given, n))
    return values


@pytest.mark.parametrize("lanes", [4, 8, 16])
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_worst_pivots(lanes: int, dtype: str) -> None:
    for n in (3000, 20_000):
        values = against_samples(n, lanes, 4 * lanes, 24 * lanes)
        check(values.astype(dtype), 0)
        check((values * 100_003).astype(dtype), 0)  # too wide for keys and places in 32 bits


@pytest.mark.parametrize("n", [17, 500, 4096, 20_000])
@pytest.mark.parametrize("outliers", [1, 3])
def test_keys_that_differ_in_their_low_bits_alone(n: int, outliers: int) -> None:
    rng = np.random.default_rng(6)
    for spread in (2, 512, 1 << 16):
        x = (1 << 22) + rng.integers(0, spread, n)
        x[rng.integers(0, n, outliers)] = np.iinfo(np.int32).max
        x[rng.integers(0, n, outliers)] = np.iinfo(np.int32).min
        check(x.astype("int32"), 0)
        check(x.astype("int32").view("float32"), 0)


def test_values_alone_have_derivatives_and_keep_bits() -> None:
    x = pycore.tensor([[3.0, 1.0], [2.0, 5.0]], requires_grad=True)
    (x.msort() * pycore.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert x.grad.tolist() == [[3.0, 2.0], [1.0, 4.0]]
    zeros = pycore.tensor([1.0, 0.0, -0.0, -1.0, 0.0]).msort()
    assert pycore.signbit(zeros).tolist() == [True, False, True, False, False]


@pytest.mark.parametrize("width", [1, 1000, (1 << 32) - 1, 1 << 32])
def test_int64_of_a_short_range(width: int, threads: None) -> None:
    rng = np.random.default_rng(7)
    info = np.iinfo("int64")
    for least in (0, -5, info.min, info.max - width):
        for shape in ((40, 10), (3, 5000), (5000, 3), (70_000,)):
            x = least + rng.integers(0, width, shape, "int64", endpoint=True)
            x.flat[0], x.flat[-1] = least, least + width
            for dim in range(x.ndim):
                check(x, dim)
    check(np.arange(60).reshape(6, 10).T, 0)


def test_parts_on_two_threads_do_not_share_spare_room() -> None:
    threads = pycore.get_num_threads()
    pycore.set_num_threads(2)
    try:
        rng = np.random.default_rng(5)
        for n in (40_000, 150_000):
            for dtype in ("float32", "float64", "int32"):
                for _ in range(10):
                    x = rng.standard_normal(n).astype(dtype) * 1000
                    t = pycore.from_numpy(x.astype(dtype))
                    want = np.argsort(t.numpy(), kind="stable")
                    values, places = t.sort()
                    assert np.array_equal(places.numpy(), want)
                    assert np.array_equal(values.numpy(), t.numpy()[want])
                    assert np.array_equal(t.msort().numpy(), values.numpy())
    finally:
        pycore.set_num_threads(threads)
