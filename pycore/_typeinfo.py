"""`finfo` and `iinfo`: the limits of dtypes.

Knows dtypes only; must not know tensors' operators.
"""

from __future__ import annotations

from . import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# bits, bits of the fraction, largest exponent
_FLOATS = {
    _C.float64: (64, 52, 1023),
    _C.float32: (32, 23, 127),
    _C.float16: (16, 10, 15),
    _C.bfloat16: (16, 7, 127),
}
_INTEGERS = {_C.int64: 64, _C.int32: 32, _C.int16: 16, _C.int8: 8}
# PyTorch prints resolutions as decimal digits that survive.
_DIGITS = {_C.float64: 15, _C.float32: 6, _C.float16: 3, _C.bfloat16: 2}


def _short(dtype: Any) -> str:
    return str(dtype).rpartition(".")[2]


class finfo:
    """The limits of a floating dtype (the default one if none is given).

    >>> import pycore
    >>> pycore.finfo(pycore.float32).eps == 2**-23
    True
    """

    def __init__(self, type: Any = None) -> None:
        dtype = type or _C.get_default_dtype()
        if dtype not in _FLOATS:
            raise TypeError(
                f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle "
                f"'{_short(dtype)}'"
            )
        self.bits, fraction, top = _FLOATS[dtype]
        self.dtype = _short(dtype)
        self.eps = 2.0**-fraction
        self.max = (2.0 - self.eps) * 2.0**top
        self.min = -self.max
        self.tiny = self.smallest_normal = 2.0 ** (1 - top)
        self.resolution = 10.0 ** -_DIGITS[dtype]

    def __repr__(self) -> str:
        parts = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        shown = ", ".join(f"{name}={getattr(self, name):g}" for name in parts)
        return f"finfo({shown}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and other.dtype == self.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)


class iinfo:
    """The limits of an integer dtype.

    >>> import pycore
    >>> pycore.iinfo(pycore.int8).max
    127
    """

    def __init__(self, type: Any) -> None:
        if type == _C.uint8:
            self.bits, self.min, self.max = 8, 0, 255
        elif type in _INTEGERS:
            self.bits = _INTEGERS[type]
            self.min, self.max = -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1
        else:
            raise TypeError(
                f"torch.iinfo() requires an integer input type. Use torch.finfo to handle "
                f"'{_short(type)}'"
            )
        self.dtype = _short(type)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and other.dtype == self.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)
