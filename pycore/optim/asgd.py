"""Averaged stochastic gradient descent.

Knows its update rule; must not know other optimizers.
"""

from __future__ import annotations

from .. import _C
from ._composed import ComposedOptimizer, check_range, zero_step
from .optimizer import _check_lr, _check_modes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["ASGD"]

Tensor = _C.Tensor


class ASGD(ComposedOptimizer):
    """Descent with a falling rate; `state[p]["ax"]` is the average since step `t0`.

    From Polyak, Juditsky 1992. `lambd` is the decay term and `alpha` the power of the rate.

    >>> import pycore
    >>> p = pycore.nn.Parameter(pycore.ones(1))
    >>> opt = pycore.optim.ASGD([p], lr=0.1, lambd=0.0)
    >>> (p * p).sum().backward()
    >>> opt.step()
    >>> p.data
    tensor([0.8000])
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        _check_lr(lr)
        check_range("weight_decay value", weight_decay, weight_decay >= 0)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
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
        entry["eta"] = _C.tensor(float(group["lr"]), dtype=_C.float32)
        entry["mu"] = _C.tensor(1.0, dtype=_C.float32)
        entry["ax"] = _C.zeros_like(parameter)

    def _update(self, parameter: Tensor, grad: Tensor, entry: Any, group: dict[str, Any]) -> None:
        lr, lambd = float(group["lr"]), group["lambd"]
        eta, mu, average = entry["eta"].item(), entry["mu"].item(), entry["ax"]
        count = entry["step"].item()
        parameter.mul_(1 - lambd * eta)
        parameter.add_(grad, alpha=-eta)
        if mu == 1:
            average.copy_(parameter)
        else:
            average.add_(parameter.sub(average).mul_(mu))
        # Rounded to float32 also where a loaded state made these float64, as PyTorch does.
        rate = lr / (1 + lambd * lr * count) ** group["alpha"]
        entry["eta"].copy_(_C.tensor(rate, dtype=_C.float32))
        entry["mu"].copy_(_C.tensor(1 / max(1, count - group["t0"]), dtype=_C.float32))
