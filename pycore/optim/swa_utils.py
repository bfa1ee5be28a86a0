"""Averages of a model's parameters over training: SWA and exponential moving averages.

Knows modules and schedules; must not know update rules.
"""

from __future__ import annotations

import itertools
import math
from copy import deepcopy

from .. import _C
from ..autograd.grad_mode import no_grad
from ..nn.modules.batchnorm import _BatchNorm
from ..nn.modules.module import Module
from .lr_scheduler.base import LRScheduler
from .lr_scheduler.cyclic import _per_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from .optimizer import Optimizer

Tensor = _C.Tensor

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[..., None]:
    """A function that moves a list of averages towards the current values by `1 - decay`.

    >>> import pycore
    >>> average = [pycore.zeros(1)]
    >>> pycore.optim.swa_utils.get_ema_multi_avg_fn(0.75)(average, [pycore.ones(1)], 1)
    >>> average
    [tensor([0.2500])]
    """
    _check_decay(decay)

    def update(averages: Sequence[Tensor], current: Sequence[Tensor], _: Any) -> None:
        with no_grad():
            for average, value in zip(averages, current, strict=True):
                if average.is_floating_point():
                    average.lerp_(value, 1 - decay)
                else:
                    average.copy_(average * decay + value * (1 - decay))

    return update


def get_swa_multi_avg_fn() -> Callable[..., None]:
    """A function that takes current values into a list of equally weighted averages.

    >>> import pycore
    >>> average = [pycore.zeros(1)]
    >>> pycore.optim.swa_utils.get_swa_multi_avg_fn()(average, [pycore.ones(1)], 3)
    >>> average
    [tensor([0.2500])]
    """

    def update(averages: Sequence[Tensor], current: Sequence[Tensor], count: Any) -> None:
        with no_grad():
            share = 1.0 / (float(count) + 1)
            for average, value in zip(averages, current, strict=True):
                if average.is_floating_point():
                    average.lerp_(value, share)
                else:
                    average.copy_(average + (value - average) * share)

    return update


def get_ema_avg_fn(decay: float = 0.999) -> Callable[..., Tensor]:
    """A function of an average, a current value and a count, that returns the next average.

    >>> import pycore
    >>> pycore.optim.swa_utils.get_ema_avg_fn(0.75)(pycore.zeros(1), pycore.ones(1), 1)
    tensor([0.2500])
    """
    _check_decay(decay)

    def update(average: Tensor, current: Tensor, num_averaged: Any) -> Tensor:
        with no_grad():
            return decay * average + (1 - decay) * current

    return update


def get_swa_avg_fn() -> Callable[..., Tensor]:
    """A function of an equally weighted average, a current value and the count before it.

    >>> import pycore
    >>> pycore.optim.swa_utils.get_swa_avg_fn()(pycore.zeros(1), pycore.ones(1), 3)
    tensor([0.2500])
    """

    def update(average: Tensor, current: Tensor, num_averaged: Any) -> Tensor:
        with no_grad():
            return average + (current - average) / (num_averaged + 1)

    return update


class AveragedModel(Module):
    """A copy of a model whose parameters are averages over the calls of `update_parameters`.

    Stochastic weight averaging (Izmailov et al. 2018) by default; `multi_avg_fn=
    get_ema_multi_avg_fn(decay)` makes it an exponential moving average.

    Args:
        avg_fn: the next average of one tensor, from average, current value and count.
        multi_avg_fn: the same for lists, in place; only one of both may be given.
        use_buffers: average buffers, too, instead of copying them.

    >>> import pycore
    >>> model = pycore.nn.Linear(1, 1, bias=False)
    >>> average = pycore.optim.swa_utils.AveragedModel(model)
    >>> for value in (1.0, 2.0, 6.0):
    ...     _ = model.weight.data.fill_(value)
    ...     average.update_parameters(model)
    >>> average.module.weight.item(), average.n_averaged.item()
    (3.0, 3)
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable[..., Tensor] | None = None,
        multi_avg_fn: Callable[..., None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", _C.tensor(0, dtype=_C.int64, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def _values(self, model: Module) -> list[Tensor]:
        buffers = model.buffers() if self.use_buffers else ()
        return [value.detach() for value in itertools.chain(model.parameters(), buffers)]

    def update_parameters(self, model: Module) -> None:
        """Take the present parameters of `model` into the averages; the first ones are copied."""
        averages, current = self._values(self.module), self._values(model)
        if int(self.n_averaged) == 0:
            for average, value in zip(averages, current, strict=False):
                average.copy_(value)
        elif self.avg_fn is not None:
            for average, value in zip(averages, current, strict=True):
                average.copy_(self.avg_fn(average, value, self.n_averaged))
        else:
            update = self.multi_avg_fn or get_swa_multi_avg_fn()
            # One call per dtype, as functions over lists expect.
            for dtype in dict.fromkeys(average.dtype for average in averages):
                pairs = [
                    pair for pair in zip(averages, current, strict=True) if pair[0].dtype == dtype
                ]
                update([a for a, _ in pairs], [c for _, c in pairs], self.n_averaged)
        if not self.use_buffers:
            for mine, other in zip(self.module.buffers(), model.buffers(), strict=True):
                mine.detach().copy_(other.detach())
        self.n_averaged.add_(1)


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of all batch norms anew, over one pass of `loader`.

    Averaged parameters have other activations than any model that was trained. Batches are
    tensors, or lists or tuples whose first entry is the input.

    >>> import pycore
    >>> model = pycore.nn.BatchNorm1d(1)
    >>> pycore.optim.swa_utils.update_bn([pycore.tensor([[1.0], [3.0]])], model)
    >>> model.running_mean
    tensor([2.])
    """
    momenta = {m: m.momentum for m in model.modules() if isinstance(m, _BatchNorm)}
    if not momenta:
        return
    was_training = model.training
    with no_grad():
        for module in momenta:
            module.reset_running_stats()
            module.momentum = None  # a plain average over all batches
        model.train()
        for batch in loader:
            inputs = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(inputs if device is None else inputs.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """Anneals every group's rate to a constant `swa_lr` and keeps it there.

    Args:
        swa_lr: the constant rate, one for all groups or a list.
        anneal_epochs: steps until it is reached; 0 sets it at once.
        anneal_strategy: `"cos"` or `"linear"`.

    >>> import pycore
    >>> opt = pycore.optim.SGD([pycore.nn.Parameter(pycore.zeros(1))], lr=1.0)
    >>> schedule = pycore.optim.swa_utils.SWALR(opt, 0.5, anneal_epochs=2, anneal_strategy="linear")
    >>> for _ in range(3):
    ...     opt.step()
    ...     schedule.step()
    ...     print(schedule.get_last_lr())
    [0.75]
    [0.5]
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for rate, group in zip(
            _per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True
        ):
            group["swa_lr"] = rate.clone() if isinstance(rate, Tensor) else rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._anneal_strategy = anneal_strategy
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _weight(self, step: int) -> float:
        """How much of the constant rate there is in a step's."""
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list[Any]:
        """The rates of this step, from those of the one before."""
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._weight(step - 1), self._weight(step)
        rates = []
        for group in self.optimizer.param_groups:
            target, rate = group["swa_lr"], group["lr"]
            start = target if before == 1 else (rate - before * target) / (1 - before)
            rates.append(target * now + start * (1 - now))
        return rates
