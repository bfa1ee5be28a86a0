"""What distributions share: broadcasting of parameters, probabilities and logits, late properties.

Knows tensors only.
"""

from __future__ import annotations

from .. import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

Tensor = _C.Tensor


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """The values as tensors of one shape; numbers get the dtype of the first tensor among them.

    >>> import pycore
    >>> pycore.distributions.utils.broadcast_all(1.0, pycore.zeros(2))
    (tensor([1., 1.]), tensor([0., 0.]))
    """
    tensors = [v for v in values if isinstance(v, Tensor)]
    if not all(isinstance(v, (Tensor, int, float)) for v in values):
        raise ValueError(
            "Input arguments must all be instances of Number, torch.Tensor or objects "
            "implementing __torch_function__."
        )
    dtype = tensors[0].dtype if tensors else _C.get_default_dtype()
    return tuple(
        _C.broadcast_tensors(
            *(v if isinstance(v, Tensor) else _C.tensor(v, dtype=dtype) for v in values)
        )
    )


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities kept apart from 0 and 1 by the least step of their dtype."""
    from .._typeinfo import finfo

    eps = finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """The logarithms of probabilities, or log-odds of binary ones."""
    clamped = clamp_probs(probs)
    return clamped.log() - (-clamped).log1p() if is_binary else clamped.log()


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """The inverse of `probs_to_logits`; logits need not be normalised."""
    return logits.sigmoid() if is_binary else logits.softmax(-1)


def sum_rightmost(value: Tensor, dims: int) -> Tensor:
    """The sum over that many dimensions from the right."""
    if dims == 0:
        return value
    return value.reshape((*value.shape[: value.dim() - dims], -1)).sum(-1)


class lazy_property:
    """A property that is computed at its first use and then an attribute."""

    def __init__(self, compute: Callable[[Any], Any]) -> None:
        self.compute = compute
        self.__doc__ = compute.__doc__

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        from ..autograd.grad_mode import enable_grad

        with enable_grad():
            value = self.compute(instance)
        setattr(instance, self.compute.__name__, value)
        return value
