"""RAdam: Adam that waits until its second moment can be trusted.

Knows its update rule; must not know other optimizers.
"""

from __future__ import annotations

import math

from .. import _C
from ._composed import ComposedOptimizer, check_range, zero_step
from .optimizer import _check_lr, _check_modes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["RAdam"]

Tensor = _C.Tensor


class RAdam(ComposedOptimizer):
    """Adam with the variance of its step size rectified (Liu et al. 2020).

    >>> import pycore
    >>> p = pycore.nn.Parameter(pycore.ones(1))
    >>> opt = pycore.optim.RAdam([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> opt.step()
    >>> p.data
    tensor([0.8000])
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        _check_modes(defaults)
        super().__init__(params, defaults)

    def _create(self, parameter: Tensor, entry: Any, group: dict[str, Any]) -> None:
        entry["step"] = zero_step()
        entry["exp_avg"] = _C.zeros_like(parameter)
        entry["exp_avg_sq"] = _C.zeros_like(parameter)

    def _update(self, parameter: Tensor, grad: Tensor, entry: Any, group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        lr, count = float(group["lr"]), entry["step"].item()
        mean, square = entry["exp_avg"], entry["exp_avg_sq"]
        mean.lerp_(grad, 1 - beta1)
        square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        correction1, correction2 = 1 - beta1**count, 1 - beta2**count
        # Length of the simple moving average that the second moment amounts to.
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * count * beta2**count / correction2
        if length <= 5.0:
            parameter.add_(mean, alpha=-lr / correction1)
            return
        rectification = math.sqrt(
            (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
        )
        rate = lr * rectification * math.sqrt(correction2) / correction1
        parameter.addcdiv_(mean, square.sqrt().add_(group["eps"]), value=-rate)
