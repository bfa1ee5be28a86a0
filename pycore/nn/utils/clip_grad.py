"""Clipping of gradients by norm or by value.

Knows tensors; must not know modules.
"""

from __future__ import annotations

import warnings

from ... import _C
from ...autograd.grad_mode import no_grad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

Tensor = _C.Tensor

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
]


def _as_list(tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Norm of all tensors taken as one vector; a 0-d tensor.

    Raises RuntimeError for nan or infinity when `error_if_nonfinite`.

    >>> import pycore
    >>> pycore.nn.utils.get_total_norm([pycore.tensor([3.0]), pycore.tensor([4.0])])
    tensor(5.)
    """
    norm_type = float(norm_type)
    with no_grad():
        norms = [tensor.norm(norm_type) for tensor in _as_list(tensors)]
        if not norms:
            return _C.tensor(0.0)
        total = norms[0] if len(norms) == 1 else _C.stack(norms).norm(norm_type)
        if error_if_nonfinite and not bool(total.isfinite()):
            raise RuntimeError(
                f"The total norm of order {norm_type} for gradients from `parameters` is "
                "non-finite, so it cannot be clipped. To disable this error and scale the "
                "gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
            )
    return total


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """Scale all gradients so that their known `total_norm` becomes at most `max_norm`.

    >>> import pycore
    >>> p = pycore.nn.Parameter(pycore.zeros(2))
    >>> p.grad = pycore.tensor([3.0, 4.0])
    >>> pycore.nn.utils.clip_grads_with_norm_(p, 1.0, pycore.tensor(5.0))
    >>> p.grad
    tensor([0.6000, 0.8000])
    """
    grads = [p.grad for p in _as_list(parameters) if p.grad is not None]
    if not grads:
        return
    with no_grad():
        # The small constant keeps a zero norm harmless; above 1 nothing is scaled.
        factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
        for grad in grads:
            grad.mul_(factor)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale gradients in place so that their common norm is at most `max_norm`.

    Returns the norm before scaling.

    >>> import pycore
    >>> p = pycore.nn.Parameter(pycore.zeros(2))
    >>> p.grad = pycore.tensor([3.0, 4.0])
    >>> pycore.nn.utils.clip_grad_norm_([p], 1.0)
    tensor(5.)
    >>> p.grad
    tensor([0.6000, 0.8000])
    """
    if not isinstance(parameters, Tensor):
        empty = hasattr(parameters, "__next__")
        parameters = list(parameters)
        if empty and not parameters:
            warnings.warn(
                "`parameters` is an empty generator, no gradient clipping will occur.",
                stacklevel=3,
            )
    else:
        parameters = [parameters]
    grads = [p.grad for p in parameters if p.grad is not None]
    total = get_total_norm(grads, norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_norm(*args: Any, **kwargs: Any) -> Tensor:
    """Deprecated name of `clip_grad_norm_`."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated "
        "in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(*args, **kwargs)


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Clamp gradients in place to [-clip_value, clip_value].

    >>> import pycore
    >>> p = pycore.nn.Parameter(pycore.zeros(2))
    >>> p.grad = pycore.tensor([3.0, -4.0])
    >>> pycore.nn.utils.clip_grad_value_([p], 0.5)
    >>> p.grad
    tensor([ 0.5000, -0.5000])
    """
    clip_value = float(clip_value)
    with no_grad():
        for parameter in _as_list(parameters):
            if parameter.grad is not None:
                parameter.grad.clamp_(min=-clip_value, max=clip_value)
