"""Adafactor: second moments of matrices kept as one row and one column.

Knows its update rule; must not know other optimizers.
"""

from __future__ import annotations

from .. import _C
from .._typeinfo import finfo
from ._composed import ComposedOptimizer, zero_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Adafactor"]

Tensor = _C.Tensor


class Adafactor(ComposedOptimizer):
    """Steps scaled by a factored second moment and by the parameter's size (Shazeer, Stern 2018).

    The state of a matrix of m by n is m + n numbers. Of larger tensors the last two dimensions are
    the matrix; vectors keep all squares.

    Args:
        lr: largest relative step; the step of time t is `min(lr, 1 / sqrt(t))` times the root mean
            square of the parameter. It also multiplies `weight_decay`.
        beta2_decay: exponent c of `beta2 = 1 - t**c`, at most 0.
        eps: floor of the variance's estimates (the dtype's epsilon when None), and of the
            parameter's root mean square.
        d: updates whose root mean square is above this are scaled down to it; at least 1.
        weight_decay: `lr` times this times the parameter is subtracted.
        foreach: accepted without effect.
        maximize: climb instead of descend.

    Raises ValueError for options out of range.

    >>> import pycore
    >>> p = pycore.nn.Parameter(pycore.ones(2, 2))
    >>> opt = pycore.optim.Adafactor([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> opt.step()
    >>> p.data
    tensor([[0.9000, 0.9000],
            [0.9000, 0.9000]])
    """

    _decays_itself = True

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        for text, value, accepted in (
            ("Learning rate should be >= 0", lr, lr >= 0.0),
            ("beta2_decay should be <= 0", beta2_decay, beta2_decay <= 0.0),
            ("epsilon1 should be >= 0", eps[0], eps[0] is None or eps[0] >= 0.0),
            ("epsilon2 should be >= 0", eps[1], eps[1] >= 0.0),
            ("Clipping threshold d should be >= 1", d, d >= 1.0),
            ("weight_decay should be >= 0", weight_decay, weight_decay >= 0.0),
        ):
            if not accepted:
                raise ValueError(f"{text} but is: {value}")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _create(self, parameter: Tensor, entry: Any, group: dict[str, Any]) -> None:
        entry["step"] = zero_step()
        grad = parameter.grad
        assert grad is not None
        if grad.dim() > 1:
            *batch, rows, columns = grad.shape
            entry["row_var"] = grad.new_zeros((*batch, rows, 1))
            entry["col_var"] = grad.new_zeros((*batch, 1, columns))
        else:
            entry["variance"] = _C.zeros_like(grad)

    def _update(self, parameter: Tensor, grad: Tensor, entry: Any, group: dict[str, Any]) -> None:
        eps1, eps2 = group["eps"]
        if eps1 is None:
            eps1 = finfo(parameter.dtype).eps
        lr, time = group["lr"], entry["step"].item()
        share = time ** group["beta2_decay"]  # of the new squares in the moving average
        size = parameter.norm(2).item() / parameter.numel() ** 0.5 if parameter.numel() else 0.0
        length = float(max(eps2, size) * min(lr, 1 / time**0.5))
        if group["weight_decay"] != 0:
            parameter.mul_(1 - lr * group["weight_decay"])
        if grad.dim() > 1:
            row, column = entry["row_var"], entry["col_var"]
            row.lerp_(grad.norm(2, -1, keepdim=True).square_().div_(grad.size(-1)), share)
            column.lerp_(grad.norm(2, -2, keepdim=True).square_().div_(grad.size(-2)), share)
            estimate = row @ column
            estimate.div_(row.mean(-2, keepdim=True).clamp_(min=eps1))
        else:
            estimate = entry["variance"].lerp_(grad * grad, share).clone()
        update = estimate.clamp_(min=eps1 * eps1).rsqrt_().mul_(grad)
        if update.numel() == 0:
            return
        excess = max(1.0, update.norm(2).item() / (update.numel() ** 0.5 * group["d"]))
        parameter.add_(update, alpha=-length / excess)
