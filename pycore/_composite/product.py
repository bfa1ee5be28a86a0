"""Kronecker and cross products, combinations, renormalisation.

Knows arithmetic and views; must not know other composites.
"""

from __future__ import annotations

from .. import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor


def kron(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The Kronecker product: every element of `input` times all of `other`, block by block.

    >>> import pycore
    >>> pycore.kron(pycore.tensor([1, 10]), pycore.tensor([1, 2]))
    tensor([ 1,  2, 10, 20])
    """
    dims = max(input.dim(), other.dim())
    a = input.reshape((1,) * (dims - input.dim()) + tuple(input.shape))
    b = other.reshape((1,) * (dims - other.dim()) + tuple(other.shape))
    for d in range(dims):
        a, b = a.unsqueeze(2 * d + 1), b.unsqueeze(2 * d)
    product = a * b
    shape = [product.size(2 * d) * product.size(2 * d + 1) for d in range(dims)]
    result = product.reshape(shape)
    return result if out is None else out.resize_(shape).copy_(result)


def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross product of vectors of 3 along `dim` (by default the first dimension of size 3).

    >>> import pycore
    >>> pycore.cross(pycore.tensor([1, 0, 0]), pycore.tensor([0, 1, 0]), dim=0)
    tensor([0, 0, 1])
    """
    if input.dim() != other.dim():
        raise RuntimeError(
            "linalg.cross: inputs must have the same number of dimensions; got "
            f"{input.dim()} and {other.dim()}"
        )
    a, b = _C.broadcast_tensors(input, other)
    if dim is None:
        dim = next((d for d, size in enumerate(a.shape) if size == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    if a.size(dim) != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.size(dim)} and "
            f"{other.size(dim)}"
        )
    return a.roll(-1, dim) * b.roll(-2, dim) - a.roll(-2, dim) * b.roll(-1, dim)


def combinations(input: Tensor, r: int = 2, with_replacement: Any = False) -> Tensor:
    """All choices of `r` elements of a vector, in order, as rows.

    >>> import pycore
    >>> pycore.combinations(pycore.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    if input.dim() != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return input.new_empty(0)
    import itertools

    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(choose(range(input.numel()), r))
    if not rows:
        return input.new_empty((0, r))
    return input[_C.tensor(rows)]


def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Scales down every slice along `dim` whose p-norm is greater than `maxnorm`.

    >>> import pycore
    >>> pycore.renorm(pycore.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1)
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError("renorm: expected maxnorm to be >= 0")
    if input.dim() < 2:
        raise RuntimeError(
            f"renorm: input needs at least 2 dimensions, got {input.dim()} dimensions"
        )
    dim = dim if dim >= 0 else dim + input.dim()
    others = [d for d in range(input.dim()) if d != dim]
    wide = input.dtype in (_C.float16, _C.bfloat16)  # whose squares may not fit
    norms = _C._linalg.vector_norm(input, p, others, True, dtype=_C.float32 if wide else None)
    scale = (maxnorm / (norms + 1e-7)).where(norms > maxnorm, _C.ones_like(norms))
    return (input * scale).to(input.dtype)
