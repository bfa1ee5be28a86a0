"""Layers of fractional maximum pooling.

Knows the functional form; must not know how windows are placed.
"""

from __future__ import annotations

from ... import _C
from .. import functional as F
from ._sizes import spread
from .module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

Tensor = _C.Tensor

__all__ = ["FractionalMaxPool2d", "FractionalMaxPool3d"]


class _FractionalMaxPool(Module):
    _dims: ClassVar[int]
    _pool: ClassVar[Any]

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        dims, name = self._dims, type(self).__name__
        self.kernel_size = spread(kernel_size, dims)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else spread(output_size, dims)
        self.output_ratio = None if output_ratio is None else spread(output_ratio, dims)
        if output_size is None and output_ratio is None:
            raise ValueError(
                f"{name} requires specifying either an output size, or a pooling ratio"
            )
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input: Tensor) -> Any:
        return type(self)._pool(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPool):
    """Maxima of windows of `(N, C, H, W)` that lie at random (Graham 2014).

    Args:
        output_size: of the result; or
        output_ratio: its ratio to the input's, between 0 and 1.
        return_indices: also return where the maxima were found.

    >>> import pycore
    >>> pycore.nn.FractionalMaxPool2d(3, output_ratio=0.5)(pycore.zeros(1, 2, 12, 14)).shape
    pycore.Size([1, 2, 6, 7])
    """

    _dims = 2
    _pool = staticmethod(F.fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPool):
    """`FractionalMaxPool2d` for `(N, C, T, H, W)`.

    >>> import pycore
    >>> pool = pycore.nn.FractionalMaxPool3d(2, output_size=(3, 2, 2))
    >>> pool(pycore.zeros(1, 2, 6, 5, 4)).shape
    pycore.Size([1, 2, 3, 2, 2])
    """

    _dims = 3
    _pool = staticmethod(F.fractional_max_pool3d)

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        sizes = kernel_size if isinstance(kernel_size, list | tuple) else (kernel_size,)
        if not all(k > 0 for k in sizes):
            raise ValueError(f"kernel_size must be greater than 0, but got {kernel_size}")
        super().__init__(kernel_size, output_size, output_ratio, return_indices, _random_samples)
