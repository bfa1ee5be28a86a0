"""Integer products against NumPy's, which wrap too: every path, layout and thread count exactly."""

from __future__ import annotations

import numpy as np
import pytest

import pycore

SHAPES = [  # m, k, n: dots on either side, one tile, partial tiles, several blocks of k and columns
    (1, 1, 1),
    (1, 300, 1),
    (70, 600, 3),
    (3, 600, 70),
    (2, 0, 3),
    (9, 513, 17),
    (65, 257, 131),
    (200, 20, 2),
    (40, 300, 600),
]


def _operand(rng, dtype, shape, layout):
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max

    def draw(*size):
        return pycore.from_numpy(rng.integers(low, high, size, dtype=dtype, endpoint=True))

    if layout == "transposed":
        return draw(*shape[::-1]).t()
    if layout == "gaps":
        return draw(shape[0], 2 * shape[1])[:, ::2]
    return draw(*shape)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_products_wrap_exactly(shape, dtype):
    m, k, n = shape
    rng = np.random.default_rng(0)
    threads = pycore.get_num_threads()
    for left in ("plain", "transposed", "gaps"):
        for right in ("plain", "transposed", "gaps"):
            a, b = _operand(rng, dtype, (m, k), left), _operand(rng, dtype, (k, n), right)
            want = (a.numpy().astype("uint64") @ b.numpy().astype("uint64")).astype(dtype)
            try:
                for count in (1, 2):
                    pycore.set_num_threads(count)
                    np.testing.assert_array_equal((a @ b).numpy(), want)
            finally:
                pycore.set_num_threads(threads)
            np.testing.assert_array_equal((a @ b[:, 0]).numpy(), want[:, 0])
            np.testing.assert_array_equal((a[0] @ b).numpy(), want[0])
            added = pycore.addmm(pycore.from_numpy(want.copy()), a, b).numpy()
            np.testing.assert_array_equal(added, want + want)


def test_batches():
    rng = np.random.default_rng(1)
    a, b = rng.integers(-9, 9, (3, 1, 5, 40)), rng.integers(-9, 9, (2, 40, 6))
    got = pycore.from_numpy(a) @ pycore.from_numpy(b)
    np.testing.assert_array_equal(got.numpy(), a @ b)
