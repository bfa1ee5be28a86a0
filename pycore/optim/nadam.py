"""NAdam: Adam with Nesterov momentum.

Knows its update rule; must not know other optimizers.
"""

from __future__ import annotations

from .. import _C
from ._composed import ComposedOptimizer, check_range, zero_step
from .optimizer import _check_lr, _check_modes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["NAdam"]

Tensor = _C.Tensor


class NAdam(ComposedOptimizer):
    """Adam whose first moment looks one step ahead (Dozat 2016).

    `momentum_decay` raises the momentum from half of `betas[0]` to all of it over time.

    >>> import pycore
    >>> p = pycore.nn.Parameter(pycore.ones(1))
    >>> opt = pycore.optim.NAdam([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> opt.step()
    >>> bool(p < 1)
    True
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_range("momentum_decay value", momentum_decay, momentum_decay >= 0)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        _check_modes(defaults)
        super().__init__(params, defaults)

    def _create(self, parameter: Tensor, entry: Any, group: dict[str, Any]) -> None:
        entry["step"] = zero_step()
        entry["mu_product"] = _C.tensor(1.0, dtype=_C.float32)
        entry["exp_avg"] = _C.zeros_like(parameter)
        entry["exp_avg_sq"] = _C.zeros_like(parameter)

    def _update(self, parameter: Tensor, grad: Tensor, entry: Any, group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        lr, decay, count = float(group["lr"]), group["momentum_decay"], entry["step"].item()
        mean, square = entry["exp_avg"], entry["exp_avg_sq"]
        now = beta1 * (1.0 - 0.5 * 0.96 ** (count * decay))
        ahead = beta1 * (1.0 - 0.5 * 0.96 ** ((count + 1) * decay))
        product = entry["mu_product"].mul_(now).item()
        mean.lerp_(grad, 1 - beta1)
        square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        root = square.div(1 - beta2**count).sqrt_().add_(group["eps"])
        parameter.addcdiv_(grad, root, value=-lr * (1.0 - now) / (1.0 - product))
        parameter.addcdiv_(mean, root, value=-lr * ahead / (1.0 - product * ahead))
