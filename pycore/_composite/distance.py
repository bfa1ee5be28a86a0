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


# From how many rows on either side Euclidean distances come from a matrix product by default.
_PRODUCT_ROWS = 26
_MODES = (
    "use_mm_for_euclid_dist_if_necessary",
    "use_mm_for_euclid_dist",
    "donot_use_mm_for_euclid_dist",
)


def _euclidean(x1: Tensor, x2: Tensor) -> Tensor:
    """|x - y| from |x|^2 + |y|^2 - 2 x y. Reduced types would not survive the difference: float32."""
    dtype = x1.dtype
    if dtype in (_C.float16, _C.bfloat16):
        return _euclidean(x1.to(_C.float32), x2.to(_C.float32)).to(dtype)
    product = _C.matmul(x1, x2.mT)
    norms1 = x1.square().sum(-1, True)
    norms2 = x2.square().sum(-1).unsqueeze(-2)
    if not (_C.is_grad_enabled() and product.requires_grad):
        return product.mul_(-2).add_(norms2).add_(norms1).clamp_min_(0).sqrt_()
    squares = product.mul(-2).add(norms2).add(norms1)
    # The slope of the root at zero counts as zero.
    zero = squares <= 0
    return squares.masked_fill(zero, 1).sqrt().masked_fill(zero, 0)


def _by_product(p: float, mode: str, rows1: int, rows2: int) -> bool:
    if mode not in _MODES:
        raise ValueError(f"{mode} is not a valid value for compute_mode")
    if p != 2 or mode == _MODES[2]:
        return False
    return mode == _MODES[1] or max(rows1, rows2) >= _PRODUCT_ROWS


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = _MODES[0]) -> Tensor:
    """p-norm distances between all rows: `(*, P, M)` and `(*, R, M)` to `(*, P, R)`.

    Euclidean distances of more than 25 rows come from a matrix product, which cancels where rows
    are close to one another; `compute_mode` is "use_mm_for_euclid_dist_if_necessary" (the default),
    "use_mm_for_euclid_dist" or "donot_use_mm_for_euclid_dist".

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
    if _by_product(p, compute_mode, x1.size(-2), x2.size(-2)) and x1.dtype == x2.dtype:
        return _euclidean(x1, x2)
    delta = x1.unsqueeze(-2) - x2.unsqueeze(-3)
    return _norm(delta, p) if x1.size(-1) else delta.sum(-1)
