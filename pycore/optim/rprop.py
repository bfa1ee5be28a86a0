"""Rprop: steps from the signs of the gradient only.

Knows its update rule; must not know other optimizers.
"""

from __future__ import annotations

from .. import _C
from ._composed import ComposedOptimizer, zero_step
from .optimizer import _check_lr, _check_modes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Rprop"]

Tensor = _C.Tensor


class Rprop(ComposedOptimizer):
    """A step size per element: grows while the sign stays, shrinks when it turns.

    From Riedmiller, Braun 1993. `etas` are the factors (shrink, grow), `step_sizes` the bounds.

    >>> import pycore
    >>> p = pycore.nn.Parameter(pycore.ones(1))
    >>> opt = pycore.optim.Rprop([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> opt.step()
    >>> p.data
    tensor([0.9000])
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        _check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        _check_modes(defaults)
        super().__init__(params, defaults)

    def _create(self, parameter: Tensor, entry: Any, group: dict[str, Any]) -> None:
        entry["step"] = zero_step()
        entry["prev"] = _C.zeros_like(parameter)
        entry["step_size"] = _C.full_like(parameter, float(group["lr"])).detach()

    def _update(self, parameter: Tensor, grad: Tensor, entry: Any, group: dict[str, Any]) -> None:
        shrink, grow = group["etas"]
        lowest, highest = group["step_sizes"]
        previous, size = entry["prev"], entry["step_size"]
        turn = grad.mul(previous).sign_()
        factor = _C.ones_like(turn)
        factor.masked_fill_(turn > 0, grow).masked_fill_(turn < 0, shrink)
        size.mul_(factor).clamp_(lowest, highest)
        # Where the sign turned, wait one step.
        grad = grad.masked_fill(turn < 0, 0)
        parameter.addcmul_(grad.sign(), size, value=-1)
        previous.copy_(grad)
