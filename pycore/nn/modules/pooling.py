"""Pooling layers: maximum, minimum, average, power mean, adaptive, and un-pooling.

Knows the functional forms; must not know anything else. Sizes are a number or one per dimension.
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
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
    "MinPool1d",
    "MinPool2d",
    "MinPool3d",
]


class _ExtremePool(Module):
    """Sizes and printing of maximum and minimum pooling."""

    return_indices: bool
    ceil_mode: bool

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_ExtremePool):
    """Maximum of every window of `(N, C, L)`.

    The stride is the kernel size when None; positions of the maxima on request.

    >>> import pycore
    >>> pycore.nn.MaxPool1d(2)(pycore.tensor([[[1.0, 3.0, 2.0, 0.0]]]))
    tensor([[[3., 2.]]])
    """

    def forward(self, input: Tensor) -> Any:
        return F.max_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class MaxPool2d(_ExtremePool):
    """Maximum of every window of `(N, C, H, W)`.

    The stride is the kernel size when None; positions of the maxima on request.

    >>> import pycore
    >>> pycore.nn.MaxPool2d(2)(pycore.zeros(1, 1, 4, 6)).shape
    pycore.Size([1, 1, 2, 3])
    """

    def forward(self, input: Tensor) -> Any:
        return F.max_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class MaxPool3d(_ExtremePool):
    """Maximum of every window of `(N, C, D, H, W)`.

    The stride is the kernel size when None; positions of the maxima on request.

    >>> import pycore
    >>> pycore.nn.MaxPool3d(2)(pycore.zeros(1, 1, 4, 6, 2)).shape
    pycore.Size([1, 1, 2, 3, 1])
    """

    def forward(self, input: Tensor) -> Any:
        return F.max_pool3d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class MinPool1d(_ExtremePool):
    """Minimum of every window of `(N, C, L)`.

    The counterpart of `MaxPool1d`; padding counts as plus infinity.

    >>> import pycore
    >>> pycore.nn.MinPool1d(2)(pycore.tensor([[[1.0, 3.0, 2.0, 0.0]]]))
    tensor([[[1., 0.]]])
    """

    def forward(self, input: Tensor) -> Any:
        return F.min_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class MinPool2d(_ExtremePool):
    """Minimum of every window of `(N, C, H, W)`.

    The counterpart of `MaxPool2d`; padding counts as plus infinity.

    >>> import pycore
    >>> pycore.nn.MinPool2d(2)(pycore.zeros(1, 1, 4, 6)).shape
    pycore.Size([1, 1, 2, 3])
    """

    def forward(self, input: Tensor) -> Any:
        return F.min_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class MinPool3d(_ExtremePool):
    """Minimum of every window of `(N, C, D, H, W)`.

    The counterpart of `MaxPool3d`; padding counts as plus infinity.

    >>> import pycore
    >>> pycore.nn.MinPool3d(2)(pycore.zeros(1, 1, 4, 6, 2)).shape
    pycore.Size([1, 1, 2, 3, 1])
    """

    def forward(self, input: Tensor) -> Any:
        return F.min_pool3d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class AvgPool1d(Module):
    """Mean of every window of `(N, C, L)`; `count_include_pad` counts padding as zeros.

    >>> import pycore
    >>> pycore.nn.AvgPool1d(2)(pycore.tensor([[[1.0, 3.0, 2.0, 0.0]]]))
    tensor([[[2., 1.]]])
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = spread(kernel_size, 1)
        self.stride = spread(stride if stride is not None else kernel_size, 1)
        self.padding = spread(padding, 1)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    """Options and printing of average pooling in two and three dimensions."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    """Mean of every window of `(N, C, H, W)`; `divisor_override` replaces the window's size.

    >>> import pycore
    >>> pycore.nn.AvgPool2d(2)(pycore.ones(1, 1, 4, 6)).shape
    pycore.Size([1, 1, 2, 3])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool3d(_AvgPool):
    """Mean of every window of `(N, C, D, H, W)`; `divisor_override` replaces the window's size.

    >>> import pycore
    >>> pycore.nn.AvgPool3d(2)(pycore.ones(1, 1, 4, 6, 2)).shape
    pycore.Size([1, 1, 2, 3, 1])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool3d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class _LPPool(Module):
    """Sizes and printing of power-mean pooling."""

    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """`(sum of x**p)**(1/p)` of every window of `(N, C, L)`.

    >>> import pycore
    >>> pycore.nn.LPPool1d(2, 2)(pycore.tensor([[[3.0, 4.0]]]))
    tensor([[[5.]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool1d(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


class LPPool2d(_LPPool):
    """`(sum of x**p)**(1/p)` of every window of `(N, C, H, W)`.

    >>> import pycore
    >>> pycore.nn.LPPool2d(2, 2)(pycore.ones(1, 1, 2, 2))
    tensor([[[[2.]]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool2d(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


class LPPool3d(_LPPool):
    """`(sum of x**p)**(1/p)` of every window of `(N, C, D, H, W)`.

    >>> import pycore
    >>> pycore.nn.LPPool3d(3, 2)(pycore.ones(1, 1, 2, 2, 2)).flatten()
    tensor([2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool3d(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


class _AdaptivePool(Module):
    """Output size and printing of adaptive pooling."""

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class _AdaptiveAvgPool(Module):
    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means of `output_size` windows that cover `(N, C, L)` evenly.

    >>> import pycore
    >>> pycore.nn.AdaptiveAvgPool1d(5)(pycore.zeros(1, 64, 8)).shape
    pycore.Size([1, 64, 5])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means of `output_size` windows that cover `(N, C, H, W)` evenly; None keeps a size.

    >>> import pycore
    >>> pycore.nn.AdaptiveAvgPool2d((5, None))(pycore.zeros(1, 64, 8, 9)).shape
    pycore.Size([1, 64, 5, 9])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Means of `output_size` windows that cover `(N, C, D, H, W)` evenly; None keeps a size.

    >>> import pycore
    >>> pycore.nn.AdaptiveAvgPool3d((5, None, 1))(pycore.zeros(1, 6, 8, 9, 4)).shape
    pycore.Size([1, 6, 5, 9, 1])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool3d(input, self.output_size)


class AdaptiveMaxPool1d(_AdaptivePool):
    """Maxima of `output_size` windows that cover `(N, C, L)` evenly.

    >>> import pycore
    >>> pycore.nn.AdaptiveMaxPool1d(5)(pycore.zeros(1, 64, 8)).shape
    pycore.Size([1, 64, 5])
    """

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptivePool):
    """Maxima of `output_size` windows that cover `(N, C, H, W)` evenly; None keeps a size.

    >>> import pycore
    >>> pycore.nn.AdaptiveMaxPool2d(3)(pycore.zeros(1, 64, 8, 9)).shape
    pycore.Size([1, 64, 3, 3])
    """

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptivePool):
    """Maxima of `output_size` windows that cover `(N, C, D, H, W)` evenly; None keeps a size.

    >>> import pycore
    >>> pycore.nn.AdaptiveMaxPool3d(3)(pycore.zeros(1, 6, 8, 9, 4)).shape
    pycore.Size([1, 6, 3, 3, 3])
    """

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class _MaxUnpool(Module):
    """Sizes and printing of un-pooling."""

    _ndim: int

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size = spread(kernel_size, self._ndim)
        self.stride = spread(stride if stride is not None else kernel_size, self._ndim)
        self.padding = spread(padding, self._ndim)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Puts the maxima of `MaxPool1d` back to their positions, zeros elsewhere.

    >>> import pycore
    >>> pool = pycore.nn.MaxPool1d(2, return_indices=True)
    >>> y, i = pool(pycore.tensor([[[1.0, 2.0, 4.0, 3.0]]]))
    >>> pycore.nn.MaxUnpool1d(2)(y, i)
    tensor([[[0., 2., 4., 0.]]])
    """

    _ndim = 1

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        return F.max_unpool1d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool2d(_MaxUnpool):
    """Puts the maxima of `MaxPool2d` back to their positions, zeros elsewhere.

    >>> import pycore
    >>> y, i = pycore.nn.MaxPool2d(2, return_indices=True)(pycore.zeros(1, 1, 4, 4))
    >>> pycore.nn.MaxUnpool2d(2)(y, i).shape
    pycore.Size([1, 1, 4, 4])
    """

    _ndim = 2

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        return F.max_unpool2d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool3d(_MaxUnpool):
    """Puts the maxima of `MaxPool3d` back to their positions, zeros elsewhere.

    >>> import pycore
    >>> y, i = pycore.nn.MaxPool3d(2, return_indices=True)(pycore.zeros(1, 1, 4, 4, 4))
    >>> pycore.nn.MaxUnpool3d(2)(y, i).shape
    pycore.Size([1, 1, 4, 4, 4])
    """

    _ndim = 3

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        return F.max_unpool3d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )
