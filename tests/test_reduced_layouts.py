"""Reductions over every set of dimensions, of every layout: the sums of integers are exact."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import pycore

ALL = {n: [d for k in range(n + 1) for d in itertools.combinations(range(n), k)] for n in (2, 3, 4)}
SHAPES = [(17, 15, 65), (64, 3, 16), (2, 18, 33), (40, 16), (2, 3, 17, 18), (16, 2, 1, 20)]


def layouts(array: np.ndarray, dtype: pycore.dtype):
    """The array as tensors of every order of strides, then cut out and stepped through."""
    n = array.ndim
    for order in itertools.permutations(range(n)):
        back = [order.index(d) for d in range(n)]
        yield pycore.tensor(array.transpose(order).copy(), dtype=dtype).permute(back)
    wide = pycore.tensor(np.pad(array, [(1, 2)] * n), dtype=dtype)
    yield wide[tuple(slice(1, -2) for _ in range(n))]
    yield pycore.tensor(array.repeat(2, axis=n - 1), dtype=dtype)[..., ::2]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_every_layout(shape, dtype, threads):
    array = np.random.default_rng(0).integers(-8, 9, shape)
    for x in layouts(array, getattr(pycore, dtype)):
        for dims in ALL[len(shape)]:
            want = array.sum(dims or None)
            assert np.array_equal(x.sum(dims or None).numpy(), want), (x.stride(), dims)
            if dims:
                assert np.array_equal(x.amax(dims).numpy(), array.max(dims)), (x.stride(), dims)
        assert x.max() == array.max() and bool(x.any())
        assert x.argmin() == array.argmin()
        if dtype != "int64":
            np.testing.assert_allclose(x.var(0).numpy(), array.var(0, ddof=1), rtol=1e-5)
            np.testing.assert_allclose(x.norm().item(), np.sqrt((array**2).sum()), rtol=1e-6)
