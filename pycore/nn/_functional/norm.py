"""Normalisations that Python composes of differentiable operators.

Knows tensors; must not know modules.
"""

from __future__ import annotations

from ... import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor


def normalize(
    input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """Divide by the p-norm along `dim`, but by no less than `eps`.

    >>> import pycore
    >>> pycore.nn.functional.normalize(pycore.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    length = input.norm(p, dim, keepdim=True).clamp_min(eps)
    result = input / length.expand_as(input)
    return result if out is None else out.copy_(result)


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Divide by a power of the mean square over `size` neighbouring channels of `(N, C, *)`.

    From Krizhevsky, Sutskever, Hinton 2012.

    >>> import pycore
    >>> pycore.nn.functional.local_response_norm(pycore.zeros(1, 3, 2), 2).shape
    pycore.Size([1, 3, 2])
    """
    if input.dim() < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality input (got {input.dim()} dimensions)"
        )
    if input.numel() == 0:
        return input
    batch, channels = input.size(0), input.size(1)
    squares = input.mul(input).reshape(batch, 1, channels, -1)
    padded = _C._nn.pad(squares, (0, 0, size // 2, (size - 1) // 2))
    mean = _C._nn.avg_pool2d(padded, (size, 1), stride=1).reshape(input.shape)
    return input / (mean * alpha + k).pow(beta)
