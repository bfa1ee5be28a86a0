"""`pycore.linalg`: norms and products under NumPy's names.

Knows the extension and composed functions; must not define operators itself.
"""

from __future__ import annotations

from . import _C
from ._composite.product import cross as _cross

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor

multi_dot = _C._linalg.multi_dot
vector_norm = _C._linalg.vector_norm
matmul = _C.matmul


class LinAlgError(RuntimeError):
    """A decomposition or solution does not exist."""


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """:func:`pycore.diagonal` of the last two dimensions.

    >>> import pycore
    >>> pycore.linalg.diagonal(pycore.eye(2))
    tensor([1., 1.])
    """
    return A.diagonal(offset, dim1, dim2)


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The cross product of vectors of 3 along `dim`.

    >>> import pycore
    >>> pycore.linalg.cross(pycore.tensor([1, 0, 0]), pycore.tensor([0, 1, 0]))
    tensor([0, 0, 1])
    """
    return _cross(input, other, dim)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The dot products of vectors along `dim`.

    >>> import pycore
    >>> pycore.linalg.vecdot(pycore.tensor([1, 2]), pycore.tensor([3, 4]))
    tensor(11)
    """
    return (x * y).sum(dim)


def norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: Any = False, *, dtype: Any = None
) -> Tensor:
    """A vector norm, or with two dimensions a matrix norm ('fro', 1, -1, inf, -inf).

    Without `ord` the 2-norm of all elements of `dim`.

    >>> import pycore
    >>> pycore.linalg.norm(pycore.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor(5.)
    """
    if dtype is not None:
        A = A.to(dtype)
    dims = (dim,) if isinstance(dim, int) else dim
    matrix = len(dims) == 2 if dims is not None else A.dim() == 2
    if ord is None or not matrix:
        order = 2 if ord is None else ord
        if isinstance(order, str):
            raise RuntimeError(f"linalg.norm: the order {order!r} needs a matrix")
        return _C._linalg.vector_norm(A, order, dims, keepdim)
    return matrix_norm(A, ord, dims or (-2, -1), keepdim)


def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: Any = False, *, dtype: Any = None
) -> Tensor:
    """A norm of matrices: 'fro', the largest sum of a column (1) or row (inf), the smallest (-1).

    >>> import pycore
    >>> pycore.linalg.matrix_norm(pycore.tensor([[1.0, -2.0], [3.0, 4.0]]), 1)
    tensor(6.)
    """
    if dtype is not None:
        A = A.to(dtype)
    row, column = (d % A.dim() for d in dim)
    if ord == "fro":
        return _C._linalg.vector_norm(A, 2, (row, column), keepdim)
    if ord not in (1, -1, float("inf"), float("-inf")):
        raise NotImplementedError(f"linalg.matrix_norm: order {ord!r} needs a decomposition")
    first, second = (row, column) if abs(ord) == 1 else (column, row)
    sums = A.abs().sum(first, keepdim=True)
    result = sums.amax(second, keepdim=True) if ord > 0 else sums.amin(second, keepdim=True)
    return result if keepdim else result.squeeze((row, column))
