"""Contractions whose arguments take several forms: einsum, tensordot, chain_matmul.

Knows the extension only; the sums themselves happen there.
"""

from __future__ import annotations

from . import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

Tensor = _C.Tensor

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def einsum(*args: Any) -> Tensor:
    """Sums of products in Einstein's notation.

    Every dimension of every operand gets a letter; letters missing on the right of ``->`` are
    summed over. ``...`` stands for further dimensions, which broadcast. Without ``->`` the letters
    that appear once form the result, in alphabetical order. Also takes lists of numbers in place of the letters:
    ``einsum(a, [0, 1], b, [1, 2], [0, 2])``.

    >>> import pycore
    >>> pycore.einsum("ij,jk->ik", pycore.eye(2), pycore.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[1., 2.],
            [3., 4.]])
    >>> pycore.einsum("ii", pycore.eye(3))
    tensor(3.)
    """
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one "
            "operand and its subscripts list"
        )
    if isinstance(args[0], Tensor):
        equation = ",".join(_subscripts(part) for part in args[1::2])
        operands = args[0:-1:2]
        if len(args) % 2:
            equation = ",".join(_subscripts(part) for part in args[1:-1:2])
            equation += "->" + _subscripts(args[-1])
        return _C._einsum(equation, operands)
    equation, *operands = args
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = operands[0]
    return _C._einsum(equation, operands)


def _subscripts(labels: Sequence[Any]) -> str:
    text = ""
    for label in labels:
        if label is Ellipsis:
            text += "..."
        elif isinstance(label, int) and 0 <= label < len(_LETTERS):
            text += _LETTERS[label]
        else:
            raise ValueError(
                f"einsum(): got subscript {label!r}; expected an Ellipsis or an int in [0, 52)"
            )
    return text


def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Tensor | None = None) -> Tensor:
    """Sums products over ``dims``: the last of ``a`` with the first of ``b``, or two lists.

    >>> import pycore
    >>> pycore.tensordot(pycore.ones(2, 3, 4), pycore.ones(3, 4, 5), dims=2).shape
    pycore.Size([2, 5])
    """
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, (tuple, list)):
        dims_a, dims_b = dims
        dims_a = [dims_a] if isinstance(dims_a, int) else list(dims_a)
        dims_b = [dims_b] if isinstance(dims_b, int) else list(dims_b)
    else:
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.dim(), b.dim()):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        dims_a, dims_b = list(range(-dims, 0)), list(range(dims))
    result = _C._tensordot(a, b, dims_a, dims_b)
    if out is None:
        return result
    out.resize_(result.shape)
    return out.copy_(result)


def chain_matmul(*matrices: Tensor, out: Tensor | None = None) -> Tensor:
    """The product of matrices in the order that needs the fewest multiplications.

    >>> import pycore
    >>> pycore.chain_matmul(pycore.ones(2, 3), pycore.ones(3, 4), pycore.ones(4, 1)).flatten()
    tensor([12., 12.])
    """
    result = _C._chain_matmul(matrices)
    if out is None:
        return result
    out.resize_(result.shape)
    return out.copy_(result)
