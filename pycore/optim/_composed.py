"""Base of the optimizers whose update is composed of tensor operations.

Knows `Optimizer`; must not know update rules.
"""

from __future__ import annotations

from .. import _C
from ..autograd.grad_mode import no_grad
from .optimizer import Optimizer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

Tensor = _C.Tensor


class ComposedOptimizer(Optimizer):
    """Calls `_create` once and `_update` at every step for each parameter with a gradient.

    An option `weight_decay` is applied before `_update`, unless the class `_decays_itself`.
    """

    _decays_itself = False

    def _create(self, parameter: Tensor, entry: Any, group: dict[str, Any]) -> None:
        """Fill the empty state of a parameter."""
        raise NotImplementedError

    def _update(self, parameter: Tensor, grad: Tensor, entry: Any, group: dict[str, Any]) -> None:
        """Change the parameter and its state in place."""
        raise NotImplementedError

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in self.defaults.items():
                group.setdefault(name, value)
            for parameter in group["params"]:
                entry = dict.get(self.state, parameter)
                if entry and "step" in entry and not isinstance(entry["step"], Tensor):
                    # older checkpoints count in plain numbers
                    entry["step"] = _C.tensor(float(entry["step"]), dtype=_C.float32)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient; returns the closure's loss."""
        loss = None if closure is None else self._closure_loss(closure)
        has_decay = "weight_decay" in self.defaults and not self._decays_itself
        with no_grad():
            for group in self.param_groups:
                # Groups may hold options that this optimizer does not have.
                decay = group["weight_decay"] if has_decay else 0
                decoupled = group.get("decoupled_weight_decay", False)
                for parameter in group["params"]:
                    grad = parameter.grad
                    if grad is None:
                        continue
                    if group.get("maximize", False):
                        grad = -grad
                    entry = self.state[parameter]
                    if not entry:
                        self._create(parameter, entry, group)
                    entry["step"].add_(1)
                    if decay != 0:
                        if decoupled:
                            parameter.mul_(1 - group["lr"] * decay)
                        else:
                            grad = grad.add(parameter, alpha=decay)
                    self._update(parameter, grad, entry, group)
        return loss


def zero_step() -> Tensor:
    """A step count; a float tensor, as checkpoints hold it."""
    return _C.tensor(0.0, dtype=_C.float32)


def check_range(name: str, value: Any, accepted: bool) -> None:
    """ValueError unless an option is in its range."""
    if not accepted:
        raise ValueError(f"Invalid {name}: {value}")
