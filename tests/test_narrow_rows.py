"""16-bit floats that are widened and rounded in registers: the bits of float32, rounded once."""

from __future__ import annotations

import pytest

import pycore
from pycore.nn import functional as F

NARROW = [pycore.bfloat16, pycore.float16]
EXTREMES = [0.0, -0.0, float("inf"), float("-inf"), float("nan"), 65504.0, 1e-7, -3e38]


def numbers(*shape: int, dtype: pycore.dtype) -> pycore.Tensor:
    """Normal numbers, among them zeros, infinities, NaN and values that rounding carries further."""
    x = pycore.randn(*shape) * 100
    flat = x.view(-1)
    for i, extreme in enumerate(EXTREMES):
        flat[i * 37 % flat.numel()] = extreme
    return x.to(dtype)


def bits(x: pycore.Tensor) -> pycore.Tensor:
    return x.view(pycore.int16)


@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("size", [1, 3, 15, 16, 17, 31, 32, 33, 49, 63, 70, 3000])
@pytest.mark.parametrize("channels", [1, 5, 17, 40])
def test_batch_norm(dtype, training, size, channels, threads):
    x = numbers(9, channels, size, dtype=dtype)
    if training:
        x = x.nan_to_num(0, 1, -1).clamp(-100, 100)
    weight, bias = pycore.randn(channels), pycore.randn(channels)
    for t in (x, x[:, :, 0], x.transpose(1, 2).contiguous().transpose(1, 2)):
        stats = [pycore.rand(channels), pycore.rand(channels) + 0.5]
        again = [s.clone() for s in stats]
        got = F.batch_norm(t, *stats, weight, bias, training)
        want = F.batch_norm(t.float(), *again, weight, bias, training).to(dtype)
        assert got.dtype == dtype and pycore.equal(bits(got), bits(want))
        assert pycore.equal(stats[0], again[0]) and pycore.equal(stats[1], again[1])
