"""Batch normalisation folded into the layer before it, for evaluation.

Knows convolutions, linear layers and batch norm; must not know how they compute.
"""

from __future__ import annotations

import copy

from ... import _C
from ..parameter import Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor

__all__ = [
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
]


def _check(layer: Any, bn: Any) -> None:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")


def _check_statistics(bn: Any) -> None:
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A copy of `conv` that computes `bn(conv(x))`; both must be in evaluation mode.

    `transpose` is for transposed convolutions, whose weight has the outputs in dimension 1.

    >>> import pycore
    >>> conv, bn = pycore.nn.Conv2d(3, 4, 2).eval(), pycore.nn.BatchNorm2d(4).eval()
    >>> x = pycore.randn(1, 3, 5, 5)
    >>> fused = pycore.nn.utils.fusion.fuse_conv_bn_eval(conv, bn)
    >>> fused(x).allclose(bn(conv(x)), atol=1e-5)
    True
    """
    _check(conv, bn)
    _check_statistics(bn)
    fused = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight,
        fused.bias,
        bn.running_mean,
        bn.running_var,
        bn.eps,
        bn.weight,
        bn.bias,
        transpose,
    )
    return fused


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a convolution that includes the batch norm after it.

    >>> import pycore
    >>> one, zero = pycore.ones(1), pycore.zeros(1)
    >>> w = pycore.ones(1, 1, 1)
    >>> pycore.nn.utils.fusion.fuse_conv_bn_weights(w, None, one, one, 0.0, one * 2, zero)
    (Parameter containing:
    tensor([[[2.]]]), Parameter containing:
    tensor([-2.]))
    """
    bias_dtype = conv_w.dtype if conv_b is None else conv_b.dtype
    bias = _C.zeros_like(bn_rm) if conv_b is None else conv_b
    scale = _C.rsqrt(bn_rv + bn_eps)
    if bn_w is not None:
        scale = bn_w * scale
    shape = [1] * conv_w.dim()
    shape[1 if transpose else 0] = -1
    weight = (conv_w * scale.reshape(shape)).to(conv_w.dtype)
    shifted = (bias - bn_rm) * scale
    if bn_b is not None:
        shifted = shifted + bn_b
    return (
        Parameter(weight.detach(), conv_w.requires_grad),
        Parameter(shifted.to(bias_dtype).detach(), bias.requires_grad),
    )


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A copy of `linear` that computes `bn(linear(x))`; both must be in evaluation mode.

    `bn` must have `linear.out_features` features, or one.

    >>> import pycore
    >>> linear, bn = pycore.nn.Linear(3, 4).eval(), pycore.nn.BatchNorm1d(4).eval()
    >>> x = pycore.randn(2, 3)
    >>> fused = pycore.nn.utils.fusion.fuse_linear_bn_eval(linear, bn)
    >>> fused(x).allclose(bn(linear(x)), atol=1e-5)
    True
    """
    _check(linear, bn)
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got "
            f"linear.out_features={linear.out_features} and bn.num_features={bn.num_features}"
        )
    _check_statistics(bn)
    fused = copy.deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return fused


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a linear layer that includes the batch norm after it.

    >>> import pycore
    >>> one, zero = pycore.ones(1), pycore.zeros(1)
    >>> w = pycore.ones(1, 2)
    >>> pycore.nn.utils.fusion.fuse_linear_bn_weights(w, None, one, one, 0.0, one * 2, zero)
    (Parameter containing:
    tensor([[2., 2.]]), Parameter containing:
    tensor([-2.]))
    """
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
