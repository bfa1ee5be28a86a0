"""Quotients and remainders against Python's own, which are exact: edges of every dtype."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import pycore

INTEGERS = ["uint8", "int8", "int16", "int32", "int64"]


def _operands(dtype):
    """All pairs of edges and then random pairs of every magnitude."""
    rng = np.random.default_rng(0)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    edges = {low, low + 1, low // 2, -3, -2, -1, 0, 1, 2, 3, 7, high // 2, high // 2 + 1}
    edges |= {high - 1, high, high - 600, low + 600}
    for bits in (24, 31, 32, 52, 53, 54, 62):
        edges |= {2**bits - 1, 2**bits, 2**bits + 1, -(2**bits) - 1}
    pairs = list(itertools.product([e for e in edges if low <= e <= high], repeat=2))
    for _ in range(4000):
        a, b = (int(rng.integers(low, high, endpoint=True)) >> int(rng.integers(63)) for _ in "ab")
        pairs.append((a, b))
        if low <= a * b + 1 <= high:
            pairs += [(a * b, b), (a * b - (a * b > low), b), (a * b + 1, b)]
    return [(a, b) for a, b in pairs if b != 0]


def _wrap(value, dtype):
    return int(np.array(value & (2**64 - 1), "uint64").astype(dtype))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers(dtype):
    pairs = _operands(dtype)
    a, b = (pycore.from_numpy(np.array(side, dtype)) for side in zip(*pairs, strict=True))
    trunc = [abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1) for x, y in pairs]
    cases = {
        "floor": (a // b, [x // y for x, y in pairs]),
        "remainder": (a % b, [x % y for x, y in pairs]),
        "trunc": (pycore.div(a, b, rounding_mode="trunc"), trunc),
        "fmod": (pycore.fmod(a, b), [x - q * y for (x, y), q in zip(pairs, trunc, strict=True)]),
    }
    for name, (got, want) in cases.items():
        assert got.tolist() == [_wrap(w, dtype) for w in want], name
    for divisor in (3, -1, 1, -7 if dtype != "uint8" else 7):
        if dtype == "uint8" and divisor < 0:
            continue
        assert (a // divisor).tolist() == [_wrap(x // divisor, dtype) for x, _ in pairs]
        assert (a % divisor).tolist() == [_wrap(x % divisor, dtype) for x, _ in pairs]
    assert (a[::3] // b[::3]).tolist() == (a // b)[::3].tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats(dtype):
    rng = np.random.default_rng(1)
    eps, tiny = float(np.finfo(dtype).eps), float(np.finfo(dtype).smallest_subnormal)
    edges = [0.0, 1.0, 3.0, 0.1, 1 - eps / 2, 1 + eps, 2 / eps, 1 / eps, 0.5 / eps, tiny, 5 * tiny]
    edges += [float(np.finfo(dtype).tiny), float(np.finfo(dtype).max), math.inf, math.nan]
    edges += [-e for e in edges]
    pairs = list(itertools.product(edges, repeat=2))
    a = rng.normal(size=20000) * 2.0 ** rng.integers(-30, 30, 20000)
    b = rng.normal(size=20000) * 2.0 ** rng.integers(-30, 30, 20000)
    near = rng.integers(1, 1000, 20000) * b.astype(dtype)
    x = np.concatenate([np.array(pairs)[:, 0], a, near, np.nextafter(near.astype(dtype), 0)])
    y = np.concatenate([np.array(pairs)[:, 1], b, b, b])
    x, y = x.astype(dtype), y.astype(dtype)
    with np.errstate(all="ignore"):
        want = np.fmod(x, y)  # the C library's, which is exact
        away = (want != 0) & ((want < 0) != (y < 0))
        floored = np.where(away, want + y, want)
    got = pycore.fmod(pycore.from_numpy(x), pycore.from_numpy(y)).numpy()
    np.testing.assert_array_equal(got, want)
    known = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got[known]), np.signbit(want[known]))
    got = (pycore.from_numpy(x) % pycore.from_numpy(y)).numpy()
    np.testing.assert_array_equal(got, floored)
    for divisor in (3.0, -0.3):
        got = pycore.fmod(pycore.from_numpy(x), divisor).numpy()
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(got, np.fmod(x, np.array(divisor, dtype)))
    # a == q b + r with a whole q
    wide = np.abs(a / b) < 1e6
    quotient = (pycore.from_numpy(a[wide]) // pycore.from_numpy(b[wide])).tolist()
    assert quotient == [p // q for p, q in zip(a[wide].tolist(), b[wide].tolist(), strict=True)]


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "floor_divide", "remainder"])
def test_number_first(name):
    """The functions take a number in place of either tensor, or of both."""
    function, x = getattr(pycore, name), pycore.tensor([2, 3])
    reference = getattr(np, {"div": "divide", "sub": "subtract", "mul": "multiply"}.get(name, name))
    for number in (7, 7.5):
        got, want = function(number, x), reference(number, np.array([2, 3]))
        assert got.tolist() == pytest.approx(want.tolist())
        assert got.is_floating_point() == (want.dtype.kind == "f")
        assert function(number, 2).item() == reference(number, 2)


def test_scaled_subtraction_from_a_number():
    x = pycore.tensor([1.0, 2.0], requires_grad=True)
    for y in (pycore.rsub(x, 1, alpha=3), pycore.sub(1, x, alpha=3)):
        assert y.tolist() == [-2, -5]
        assert pycore.autograd.grad(y.sum(), x)[0].tolist() == [-3, -3]


@pytest.mark.parametrize("function", [pycore.remainder, pycore.fmod, pycore.floor_divide])
def test_nothing_divided_by_zero(function):
    """The error is of a division, not of a divisor."""
    for shape, divisor in (((0,), 0), ((0, 3), pycore.zeros(3, dtype=pycore.int64))):
        assert function(pycore.zeros(shape, dtype=pycore.int64), divisor).shape == shape
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        function(pycore.zeros(1, dtype=pycore.int64), 0)
