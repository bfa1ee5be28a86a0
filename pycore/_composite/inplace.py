"""Tensor methods that write in place and have no other form.

Knows tensors only; must not know other composites.
"""

from __future__ import annotations

from .. import _C
from .product import renorm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

Tensor = _C.Tensor


def renorm_(self: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """In-place form of :func:`pycore.renorm`."""
    return self.copy_(renorm(self, p, dim, maxnorm))


def fill_diagonal_(self: Tensor, fill_value: Any, wrap: Any = False) -> Tensor:
    """Writes a number on the main diagonal; with `wrap`, tall matrices get it again and again.

    >>> import pycore
    >>> pycore.zeros(2, 2).fill_diagonal_(5)
    tensor([[5., 0.],
            [0., 5.]])
    """
    if self.dim() < 2:
        raise RuntimeError("dimensions must larger than 1")
    if self.dim() > 2:
        if len(set(self.shape)) != 1:
            raise RuntimeError("all dimensions of input must be of equal length")
        n = self.size(0)
        self.as_strided((n,), (sum(self.stride()),)).fill_(fill_value)
        return self
    self.diagonal().fill_(fill_value)
    height, width = self.shape
    if wrap and height > width + 1:
        for start in range(width + 1, height, width + 1):
            self[start:].diagonal().fill_(fill_value)
    return self


def apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Replaces every element by `callable(element)`; slow, for small tensors.

    >>> import pycore
    >>> pycore.tensor([1, 2]).apply_(lambda x: x * 10)
    tensor([10, 20])
    """
    if self.requires_grad:
        raise TypeError(
            "can't call apply_() on Variable that requires grad. Use var.detach().apply_() instead."
        )
    flat = [callable(x) for x in self.flatten().tolist()]
    return self.copy_(_C.tensor(flat, dtype=self.dtype).view(self.shape))


def map_(self: Tensor, other: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Replaces every element by `callable(element, other's element)`; slow, for small tensors."""
    if self.requires_grad:
        raise TypeError(
            "can't call map_() on Variable that requires grad. Use var.detach().map_() instead."
        )
    pairs = zip(self.flatten().tolist(), other.expand_as(self).flatten().tolist(), strict=True)
    return self.copy_(
        _C.tensor([callable(a, b) for a, b in pairs], dtype=self.dtype).view(self.shape)
    )
