"""Padding layers: constant, mirrored, repeated edge, wrapped around.

Knows `pad`; must not know anything else. Paddings run from the last dimension to the first, with
the left side before the right.
"""

from __future__ import annotations

from ... import _C
from .. import functional as F
from ._sizes import spread
from .module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    """The sides and their printing."""

    _sides: int
    _mode: str

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = spread(padding, self._sides)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPadNd(_Pad):
    _mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """Pad `(*, L)` with `value`.

    >>> import pycore
    >>> pycore.nn.ConstantPad1d((1, 0), 3.5)(pycore.zeros(1, 1))
    tensor([[3.5000, 0.0000]])
    """

    _sides = 2


class ConstantPad2d(_ConstantPadNd):
    """Pad `(*, H, W)` with `value`.

    >>> import pycore
    >>> pycore.nn.ConstantPad2d(1, 2.0)(pycore.zeros(1, 2, 2)).shape
    pycore.Size([1, 4, 4])
    """

    _sides = 4


class ConstantPad3d(_ConstantPadNd):
    """Pad `(*, D, H, W)` with `value`.

    >>> import pycore
    >>> pycore.nn.ConstantPad3d(1, 2.0)(pycore.zeros(1, 2, 2, 2)).shape
    pycore.Size([1, 4, 4, 4])
    """

    _sides = 6


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPadNd):
    """Pad `(*, L)` with zeros.

    >>> import pycore
    >>> pycore.nn.ZeroPad1d((1, 0))(pycore.ones(1, 1))
    tensor([[0., 1.]])
    """

    _sides = 2


class ZeroPad2d(_ZeroPadNd):
    """Pad `(*, H, W)` with zeros.

    >>> import pycore
    >>> pycore.nn.ZeroPad2d(1)(pycore.ones(1, 2, 2)).shape
    pycore.Size([1, 4, 4])
    """

    _sides = 4


class ZeroPad3d(_ZeroPadNd):
    """Pad `(*, D, H, W)` with zeros.

    >>> import pycore
    >>> pycore.nn.ZeroPad3d(1)(pycore.ones(1, 2, 2, 2)).shape
    pycore.Size([1, 4, 4, 4])
    """

    _sides = 6


class ReflectionPad1d(_Pad):
    """Pad `(N, C, L)` or `(C, L)` with its mirror image, the edge itself not repeated.

    >>> import pycore
    >>> pycore.nn.ReflectionPad1d(2)(pycore.arange(4.0).view(1, 4))
    tensor([[2., 1., 0., 1., 2., 3., 2., 1.]])
    """

    _sides = 2
    _mode = "reflect"


class ReflectionPad2d(_Pad):
    """Pad `(N, C, H, W)` or `(C, H, W)` with its mirror image.

    >>> import pycore
    >>> pycore.nn.ReflectionPad2d(1)(pycore.zeros(1, 2, 2)).shape
    pycore.Size([1, 4, 4])
    """

    _sides = 4
    _mode = "reflect"


class ReflectionPad3d(_Pad):
    """Pad `(N, C, D, H, W)` or `(C, D, H, W)` with its mirror image.

    >>> import pycore
    >>> pycore.nn.ReflectionPad3d(1)(pycore.zeros(1, 2, 2, 2)).shape
    pycore.Size([1, 4, 4, 4])
    """

    _sides = 6
    _mode = "reflect"


class ReplicationPad1d(_Pad):
    """Pad `(N, C, L)` or `(C, L)` with its edge elements.

    >>> import pycore
    >>> pycore.nn.ReplicationPad1d(2)(pycore.arange(2.0).view(1, 2))
    tensor([[0., 0., 0., 1., 1., 1.]])
    """

    _sides = 2
    _mode = "replicate"


class ReplicationPad2d(_Pad):
    """Pad `(N, C, H, W)` or `(C, H, W)` with its edge elements.

    >>> import pycore
    >>> pycore.nn.ReplicationPad2d(1)(pycore.zeros(1, 2, 2)).shape
    pycore.Size([1, 4, 4])
    """

    _sides = 4
    _mode = "replicate"


class ReplicationPad3d(_Pad):
    """Pad `(N, C, D, H, W)` or `(C, D, H, W)` with its edge elements.

    >>> import pycore
    >>> pycore.nn.ReplicationPad3d(1)(pycore.zeros(1, 2, 2, 2)).shape
    pycore.Size([1, 4, 4, 4])
    """

    _sides = 6
    _mode = "replicate"


class _CircularPad(_Pad):
    _mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        low, high = self._sides // 2 + 1, self._sides // 2 + 2
        if input.dim() not in (low, high):
            raise ValueError(f"expected {low}D or {high}D input (got {input.dim()}D input)")
        return F.pad(input, self.padding, "circular")


class CircularPad1d(_CircularPad):
    """Pad `(N, C, L)` or `(C, L)` by going around.

    >>> import pycore
    >>> pycore.nn.CircularPad1d(1)(pycore.arange(3.0).view(1, 3))
    tensor([[2., 0., 1., 2., 0.]])
    """

    _sides = 2


class CircularPad2d(_CircularPad):
    """Pad `(N, C, H, W)` or `(C, H, W)` by going around.

    >>> import pycore
    >>> pycore.nn.CircularPad2d(1)(pycore.zeros(1, 2, 2)).shape
    pycore.Size([1, 4, 4])
    """

    _sides = 4


class CircularPad3d(_CircularPad):
    """Pad `(N, C, D, H, W)` or `(C, D, H, W)` by going around.

    >>> import pycore
    >>> pycore.nn.CircularPad3d(1)(pycore.zeros(1, 2, 2, 2)).shape
    pycore.Size([1, 4, 4, 4])
    """

    _sides = 6
