"""Distances and similarities between vectors.

Knows differentiable operators; must not know losses or modules.
"""

from __future__ import annotations

from ... import _C

Tensor = _C.Tensor


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """p-norm of `x1 - x2 + eps` over the last dimension; shapes broadcast.

    >>> import pycore
    >>> pycore.nn.functional.pairwise_distance(pycore.zeros(1, 2), pycore.tensor([[3.0, 4.0]]))
    tensor([5.0000])
    """
    return (x1 - x2 + eps).norm(p, -1, keepdim=keepdim)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Cosine of the angle between `x1` and `x2` along `dim`; norms count at least `eps`.

    >>> import pycore
    >>> pycore.nn.functional.cosine_similarity(pycore.ones(2), pycore.ones(2), dim=0)
    tensor(1.0000)
    """
    n1 = x1.norm(2, dim, keepdim=True).clamp_min(eps)
    n2 = x2.norm(2, dim, keepdim=True).clamp_min(eps)
    return ((x1 / n1) * (x2 / n2)).sum(dim)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """p-norm distances of all pairs of rows of an `(N, M)` matrix, `N*(N-1)/2` of them.

    >>> import pycore
    >>> pycore.nn.functional.pdist(pycore.tensor([[0.0, 0.0], [3.0, 4.0]]))
    tensor([5.])
    """
    if input.dim() != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.dim()}D")
    numbers = _C.arange(input.size(0))
    pairs = (numbers.unsqueeze(1) < numbers).nonzero()
    return (input[pairs[:, 0]] - input[pairs[:, 1]]).norm(p, -1)
