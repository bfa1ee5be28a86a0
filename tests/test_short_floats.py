"""16-bit floats through kernels of their own give what float32 gives, for every one of their values."""

from __future__ import annotations

import numpy as np
import pytest

import pycore

BITS = np.arange(1 << 16, dtype=np.uint16).view(np.int16)


@pytest.mark.parametrize("dtype", [pycore.bfloat16, pycore.float16], ids=str)
@pytest.mark.parametrize("name", ["neg", "abs", "relu"])
@pytest.mark.parametrize("step", [1, 2, 3])
def test_every_value(dtype, name, step) -> None:
    x = pycore.from_numpy(BITS.copy()).view(dtype)[::step]
    function = getattr(pycore, name)
    got, want = function(x), function(x.float())
    assert got.dtype == dtype
    got, want = got.double().numpy(), want.double().numpy()
    assert np.array_equal(got, want, equal_nan=True)
    numbers = ~np.isnan(want)
    assert (np.signbit(got) == np.signbit(want))[numbers].all()
