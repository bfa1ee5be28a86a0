"""Norms of a weight over all dimensions but one, which both forms of weight normalisation use.

Knows tensors; must not know modules.
"""

from __future__ import annotations

from ... import _C

Tensor = _C.Tensor


def norm_except_dim(v: Tensor, dim: int) -> Tensor:
    """The 2-norm over every dimension but `dim`, kept with extent 1; of everything for -1."""
    if dim == -1:
        return v.norm(2)
    if dim < -1 or dim >= v.dim():
        raise IndexError(
            f"Dimension out of range (expected to be in range of [-1, {v.dim() - 1}], "
            f"but got {dim})"
        )
    others = [axis for axis in range(v.dim()) if axis != dim]
    return v.norm(2, others, keepdim=True) if others else v.abs()


def normalized_weight(v: Tensor, g: Tensor, dim: int) -> Tensor:
    """`v` with the norms `g` along `dim`."""
    return v * (g / norm_except_dim(v, dim))
