"""Bags of rows of a table.

Knows the extension's operators; must not know modules.
"""

from __future__ import annotations

import warnings

from ... import _C

Tensor = _C.Tensor

_MODES = {"sum": 0, "mean": 1, "max": 2}


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sum, mean or maximum of the rows of `weight` that each bag of numbers names.

    Args:
        input: int64 or int32; `(B, N)`, B bags of N numbers, or `(N)`, all bags end to end.
        weight: the table, `(rows, dim)`.
        offsets: where each bag begins in a 1-D `input`.
        max_norm: first shrink the rows in question, in place, to that `norm_type`-norm.
        scale_grad_by_freq: divide gradients by how often a row occurs (not for `max`).
        mode: `sum`, `mean` or `max`.
        sparse: sparse gradients are not supported: NotImplementedError.
        per_sample_weights: factors of the rows, of `input`'s shape (`sum` only).
        include_last_offset: the last offset is the end of the last bag.
        padding_idx: rows of this number do not count.

    Shape: `(B, dim)`; empty bags give zeros.

    >>> import pycore
    >>> table = pycore.tensor([[1.0], [2.0], [4.0]])
    >>> bags = pycore.tensor([[0, 1], [1, 2]])
    >>> pycore.nn.functional.embedding_bag(bags, table, mode="sum")
    tensor([[3.],
            [6.]])
    """
    if weight.dtype == _C.int64 and input.is_floating_point():
        warnings.warn(
            "Argument order of nn.functional.embedding_bag was changed. Usage `embedding_bag("
            "weight, input, ...)` is deprecated, and should now be `embedding_bag(input, weight, "
            "...)`.",
            stacklevel=2,
        )
        weight, input = input, weight
    if per_sample_weights is not None and input.size() != per_sample_weights.size():
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then "
            f"it must have the same shape as the input ({input.shape})"
        )
    if weight.dim() != 2:
        raise ValueError(
            f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.dim()}"
        )
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch "
                f"of fixed length sequences. However, found offsets of type {type(offsets)}"
            )
        bags, length = input.shape
        # An empty bag has no first element, but a place.
        offsets = _C.arange(bags) * length
        include_last_offset = False
        input = input.reshape(-1)
        if per_sample_weights is not None:
            per_sample_weights = per_sample_weights.reshape(-1)
    elif input.dim() == 1:
        if offsets is None:
            raise ValueError("offsets has to be a 1D Tensor but got None")
        if offsets.dim() != 1:
            raise ValueError("offsets has to be a 1D Tensor")
    else:
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}"
        )
    if mode not in _MODES:
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    if max_norm is not None:
        _C.embedding_renorm_(weight.detach(), input, max_norm, norm_type)
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
            f"for mode='sum' (got mode='{mode}'). Please open a feature request on GitHub."
        )
    return _C.embedding_bag(
        weight,
        input,
        offsets,
        scale_grad_by_freq,
        _MODES[mode],
        sparse,
        per_sample_weights,
        include_last_offset,
        padding_idx,
    )[0]
