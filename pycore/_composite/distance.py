"""Distances between vectors and between tensors.

Knows norms and products; must not know modules.
"""

from __future__ import annotations

from .. import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor


def __getattr__(name: str) -> Any:
    if name in ("cosine_similarity", "pairwise_distance", "pdist"):
        from ..nn._functional import distance

        return getattr(distance, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of `input - other` (shapes broadcast).

    >>> import pycore
    >>> pycore.dist(pycore.tensor([3.0, 0.0]), pycore.tensor([0.0, 4.0]))
    tensor(5.)
    """
    return (input - other).norm(p)


def _norm(delta: Tensor, p: float) -> Tensor:
    if p == 2:
        squares = delta.square().sum(-1)
        # The slope of the root at zero counts as zero.
        zero = squares == 0
        return squares.masked_fill(zero, 1).sqrt().masked_fill(zero, 0)
    if p == 1:
        return delta.abs().sum(-1)
    if p == float("inf"):
        return delta.abs().amax(-1)
    if p == 0:
        return (delta != 0).to(delta.dtype).sum(-1)
    zero = delta == 0
    powers = delta.abs().masked_fill(zero, 1).pow(p).masked_fill(zero, 0).sum(-1)
    zero = powers == 0
    return powers.masked_fill(zero, 1).pow(1 / p).masked_fill(zero, 0)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: Any = None) -> Tensor:
    """p-norm distances between all rows: `(*, P, M)` and `(*, R, M)` to `(*, P, R)`.

    >>> import pycore
    >>> pycore.cdist(pycore.tensor([[0.0, 0.0]]), pycore.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[5., 1.]])
    """
    for name, x in (("X1", x1), ("X2", x2)):
        if x.dim() < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.dim()}D")
        if not x.is_floating_point():
            raise RuntimeError(
                f"cdist only supports floating-point dtypes, {name} got: {str(x.dtype)[7:]}"
            )
    if x1.size(-1) != x2.size(-1):
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {x1.size(-1)} X2: {x2.size(-1)}"
        )
    if p < 0:
        raise RuntimeError(f"cdist only supports non-negative p values, got {p}")
    delta = x1.unsqueeze(-2) - x2.unsqueeze(-3)
    return _norm(delta, p) if x1.size(-1) else delta.sum(-1)
