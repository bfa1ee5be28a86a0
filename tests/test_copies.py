"""Copies between layouts, and reductions over dimensions that do not lie together, against NumPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import pycore


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_permuted_copies(dtype):
    shape = (3, 5, 4, 33)
    x = np.arange(np.prod(shape)).astype(dtype).reshape(shape)
    for order in itertools.permutations(range(4)):
        want = np.ascontiguousarray(x.transpose(order))
        assert (pycore.from_numpy(x).permute(*order).contiguous().numpy() == want).all()


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 15, 16, 17, 127, 128, 129, 130, 1025, 5000])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_rows_of_every_length(width, dtype):
    x = np.random.default_rng(0).integers(0, 200, (23, width + 3)).astype(dtype)
    t = pycore.from_numpy(x)
    assert (t[:, 1 : width + 1].clone().numpy() == x[:, 1 : width + 1]).all()
    assert (t[:, :width].flip(1).numpy() == x[:, width - 1 :: -1][:, :width]).all()
    assert (t.flip(0, 1).numpy() == x[::-1, ::-1]).all()
    assert (t[::2, ::2].clone().numpy() == x[::2, ::2]).all()
    assert (t.repeat(3, 2).numpy() == np.tile(x, (3, 2))).all()
    out = pycore.zeros(23, 2 * width + 6, dtype=t.dtype)
    out[:, ::2] = t
    assert (out[:, ::2].numpy() == x).all()
    assert (out[:, 1::2] == 0).all()
    assert (t[:1].expand(7, -1).contiguous().numpy() == x[:1].repeat(7, 0)).all()


def test_large_copies_are_cut_by_rows():
    x = np.random.default_rng(0).standard_normal((40, 30, 100)).astype("f")
    t = pycore.from_numpy(x)
    assert (t.transpose(0, 1).contiguous().numpy() == x.transpose(1, 0, 2)).all()
    assert (t[:, 1:, 3:90].clone().numpy() == x[:, 1:, 3:90]).all()


@pytest.mark.parametrize("plane", [1, 7, 15, 16, 49, 33_000])
def test_reductions_of_channels(plane):
    """Over batch and plane at once: the elements of a channel lie in pieces."""
    x = np.random.default_rng(1).standard_normal((3, 4, plane))
    t = pycore.from_numpy(x)
    np.testing.assert_allclose(t.sum((0, 2)).numpy(), x.sum((0, 2)), rtol=1e-12)
    np.testing.assert_allclose(t.mean((0, 2)).numpy(), x.mean((0, 2)), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(t.var((0, 2)).numpy(), x.var((0, 2), ddof=1), rtol=1e-12)
    assert (t.amax((0, 2)).numpy() == x.max((0, 2))).all()
    assert (t.amin((0, 2), keepdim=True).numpy() == x.min((0, 2), keepdims=True)).all()
    assert ((t > 0).sum((0, 2)).numpy() == (x > 0).sum((0, 2))).all()
    assert ((t > -9).all(2).all(0).numpy()).all()
    threads = pycore.get_num_threads()
    try:
        sums = []
        for n in (1, 2):
            pycore.set_num_threads(n)
            sums.append(t.float().sum((0, 2)).numpy())
    finally:
        pycore.set_num_threads(threads)
    assert (sums[0] == sums[1]).all()
