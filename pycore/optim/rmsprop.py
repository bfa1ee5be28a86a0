"""RMSprop: steps divided by a running root mean square of the gradient.

Knows its update rule; must not know other optimizers.
"""

from __future__ import annotations

from .. import _C
from ._composed import ComposedOptimizer, check_range, zero_step
from .optimizer import _check_lr, _check_modes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["RMSprop"]

Tensor = _C.Tensor


class RMSprop(ComposedOptimizer):
    """`p -= lr * g / (sqrt(v) + eps)` (Hinton's lectures; centered: Graves 2013).

    Args:
        alpha: decay of the mean square `v`.
        momentum: share of the last direction that is kept.
        centered: subtract the square of the running mean from `v`.

    >>> import pycore
    >>> p = pycore.nn.Parameter(pycore.ones(1))
    >>> opt = pycore.optim.RMSprop([p], lr=0.1, alpha=0.0)
    >>> (p * p).sum().backward()
    >>> opt.step()
    >>> p.data
    tensor([0.9000])
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        _check_lr(lr)
        check_range("epsilon value", eps, eps >= 0)
        check_range("momentum value", momentum, momentum >= 0)
        check_range("weight_decay value", weight_decay, weight_decay >= 0)
        check_range("alpha value", alpha, alpha >= 0)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        _check_modes(defaults)
        super().__init__(params, defaults)

    def _create(self, parameter: Tensor, entry: Any, group: dict[str, Any]) -> None:
        entry["step"] = zero_step()
        entry["square_avg"] = _C.zeros_like(parameter)
        if group["momentum"] > 0:
            entry["momentum_buffer"] = _C.zeros_like(parameter)
        if group["centered"]:
            entry["grad_avg"] = _C.zeros_like(parameter)

    def _update(self, parameter: Tensor, grad: Tensor, entry: Any, group: dict[str, Any]) -> None:
        alpha, square_avg = group["alpha"], entry["square_avg"]
        square_avg.mul_(alpha).addcmul_(grad, grad, value=1 - alpha)
        if group["centered"]:
            mean = entry["grad_avg"].lerp_(grad, 1 - alpha)
            root = square_avg.addcmul(mean, mean, value=-1).sqrt_()
        else:
            root = square_avg.sqrt()
        root.add_(group["eps"])
        if group["momentum"] > 0:
            direction = entry["momentum_buffer"].mul_(group["momentum"]).addcdiv_(grad, root)
            parameter.add_(direction, alpha=-float(group["lr"]))
        else:
            parameter.addcdiv_(grad, root, value=-float(group["lr"]))
