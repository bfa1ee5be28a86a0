"""Stochastic gradient descent with momentum.

Knows its options; the update itself is one call of the extension per group.
"""

from __future__ import annotations

from .. import _C
from .optimizer import Optimizer, _check_lr, _check_modes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["SGD"]

_KEYS = ("momentum_buffer",)


class SGD(Optimizer):
    """`p -= lr * g`, with momentum `b = momentum * b + (1 - dampening) * g` and `g = b`.

    Args:
        params: parameters or groups of them.
        lr: step size, a number or a tensor of one element.
        momentum: share of the last direction that is kept.
        dampening: share of the gradient left out of the direction.
        weight_decay: this times `p` is added to the gradient first.
        nesterov: look ahead along the direction (Sutskever et al. 2013).
        maximize: climb instead of descend.
        foreach, fused: accepted; one fused call does the work in any case.

    Raises ValueError for negative options.

    >>> import pycore
    >>> p = pycore.nn.Parameter(pycore.ones(1))
    >>> opt = pycore.optim.SGD([p], lr=0.5)
    >>> (p * p).sum().backward()
    >>> opt.step()
    >>> p.data
    tensor([0.])
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: Any = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        _check_lr(lr)
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        _check_modes(defaults)
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in (("nesterov", False), ("maximize", False), ("foreach", None)):
                group.setdefault(name, value)
            group.setdefault("differentiable", False)
            group.setdefault("fused", None)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient; returns the closure's loss."""
        loss = None if closure is None else self._closure_loss(closure)
        for group in self.param_groups:
            lists = self._plan(group, _KEYS)
            if _C._optim.sgd(
                group["params"],
                lists[0],
                group["lr"],
                group["momentum"],
                group["dampening"],
                group["weight_decay"],
                group["nesterov"],
                group["maximize"],
            ):
                self._store(group, _KEYS, lists)
        return loss
