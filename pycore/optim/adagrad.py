"""Adagrad: steps divided by the root of the summed squares of the gradient.

Knows its update rule; must not know other optimizers.
"""

from __future__ import annotations

from .. import _C
from ._composed import ComposedOptimizer, check_range, zero_step
from .optimizer import _check_lr, _check_modes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Adagrad"]

Tensor = _C.Tensor


class Adagrad(ComposedOptimizer):
    """`p -= lr / (1 + (t-1) * lr_decay) * g / (sqrt(sum of g*g) + eps)` (Duchi et al. 2011).

    >>> import pycore
    >>> p = pycore.nn.Parameter(pycore.ones(1))
    >>> opt = pycore.optim.Adagrad([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> opt.step()
    >>> p.data
    tensor([0.9000])
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        _check_lr(lr)
        check_range("lr_decay value", lr_decay, lr_decay >= 0)
        check_range("weight_decay value", weight_decay, weight_decay >= 0)
        check_range(
            "initial_accumulator_value value",
            initial_accumulator_value,
            initial_accumulator_value >= 0,
        )
        check_range("epsilon value", eps, eps >= 0)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        _check_modes(defaults)
        super().__init__(params, defaults)
        # Unlike the others, Adagrad has its state before the first step.
        for group in self.param_groups:
            for parameter in group["params"]:
                self._create(parameter, self.state[parameter], group)

    def share_memory(self) -> None:
        """Move the summed squares to shared memory."""
        for entry in self.state.values():
            entry["sum"].share_memory_()

    def _create(self, parameter: Tensor, entry: Any, group: dict[str, Any]) -> None:
        entry["step"] = zero_step()
        entry["sum"] = _C.full_like(parameter, group["initial_accumulator_value"]).detach()

    def _update(self, parameter: Tensor, grad: Tensor, entry: Any, group: dict[str, Any]) -> None:
        steps = entry["step"].item()
        rate = float(group["lr"]) / (1 + (steps - 1) * group["lr_decay"])
        total = entry["sum"].addcmul_(grad, grad, value=1)
        parameter.addcdiv_(grad, total.sqrt().add_(group["eps"]), value=-rate)
