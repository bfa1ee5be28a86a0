"""How a loss is reduced: the modern names and the two old flags.

Knows strings and tensors; must not know any loss.
"""

from __future__ import annotations

import warnings

from ... import _C

Tensor = _C.Tensor


def legacy(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> str:
    """The reduction that the old flags `size_average` and `reduce` meant."""
    average = size_average is None or size_average
    if reduce is not None and not reduce:
        name = "none"
    else:
        name = "mean" if average else "sum"
    if emit_warning:
        warnings.warn(
            "size_average and reduce args will be deprecated, "
            f"please use reduction='{name}' instead.",
            stacklevel=3,
        )
    return name


def chosen(reduction: str, size_average: bool | None, reduce: bool | None) -> str:
    """`reduction`, unless one of the old flags is given."""
    if size_average is None and reduce is None:
        return reduction
    return legacy(size_average, reduce)


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """Mean, sum or the unreduced loss; ValueError for another name."""
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss
    raise ValueError(f"{reduction} is not a valid value for reduction")
