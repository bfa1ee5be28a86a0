"""Adam: steps scaled by running moments of the gradient.

Knows its options; the update itself is one call of the extension per group.
"""

from __future__ import annotations

from .. import _C
from .optimizer import Optimizer, _check_lr, _check_modes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["Adam"]

Tensor = _C.Tensor

_KEYS = ("step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq")


class Adam(Optimizer):
    """`p -= lr * m / (sqrt(v) + eps)` with bias-corrected moments (Kingma, Ba 2014).

    Args:
        params: parameters or groups of them.
        lr: step size, a number or a tensor of one element.
        betas: decay of the first and the second moment, each in [0, 1).
        eps: added to the denominator.
        weight_decay: this times `p` is added to the gradient first.
        amsgrad: divide by the largest second moment so far (Reddi et al. 2018).
        maximize: climb instead of descend.
        decoupled_weight_decay: shrink `p` directly instead (Loshchilov, Hutter 2019).
        foreach, capturable, fused: accepted; one fused call does the work in any case.

    Raises ValueError for options out of range.

    >>> import pycore
    >>> p = pycore.nn.Parameter(pycore.ones(1))
    >>> opt = pycore.optim.Adam([p], lr=0.5)
    >>> (p * p).sum().backward()
    >>> opt.step()
    >>> p.data
    tensor([0.5000])
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError(
                "lr as a Tensor is not supported for capturable=False and foreach=True"
            )
        _check_lr(lr)
        if not eps >= 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for index in (0, 1):
            if not 0.0 <= betas[index] < 1.0:
                raise ValueError(f"Invalid beta parameter at index {index}: {betas[index]}")
        if not weight_decay >= 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if isinstance(betas[0], Tensor) != isinstance(betas[1], Tensor):
            raise ValueError("betas must be either both floats or both Tensors")
        for index, beta in enumerate(betas):
            if isinstance(beta, Tensor):
                if foreach and not capturable:
                    raise ValueError(
                        f"betas[{index}] as a Tensor is not supported for capturable=False and "
                        "foreach=True"
                    )
                if beta.numel() != 1:
                    raise ValueError(f"Tensor betas[{index}] must be 1-element")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        _check_modes(defaults)
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name in ("amsgrad", "maximize", "capturable", "differentiable"):
                group.setdefault(name, False)
            group.setdefault("foreach", None)
            group.setdefault("fused", None)
            group.setdefault("decoupled_weight_decay", False)
            for parameter in group["params"]:
                entry = dict.get(self.state, parameter)
                if entry and "step" in entry and not isinstance(entry["step"], Tensor):
                    # older checkpoints count in plain numbers
                    entry["step"] = _C.tensor(float(entry["step"]), dtype=_C.float32)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient; returns the closure's loss."""
        loss = None if closure is None else self._closure_loss(closure)
        for group in self.param_groups:
            lists = self._plan(group, _KEYS)
            steps, exp_avgs, exp_avg_sqs, max_exp_avg_sqs = lists
            beta1, beta2 = group["betas"]
            if _C._optim.adam(
                group["params"],
                exp_avgs,
                exp_avg_sqs,
                max_exp_avg_sqs,
                steps,
                group["lr"],
                beta1,
                beta2,
                group["weight_decay"],
                group["eps"],
                group["amsgrad"],
                group["maximize"],
                group["decoupled_weight_decay"],
            ):
                self._store(group, _KEYS, lists)
        return loss
