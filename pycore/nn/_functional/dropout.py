"""Dropout of whole channels and its self-normalising form.

Knows tensors and the random streams; must not know modules. One Bernoulli number is drawn per
element or per channel, in memory order.
"""

from __future__ import annotations

import math
import warnings

from ... import _C

Tensor = _C.Tensor

# Negative saturation value of SELU: -scale * alpha (Klambauer et al. 2017).
_SATURATION = -1.7580993408473766


def _check(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _channel_shape(input: Tensor) -> tuple[int, ...]:
    if input.dim() < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return (input.size(0), input.size(1)) + (1,) * (input.dim() - 2)


def _drop_channels(input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    if p == 0 or not training or input.numel() == 0:
        return input
    if p == 1:
        zeros = input.new_zeros(())
        return input.mul_(zeros) if inplace else input * zeros
    noise = input.new_empty(_channel_shape(input)).bernoulli_(1 - p).div_(1 - p)
    return input.mul_(noise) if inplace else input * noise


def _alpha(input: Tensor, p: float, training: bool, inplace: bool, channels: bool) -> Tensor:
    _check(p)
    if p == 0 or not training or input.numel() == 0:
        return input
    if p == 1:
        zeros = input.new_zeros(())
        return input.mul_(zeros) if inplace else input * zeros
    shape = _channel_shape(input) if channels else input.shape
    keep = input.new_empty(shape).bernoulli_(1 - p)
    # Dropped elements take the saturation value; a and b restore mean 0 and variance 1.
    a = 1.0 / math.sqrt((_SATURATION * _SATURATION * p + 1) * (1 - p))
    b = (1 - keep) * (_SATURATION * a) - _SATURATION * a * p
    keep = keep * a
    return input.mul_(keep).add_(b) if inplace else input * keep + b


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels of `(N, C, L)` or `(C, L)` with probability `p`, scale the others.

    >>> import pycore
    >>> pycore.nn.functional.dropout1d(pycore.ones(1, 2, 3), p=0.0).sum()
    tensor(6.)
    """
    _check(p)
    if input.dim() not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input. "
            "Note that dropout1d exists for channel-wise dropout on inputs with 1 spatial "
            "dimension, a channel dimension, and an optional batch dimension "
            "(i.e. 2D or 3D inputs)."
        )
    if input.dim() == 3:
        return _drop_channels(input, p, training, inplace)
    dropped = _drop_channels(
        input.unsqueeze_(0) if inplace else input.unsqueeze(0), p, training, inplace
    )
    return dropped.squeeze_(0) if inplace else dropped.squeeze(0)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels of `(N, C, H, W)` with probability `p`, scale the others.

    >>> import pycore
    >>> pycore.nn.functional.dropout2d(pycore.ones(1, 2, 3, 3), p=0.0).sum()
    tensor(18.)
    """
    _check(p)
    if input.dim() not in (3, 4):
        warnings.warn(
            f"dropout2d: Received a {input.dim()}-D input to dropout2d, which is deprecated "
            "and will result in an error in a future release. To retain the behavior and "
            "silence this warning, please use dropout instead. Note that dropout2d exists to "
            "provide channel-wise dropout on inputs with 2 spatial dimensions, a channel "
            "dimension, and an optional batch dimension (i.e. 3D or 4D inputs).",
            stacklevel=2,
        )
    if input.dim() == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D "
            "dropout behavior is desired - input is interpreted as shape (N, C, L), where C "
            "is the channel dim. This behavior will change in a future release to interpret "
            "the input as one without a batch dimension, i.e. shape (C, H, W). To maintain "
            "the 1D channel-wise dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _drop_channels(input, p, training, inplace)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels of `(N, C, D, H, W)` or `(C, D, H, W)` with probability `p`.

    >>> import pycore
    >>> pycore.nn.functional.dropout3d(pycore.ones(1, 1, 2, 2, 2), p=0.0).sum()
    tensor(8.)
    """
    _check(p)
    if input.dim() not in (4, 5):
        warnings.warn(
            f"dropout3d: Received a {input.dim()}-D input to dropout3d, which is deprecated "
            "and will result in an error in a future release. To retain the behavior and "
            "silence this warning, please use dropout instead. Note that dropout3d exists to "
            "provide channel-wise dropout on inputs with 3 spatial dimensions, a channel "
            "dimension, and an optional batch dimension (i.e. 4D or 5D inputs).",
            stacklevel=2,
        )
    if input.dim() != 4:
        return _drop_channels(input, p, training, inplace)
    dropped = _drop_channels(
        input.unsqueeze_(0) if inplace else input.unsqueeze(0), p, training, inplace
    )
    return dropped.squeeze_(0) if inplace else dropped.squeeze(0)


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout that keeps mean and variance of SELU activations (Klambauer et al. 2017).

    >>> import pycore
    >>> pycore.nn.functional.alpha_dropout(pycore.ones(3))
    tensor([1., 1., 1.])
    """
    return _alpha(input, p, training, inplace, channels=False)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels of `(N, C, *)`.

    >>> import pycore
    >>> pycore.nn.functional.feature_alpha_dropout(pycore.ones(1, 3))
    tensor([[1., 1., 1.]])
    """
    return _alpha(input, p, training, inplace, channels=True)
