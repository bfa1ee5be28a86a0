"""clamp of integers against NumPy: bounds inside and outside of what a dtype and a double hold."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import pycore


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_integers(dtype) -> None:
    info = np.iinfo(dtype)
    draw = np.random.default_rng(0).integers(info.min, info.max, 203, dtype=dtype, endpoint=True)
    x = np.concatenate([draw, np.array([info.min, info.max, 0, 1], dtype=dtype)])
    bounds = [info.min, info.max, 0, 3, info.max // 2, info.max // 2 + 1]
    if dtype == "int64":
        bounds += [2**53, 2**53 + 1, -(2**53), -(2**53) - 1]
    for low, high in itertools.product(bounds, repeat=2):
        expected = np.minimum(np.maximum(x, np.array(low, dtype)), np.array(high, dtype))
        for t in (pycore.from_numpy(x), pycore.from_numpy(np.repeat(x, 2))[::2]):
            got = t.clamp(low, high)
            assert got.dtype == t.dtype
            assert (got.numpy() == expected).all(), (low, high)
