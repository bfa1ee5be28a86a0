"""AdamW: Adam with weight decay apart from the gradient.

Knows `Adam`; must not know anything else.
"""

from __future__ import annotations

from .adam import Adam

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["AdamW"]


class AdamW(Adam):
    """Adam that first shrinks `p` by `lr * weight_decay * p` (Loshchilov, Hutter 2019).

    Options as `Adam`; the default decay is 0.01.

    >>> import pycore
    >>> p = pycore.nn.Parameter(pycore.ones(1))
    >>> opt = pycore.optim.AdamW([p], lr=0.5, weight_decay=0.0)
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
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
