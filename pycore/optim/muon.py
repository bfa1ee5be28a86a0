"""Muon: momentum whose matrices are made orthogonal before they are applied.

Knows its update rule; must not know other optimizers.
"""

from __future__ import annotations

import math

from .. import _C
from ..autograd.grad_mode import no_grad
from .optimizer import Optimizer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["Muon"]

Tensor = _C.Tensor


def _orthogonalized(
    matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> Tensor:
    """The orthogonal factor of a matrix, roughly, in bfloat16.

    An odd polynomial of degree 5 drives all singular values towards 1 (Newton, Schulz); its
    coefficients are for few steps rather than for exactness.
    """
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if matrix.dim() != 2:
        raise ValueError("Input tensor gradient must be a 2D matrix")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    x = matrix.bfloat16()
    tall = matrix.size(0) > matrix.size(1)
    if tall:
        x = x.T
    x = x / x.norm().clamp(min=eps)  # singular values at most 1
    for _ in range(steps):
        gram = x @ x.T
        x = _C.addmm(x, _C.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


class Muon(Optimizer):
    """`p -= lr * orthogonal(momentum)` for matrices (Jordan et al. 2024).

    For the weights of hidden layers, 2-D only; give biases, embeddings and the last layer to
    another optimizer, such as `AdamW`.

    Args:
        weight_decay: `lr` times this times the parameter is subtracted.
        momentum: decay of the gradients' moving average.
        nesterov: look ahead along it.
        ns_coefficients, ns_steps: polynomial and number of steps of the orthogonalization.
        eps: floor of the norm that the momentum is divided by.
        adjust_lr_fn: `"original"` (or None) multiplies `lr` by `sqrt(max(1, rows / columns))`,
            `"match_rms_adamw"` by `0.2 * sqrt(max(rows, columns))` (Liu et al. 2025).

    Raises ValueError for options out of range and for parameters that are no matrices.

    >>> import pycore
    >>> p = pycore.nn.Parameter(pycore.eye(2))
    >>> opt = pycore.optim.Muon([p], lr=0.1, weight_decay=0.0)
    >>> p.sum().backward()
    >>> opt.step()
    >>> bool((p.data < pycore.eye(2)).all())
    True
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not momentum >= 0.0:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.dim() != 2:
                    raise ValueError(
                        "Muon only supports 2D parameters whereas we found a parameter with size: "
                        f"{parameter.size()}"
                    )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient; returns the closure's loss."""
        loss = None if closure is None else self._closure_loss(closure)
        with no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        entry = self.state[parameter]
        if "momentum_buffer" not in entry:
            entry["momentum_buffer"] = _C.zeros_like(grad)
        lr, momentum = group["lr"], group["momentum"]
        average = entry["momentum_buffer"].lerp_(grad, 1 - momentum)
        ahead = grad.lerp(average, momentum) if group["nesterov"] else average
        update = _orthogonalized(ahead, group["ns_coefficients"], group["ns_steps"], group["eps"])
        rows, columns = parameter.shape
        if group["adjust_lr_fn"] == "match_rms_adamw":
            ratio = 0.2 * math.sqrt(max(rows, columns))
        else:
            ratio = math.sqrt(max(1.0, rows / columns)) if columns else 1.0
        parameter.mul_(1 - lr * group["weight_decay"])
        parameter.add_(update, alpha=-float(lr * ratio))
