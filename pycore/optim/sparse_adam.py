"""SparseAdam: there are no sparse gradients, so it can be made but takes no step.

Knows its options only.
"""

from __future__ import annotations

from .. import _C
from .optimizer import Optimizer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["SparseAdam"]

Tensor = _C.Tensor


class SparseAdam(Optimizer):
    """Adam for sparse gradients, which pycore does not have.

    `step` raises RuntimeError for any gradient, as PyTorch does for dense ones: use `Adam`.

    >>> import pycore
    >>> p = pycore.nn.Parameter(pycore.ones(2))
    >>> pycore.optim.SparseAdam([p]).step()  # no gradient, nothing to do
    >>> (p * p).sum().backward()
    >>> pycore.optim.SparseAdam([p]).step()
    Traceback (most recent call last):
    RuntimeError: SparseAdam does not support dense gradients, please consider Adam instead
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr > 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps > 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for index in (0, 1):
            if not 0.0 <= betas[index] < 1.0:
                raise ValueError(f"Invalid beta parameter at index {index}: {betas[index]}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Refuse the gradients there are; returns the closure's loss when there are none."""
        loss = None if closure is None else self._closure_loss(closure)
        for group in self.param_groups:
            if any(parameter.grad is not None for parameter in group["params"]):
                raise RuntimeError(
                    "SparseAdam does not support dense gradients, please consider Adam instead"
                )
        return loss
