"""Layers that learn their number of input features or channels from the first input.

Knows the layers they become; must not know how those compute.
"""

from __future__ import annotations

from ... import _C
from ...autograd.grad_mode import no_grad
from ..parameter import UninitializedBuffer, UninitializedParameter
from .batchnorm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    _NormBase,
)
from .conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .lazy import LazyModuleMixin
from .linear import Linear

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
    "LazyLinear",
]


class LazyLinear(LazyModuleMixin, Linear):
    """A `Linear` whose `in_features` is the last extent of the first input.

    >>> import pycore
    >>> m = pycore.nn.LazyLinear(3)
    >>> m
    LazyLinear(in_features=0, out_features=3, bias=True)
    >>> _ = m(pycore.zeros(2, 5))
    >>> m
    Linear(in_features=5, out_features=3, bias=True)
    """

    cls_to_become = Linear
    weight: Any
    bias: Any

    def __init__(
        self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(0, 0, False)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, once they have shapes."""
        if not self.has_uninitialized_params() and self.in_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Take `in_features` from the input and draw the weights."""
        features = input.shape[-1]
        if self.has_uninitialized_params():
            with no_grad():
                self.in_features = features
                self.weight.materialize((self.out_features, features))
                if self.bias is not None:
                    self.bias.materialize((self.out_features,))
                self.reset_parameters()
        if self.in_features == 0:  # the shapes came from a state dict
            known = self.weight.shape[-1]
            if features != known:
                raise AssertionError(
                    f"The in_features inferred from input: {features} is not equal to in_features "
                    f"from self.weight: {known}"
                )
            self.in_features = known


class _LazyConv(LazyModuleMixin):
    """What lazy convolutions share; comes in front of the class that they become."""

    _ndim: int
    in_channels: int
    out_channels: int
    groups: int
    transposed: bool
    kernel_size: tuple[int, ...]
    weight: Any
    bias: Any

    def __init__(
        self, out_channels: int, kernel_size: Any, *options: Any, bias: bool, **named: Any
    ) -> None:
        super().__init__(0, 0, kernel_size, *options, bias=False, **named)
        made = {"device": named["device"], "dtype": named["dtype"]}
        self.weight = UninitializedParameter(**made)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(**made)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, once they have shapes."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Take `in_channels` from the input and draw the weights."""
        if not self.has_uninitialized_params():
            if self.in_channels == 0:  # the shapes came from a state dict
                own = self.weight.shape
                self.in_channels = own[0] if self.transposed else own[1] * self.groups
            return
        self.in_channels = self._channels_of(input)
        if self.in_channels % self.groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        channels = (self.in_channels, self.out_channels // self.groups)
        if not self.transposed:
            channels = (self.out_channels, self.in_channels // self.groups)
        self.weight.materialize((*channels, *self.kernel_size))
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()

    def _channels_of(self, input: Tensor) -> int:
        single, batched = self._ndim + 1, self._ndim + 2
        if input.dim() not in (single, batched):
            raise RuntimeError(
                f"Expected {single}D (unbatched) or {batched}D (batched) input "
                f"to {type(self).__name__}, but got input of size: {input.shape}"
            )
        return int(input.shape[1] if input.dim() == batched else input.shape[0])


class _LazyForwardConv(_LazyConv):
    def __init__(
        self,
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
        super().__init__(
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias=bias,
            padding_mode=padding_mode,
            device=device,
            dtype=dtype,
        )


class _LazyTransposedConv(_LazyConv):
    def __init__(
        self,
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
        super().__init__(
            out_channels,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            bias=bias,
            dilation=dilation,
            padding_mode=padding_mode,
            device=device,
            dtype=dtype,
        )


class LazyConv1d(_LazyForwardConv, Conv1d):
    """A `Conv1d` whose `in_channels` is that of the first input, `(N, C_in, L)` or `(C_in, L)`.

    >>> import pycore
    >>> m = pycore.nn.LazyConv1d(4, 3)
    >>> m(pycore.zeros(2, 5, 8)).shape, m.in_channels
    (pycore.Size([2, 4, 6]), 5)
    """

    cls_to_become = Conv1d


class LazyConv2d(_LazyForwardConv, Conv2d):
    """A `Conv2d` whose `in_channels` is that of the first input, `(N, C_in, H, W)` or unbatched.

    >>> import pycore
    >>> m = pycore.nn.LazyConv2d(4, 3)
    >>> m(pycore.zeros(2, 5, 8, 8)).shape, m.in_channels
    (pycore.Size([2, 4, 6, 6]), 5)
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyForwardConv, Conv3d):
    """A `Conv3d` whose `in_channels` is that of the first input, `(N, C_in, D, H, W)` or unbatched.

    >>> import pycore
    >>> m = pycore.nn.LazyConv3d(4, 3)
    >>> m(pycore.zeros(2, 5, 4, 4, 4)).shape, m.in_channels
    (pycore.Size([2, 4, 2, 2, 2]), 5)
    """

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyTransposedConv, ConvTranspose1d):
    """A `ConvTranspose1d` whose `in_channels` is that of the first input.

    >>> import pycore
    >>> m = pycore.nn.LazyConvTranspose1d(4, 3)
    >>> m(pycore.zeros(2, 5, 8)).shape, m.in_channels
    (pycore.Size([2, 4, 10]), 5)
    """

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposedConv, ConvTranspose2d):
    """A `ConvTranspose2d` whose `in_channels` is that of the first input.

    >>> import pycore
    >>> m = pycore.nn.LazyConvTranspose2d(4, 3)
    >>> m(pycore.zeros(2, 5, 8, 8)).shape, m.in_channels
    (pycore.Size([2, 4, 10, 10]), 5)
    """

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposedConv, ConvTranspose3d):
    """A `ConvTranspose3d` whose `in_channels` is that of the first input.

    >>> import pycore
    >>> m = pycore.nn.LazyConvTranspose3d(4, 3)
    >>> m(pycore.zeros(2, 5, 2, 2, 2)).shape, m.in_channels
    (pycore.Size([2, 4, 4, 4, 4]), 5)
    """

    cls_to_become = ConvTranspose3d


class _LazyNorm(LazyModuleMixin, _NormBase):
    weight: Any
    bias: Any

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, device, dtype, bias=False)
        self.affine = affine
        self.track_running_stats = track_running_stats
        made = {"device": device, "dtype": dtype}
        if affine:
            self.weight = UninitializedParameter(**made)
            if bias:
                self.bias = UninitializedParameter(**made)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(**made)
            self.running_var = UninitializedBuffer(**made)
            self.num_batches_tracked = _C.tensor(0, dtype=_C.int64, device=device)

    def reset_parameters(self) -> None:
        """Forget the batches seen; scale 1 and shift 0, once they have shapes."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Take `num_features` from dimension 1 of the input."""
        if not self.has_uninitialized_params():
            if self.num_features == 0:  # the shapes came from a state dict
                known = self.weight if self.affine else self.running_mean
                self.num_features = 0 if known is None else known.shape[0]
            return
        self.num_features = input.shape[1]
        values = [self.weight, self.bias] if self.affine else []
        if self.track_running_stats:
            values += [self.running_mean, self.running_var]
        for value in values:
            if value is not None:
                value.materialize((self.num_features,))
        self.reset_parameters()


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """A `BatchNorm1d` whose `num_features` is `C` of the first input, `(N, C)` or `(N, C, L)`.

    >>> import pycore
    >>> m = pycore.nn.LazyBatchNorm1d()
    >>> m(pycore.randn(8, 3)).shape, m.num_features
    (pycore.Size([8, 3]), 3)
    """

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """A `BatchNorm2d` whose `num_features` is `C` of the first input, `(N, C, H, W)`.

    >>> import pycore
    >>> m = pycore.nn.LazyBatchNorm2d()
    >>> m(pycore.randn(8, 3, 2, 2)).shape, m.num_features
    (pycore.Size([8, 3, 2, 2]), 3)
    """

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """A `BatchNorm3d` whose `num_features` is `C` of the first input, `(N, C, D, H, W)`.

    >>> import pycore
    >>> m = pycore.nn.LazyBatchNorm3d()
    >>> m(pycore.randn(2, 3, 2, 2, 2)).shape, m.num_features
    (pycore.Size([2, 3, 2, 2, 2]), 3)
    """

    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):
    """An `InstanceNorm1d` whose `num_features` is dimension 1 of the first input.

    Unlike `InstanceNorm1d`, it is affine and tracks running statistics unless told otherwise.

    >>> import pycore
    >>> m = pycore.nn.LazyInstanceNorm1d()
    >>> m(pycore.randn(2, 3, 5)).shape, m.num_features
    (pycore.Size([2, 3, 5]), 3)
    """

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):
    """An `InstanceNorm2d` whose `num_features` is dimension 1 of the first input.

    Unlike `InstanceNorm2d`, it is affine and tracks running statistics unless told otherwise.

    >>> import pycore
    >>> m = pycore.nn.LazyInstanceNorm2d()
    >>> m(pycore.randn(2, 3, 5, 5)).shape, m.num_features
    (pycore.Size([2, 3, 5, 5]), 3)
    """

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):
    """An `InstanceNorm3d` whose `num_features` is dimension 1 of the first input.

    Unlike `InstanceNorm3d`, it is affine and tracks running statistics unless told otherwise.

    >>> import pycore
    >>> m = pycore.nn.LazyInstanceNorm3d()
    >>> m(pycore.randn(2, 3, 2, 2, 2)).shape, m.num_features
    (pycore.Size([2, 3, 2, 2, 2]), 3)
    """

    cls_to_become = InstanceNorm3d
