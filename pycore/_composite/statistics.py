"""Covariances and correlations.

Knows sums and products of tensors; must not know other composites.
"""

from __future__ import annotations

from .. import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor


def cov(
    input: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """The covariances of variables (rows) over observations (columns).

    `fweights` count how often an observation occurred, `aweights` say how much it weighs.

    >>> import pycore
    >>> pycore.cov(pycore.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input.dim() > 2:
        raise RuntimeError(
            "cov(): expected input to have two or fewer dimensions but got an input with "
            f"{input.dim()} dimensions"
        )
    if input.dtype == _C.bool:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = input if input.is_floating_point() else input.to(_C.get_default_dtype())
    x = x.reshape(1, -1) if x.dim() < 2 else x
    observations = x.size(1)
    weights: Any = None
    for name, given in (("fweights", fweights), ("aweights", aweights)):
        if given is None:
            continue
        if given.dim() > 1 or given.numel() != observations:
            raise RuntimeError(
                f"cov(): expected {name} to have the same numel as there are observations in the "
                f"input but got {given.numel()} != {observations}"
            )
        if given.min() < 0:
            raise RuntimeError(f"cov(): {name} cannot be negative")
        weights = given.to(x.dtype) if weights is None else weights * given
    if weights is None:
        total: Any = observations
        centred = x - x.mean(1, keepdim=True)
        weighted = centred
    else:
        total = weights.sum()
        centred = x - (x * weights).sum(1, keepdim=True) / total
        weighted = centred * weights
    if aweights is None or correction == 0:
        norm = total - correction
    else:
        norm = total - correction * (weights * aweights).sum() / total
    if isinstance(norm, Tensor):
        norm = norm.clamp(min=0)
    result = (
        weighted
        @ centred.t()
        / (norm if isinstance(norm, Tensor) else max(norm, 0) or float("nan"))
    )
    return result.squeeze()


def corrcoef(input: Tensor) -> Tensor:
    """Pearson's correlations of variables (rows) over observations (columns).

    >>> import pycore
    >>> pycore.corrcoef(pycore.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input.dim() > 2:
        raise RuntimeError(
            "corrcoef(): expected input to have two or fewer dimensions but got an input with "
            f"{input.dim()} dimensions"
        )
    c = cov(input)
    if c.dim() == 0:
        return c / c
    deviation = c.diagonal().sqrt()
    return (c / deviation.unsqueeze(1) / deviation.unsqueeze(0)).clamp(-1, 1)
