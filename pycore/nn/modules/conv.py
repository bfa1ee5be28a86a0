"""Convolution layers.

Knows the functional form and the initialisation; must not know how a convolution is computed.
"""

from __future__ import annotations

import math

from ... import _C
from .. import functional as F, init
from ..parameter import Parameter
from ._sizes import reversed_twice, spread
from .module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
]

_PADDING_WORDS = ("same", "valid")
_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """Sizes, weights and printing of every convolution."""

    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        transposed: bool,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        if isinstance(padding, str):
            if padding not in _PADDING_WORDS:
                raise ValueError(
                    f"Invalid padding string {padding!r}, should be one of {_PADDING_WORDS}"
                )
            if padding == "same" and any(step != 1 for step in stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in _PADDING_MODES:
            raise ValueError(
                f"padding_mode must be one of {_PADDING_MODES}, "
                f"but got padding_mode='{padding_mode}'"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        self._reversed_padding_repeated_twice = self._explicit_padding()
        channels = (in_channels, out_channels // groups)
        if not transposed:
            channels = (out_channels, in_channels // groups)
        self.weight = Parameter(_C.empty((*channels, *kernel_size), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(_C.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _explicit_padding(self) -> list[int]:
        """Padding of both sides of every dimension, last one first, as `pad` takes it."""
        if not isinstance(self.padding, str):
            return list(reversed_twice(self.padding))
        sides = [0, 0] * len(self.kernel_size)
        if self.padding == "same":
            for axis, (step, extent) in enumerate(
                zip(reversed(self.dilation), reversed(self.kernel_size), strict=True)
            ):
                total = step * (extent - 1)
                sides[2 * axis] = total // 2
                sides[2 * axis + 1] = total - total // 2
        return sides

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, uniform in +-1/sqrt(fan_in)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._fans(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        ndim = len(self.kernel_size)
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        )
        if self.padding != (0,) * ndim:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * ndim:
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * ndim:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class _Conv(_ConvNd):
    """Signature and padding of the forward convolutions."""

    _ndim: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        ndim = self._ndim
        super().__init__(
            in_channels,
            out_channels,
            spread(kernel_size, ndim),
            spread(stride, ndim),
            padding if isinstance(padding, str) else spread(padding, ndim),
            spread(dilation, ndim),
            False,
            (0,) * ndim,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _padded(self, input: Tensor) -> tuple[Tensor, Any]:
        """The input and the padding left to do: other modes than zeros are done beforehand."""
        if self.padding_mode == "zeros":
            return input, self.padding
        sides = self._reversed_padding_repeated_twice
        return F.pad(input, sides, mode=self.padding_mode), (0,) * self._ndim

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        raise NotImplementedError

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_Conv):
    """Cross-correlation over `(N, C_in, L)` or `(C_in, L)`.

    Output length: `(L + 2*padding - dilation*(kernel_size - 1) - 1) // stride + 1`.
    `padding` is a number, `"same"` or `"valid"`.

    >>> import pycore
    >>> pycore.nn.Conv1d(16, 33, 3, stride=2)(pycore.zeros(20, 16, 50)).shape
    pycore.Size([20, 33, 24])
    """

    _ndim = 1

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        input, padding = self._padded(input)
        return F.conv1d(input, weight, bias, self.stride, padding, self.dilation, self.groups)


class Conv2d(_Conv):
    """Cross-correlation over `(N, C_in, H, W)` or `(C_in, H, W)`.

    Output height and width follow `Conv1d`'s rule; sizes are a number or a pair, `padding` also
    `"same"` or `"valid"`.

    >>> import pycore
    >>> pycore.nn.Conv2d(1, 6, 5)(pycore.zeros(4, 1, 32, 32)).shape
    pycore.Size([4, 6, 28, 28])
    """

    _ndim = 2

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        input, padding = self._padded(input)
        return F.conv2d(input, weight, bias, self.stride, padding, self.dilation, self.groups)


class Conv3d(_Conv):
    """Cross-correlation over `(N, C_in, D, H, W)` or `(C_in, D, H, W)`; sizes as `Conv2d`.

    >>> import pycore
    >>> pycore.nn.Conv3d(2, 3, 2)(pycore.zeros(1, 2, 4, 4, 4)).shape
    pycore.Size([1, 3, 3, 3, 3])
    """

    _ndim = 3

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        input, padding = self._padded(input)
        return F.conv3d(input, weight, bias, self.stride, padding, self.dilation, self.groups)


class _ConvTranspose(_ConvNd):
    """Signature and output size of the transposed convolutions."""

    _ndim: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        ndim = self._ndim
        super().__init__(
            in_channels,
            out_channels,
            spread(kernel_size, ndim),
            spread(stride, ndim),
            spread(padding, ndim),
            spread(dilation, ndim),
            True,
            spread(output_padding, ndim),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _output_padding(self, input: Tensor, output_size: Any) -> Any:
        """What must be added at the far side to reach a wanted size; ValueError if none does."""
        if output_size is None:
            return self.output_padding
        ndim = self._ndim
        extra = input.dim() - ndim
        wanted = output_size
        if len(wanted) == ndim + extra:
            wanted = wanted[extra:]
        if len(wanted) != ndim:
            raise ValueError(
                f"ConvTranspose{ndim}D: for {input.dim()}D input, output_size must have {ndim} "
                f"or {ndim + extra} elements (got {len(output_size)})"
            )
        smallest = [
            (input.size(axis + extra) - 1) * self.stride[axis]
            - 2 * self.padding[axis]
            + self.dilation[axis] * (self.kernel_size[axis] - 1)
            + 1
            for axis in range(ndim)
        ]
        largest = [low + step - 1 for low, step in zip(smallest, self.stride, strict=True)]
        for low, size, high in zip(smallest, wanted, largest, strict=True):
            if not low <= size <= high:
                raise ValueError(
                    f"requested an output size of {wanted}, but valid sizes range from "
                    f"{smallest} to {largest} (for an input of {input.size()[2:]})"
                )
        return [size - low for size, low in zip(wanted, smallest, strict=True)]


class ConvTranspose1d(_ConvTranspose):
    """The gradient of `Conv1d` as a layer: `(N, C_in, L)` to a longer `(N, C_out, L_out)`.

    `L_out = (L - 1)*stride - 2*padding + dilation*(kernel_size - 1) + output_padding + 1`.

    >>> import pycore
    >>> pycore.nn.ConvTranspose1d(2, 3, 4, stride=2)(pycore.zeros(1, 2, 5)).shape
    pycore.Size([1, 3, 12])
    """

    _ndim = 1

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return F.conv_transpose1d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._output_padding(input, output_size),
            self.groups,
            self.dilation,
        )


class ConvTranspose2d(_ConvTranspose):
    """The gradient of `Conv2d` as a layer; sizes as `ConvTranspose1d`, a number or a pair.

    >>> import pycore
    >>> pycore.nn.ConvTranspose2d(2, 3, 4, stride=2)(pycore.zeros(1, 2, 5, 5)).shape
    pycore.Size([1, 3, 12, 12])
    """

    _ndim = 2

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return F.conv_transpose2d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._output_padding(input, output_size),
            self.groups,
            self.dilation,
        )


class ConvTranspose3d(_ConvTranspose):
    """The gradient of `Conv3d` as a layer; sizes as `ConvTranspose1d`, a number or a triple.

    >>> import pycore
    >>> pycore.nn.ConvTranspose3d(2, 3, 2)(pycore.zeros(1, 2, 2, 2, 2)).shape
    pycore.Size([1, 3, 3, 3, 3])
    """

    _ndim = 3

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return F.conv_transpose3d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._output_padding(input, output_size),
            self.groups,
            self.dilation,
        )
