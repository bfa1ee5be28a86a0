"""Adamax: Adam with the infinity norm.

Knows its update rule; must not know other optimizers.
"""

from __future__ import annotations

from .. import _C
from ._composed import ComposedOptimizer, check_range, zero_step
from .optimizer import _check_lr, _check_modes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Adamax"]

Tensor = _C.Tensor


class Adamax(ComposedOptimizer):
    """`p -= lr / (1 - beta1**t) * m / u` with `u = max(beta2 * u, |g| + eps)` (Kingma, Ba 2014).

    >>> import pycore
    >>> p = pycore.nn.Parameter(pycore.ones(1))
    >>> opt = pycore.optim.Adamax([p], lr=0.5)
    >>> (p * p).sum().backward()
    >>> opt.step()
    >>> p.data
    tensor([0.5000])
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        _check_lr(lr)
        check_range("epsilon value", eps, eps >= 0)
        for index in (0, 1):
            check_range(f"beta parameter at index {index}", betas[index], 0 <= betas[index] < 1)
        check_range("weight_decay value", weight_decay, weight_decay >= 0)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        _check_modes(defaults)
        super().__init__(params, defaults)

    def _create(self, parameter: Tensor, entry: Any, group: dict[str, Any]) -> None:
        entry["step"] = zero_step()
        entry["exp_avg"] = _C.zeros_like(parameter)
        entry["exp_inf"] = _C.zeros_like(parameter)

    def _update(self, parameter: Tensor, grad: Tensor, entry: Any, group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        mean, largest = entry["exp_avg"], entry["exp_inf"]
        mean.lerp_(grad, 1 - beta1)
        largest.copy_(_C.maximum(largest * beta2, grad.abs().add_(group["eps"])))
        rate = float(group["lr"]) / (1 - beta1 ** entry["step"].item())
        parameter.addcdiv_(mean, largest, value=-rate)
