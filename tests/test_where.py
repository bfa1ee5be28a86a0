"""where and masked_fill against NumPy: every size of elements, in every layout of mask and operands."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import pycore

SHAPE = (7, 133)
LAYOUTS = {
    "dense": lambda t: t(SHAPE),
    "row": lambda t: t((SHAPE[1],)),
    "column": lambda t: t((SHAPE[0], 1)),
    "number": lambda t: t(()),
    "transposed": lambda t: t(SHAPE[::-1]).T,
    "every second": lambda t: t((SHAPE[0], 2 * SHAPE[1]))[:, ::2],
}


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float16", "int32", "float64", "int64"])
@pytest.mark.parametrize("mask", LAYOUTS)
def test_layouts(mask, dtype) -> None:
    generator = np.random.default_rng(3)
    condition = LAYOUTS[mask](lambda shape: generator.integers(0, 2, shape).astype(bool))
    for left, right in itertools.product(LAYOUTS, repeat=2):
        a, b = (
            LAYOUTS[layout](lambda shape: generator.integers(0, 9, shape).astype(dtype))
            for layout in (left, right)
        )
        c, x, y = (pycore.from_numpy(np.asarray(v)) for v in (condition, a, b))
        got = pycore.where(c, x, y)
        assert got.dtype == x.dtype
        assert np.array_equal(got.numpy(), np.where(condition, a, b)), (left, right)
        if left == "number":
            filled = y.masked_fill(c, x)
            assert np.array_equal(filled.numpy(), np.where(condition, a, b)), right


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.0])
def test_special_values_keep_their_bits(value) -> None:
    for dtype in (pycore.bfloat16, pycore.float16, pycore.float32, pycore.float64):
        x = pycore.full((40,), value, dtype=dtype)
        mask = pycore.arange(40) % 3 == 0
        got = pycore.where(mask, x, 1.0).double().numpy()
        expected = np.where(np.arange(40) % 3 == 0, value, 1.0)
        assert np.array_equal(got, expected, equal_nan=True)
        assert (np.signbit(got) == np.signbit(expected)).all()
