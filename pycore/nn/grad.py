"""Gradients of convolutions by themselves.

Knows convolutions and autograd; must not know modules.
"""

from __future__ import annotations

from .. import _C
from ..autograd import enable_grad, grad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

Tensor = _C.Tensor

__all__ = [
    "conv1d_input",
    "conv1d_weight",
    "conv2d_input",
    "conv2d_weight",
    "conv3d_input",
    "conv3d_weight",
]


def _gradient(
    conv: Any, input: Tensor, weight: Tensor, wanted: Tensor, grad_output: Tensor, *geometry: Any
) -> Tensor:
    records = _C.is_grad_enabled()
    with enable_grad():
        output = conv(input, weight, None, *geometry)
        if output.shape != grad_output.shape:
            raise RuntimeError(
                f"grad_output of a convolution of {tuple(input.shape)} with "
                f"{tuple(weight.shape)} has the shape {tuple(output.shape)}, got "
                f"{tuple(grad_output.shape)}"
            )
        return grad(output, wanted, grad_output, create_graph=records)[0]


def _by_input(
    conv: Any, input_size: Any, weight: Tensor, grad_output: Tensor, *geometry: Any
) -> Tensor:
    # A convolution is linear, so that its input does not matter, only its size.
    input = grad_output.new_zeros(tuple(input_size)).requires_grad_()
    result = _gradient(conv, input, weight, input, grad_output, *geometry)
    return result if weight.requires_grad or grad_output.requires_grad else result.detach()


def _by_weight(
    conv: Any, input: Tensor, weight_size: Any, grad_output: Tensor, *geometry: Any
) -> Tensor:
    weight = grad_output.new_zeros(tuple(weight_size)).requires_grad_()
    result = _gradient(conv, input, weight, weight, grad_output, *geometry)
    return result if input.requires_grad or grad_output.requires_grad else result.detach()


def conv1d_input(
    input_size: Sequence[int],
    weight: Tensor,
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of `conv1d` by an input of shape `input_size`.

    >>> import pycore
    >>> w, g = pycore.tensor([[[1.0, 2.0]]]), pycore.ones(1, 1, 2)
    >>> pycore.nn.grad.conv1d_input((1, 1, 3), w, g)
    tensor([[[1., 3., 2.]]])
    """
    geometry = (stride, padding, dilation, groups)
    return _by_input(_C._nn.conv1d, input_size, weight, grad_output, *geometry)


def conv1d_weight(
    input: Tensor,
    weight_size: Sequence[int],
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of `conv1d` by a weight of shape `weight_size`.

    >>> import pycore
    >>> x, g = pycore.tensor([[[1.0, 2.0, 3.0]]]), pycore.ones(1, 1, 2)
    >>> pycore.nn.grad.conv1d_weight(x, (1, 1, 2), g)
    tensor([[[3., 5.]]])
    """
    geometry = (stride, padding, dilation, groups)
    return _by_weight(_C._nn.conv1d, input, weight_size, grad_output, *geometry)


def conv2d_input(
    input_size: Sequence[int],
    weight: Tensor,
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of `conv2d` by an input of shape `input_size`.

    >>> import pycore
    >>> w, g = pycore.ones(1, 1, 1, 2), pycore.ones(1, 1, 1, 2)
    >>> pycore.nn.grad.conv2d_input((1, 1, 1, 3), w, g)
    tensor([[[[1., 2., 1.]]]])
    """
    geometry = (stride, padding, dilation, groups)
    return _by_input(_C._nn.conv2d, input_size, weight, grad_output, *geometry)


def conv2d_weight(
    input: Tensor,
    weight_size: Sequence[int],
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of `conv2d` by a weight of shape `weight_size`.

    >>> import pycore
    >>> x, g = pycore.ones(1, 1, 2, 2), pycore.ones(1, 1, 1, 1)
    >>> pycore.nn.grad.conv2d_weight(x, (1, 1, 2, 2), g)
    tensor([[[[1., 1.],
              [1., 1.]]]])
    """
    geometry = (stride, padding, dilation, groups)
    return _by_weight(_C._nn.conv2d, input, weight_size, grad_output, *geometry)


def conv3d_input(
    input_size: Sequence[int],
    weight: Tensor,
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of `conv3d` by an input of shape `input_size`.

    >>> import pycore
    >>> w, g = pycore.ones(1, 1, 1, 1, 2), pycore.ones(1, 1, 1, 1, 2)
    >>> pycore.nn.grad.conv3d_input((1, 1, 1, 1, 3), w, g).flatten()
    tensor([1., 2., 1.])
    """
    geometry = (stride, padding, dilation, groups)
    return _by_input(_C._nn.conv3d, input_size, weight, grad_output, *geometry)


def conv3d_weight(
    input: Tensor,
    weight_size: Sequence[int],
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of `conv3d` by a weight of shape `weight_size`.

    >>> import pycore
    >>> x, g = pycore.ones(1, 1, 1, 1, 3), pycore.ones(1, 1, 1, 1, 2)
    >>> pycore.nn.grad.conv3d_weight(x, (1, 1, 1, 1, 2), g).flatten()
    tensor([2., 2.])
    """
    geometry = (stride, padding, dilation, groups)
    return _by_weight(_C._nn.conv3d, input, weight_size, grad_output, *geometry)
