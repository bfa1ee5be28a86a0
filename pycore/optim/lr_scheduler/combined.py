"""Schedules made of schedules: one after the other, or all at once.

Knows `LRScheduler`; must not know any particular schedule.
"""

from __future__ import annotations

from bisect import bisect_right

from .base import LRScheduler, Optimizer, _copied, _write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class _Combined(LRScheduler):
    _schedulers: Any

    def state_dict(self) -> dict[str, Any]:
        """The counters and the states of the inner schedules."""
        skipped = ("optimizer", "_schedulers")
        state = {key: value for key, value in self.__dict__.items() if key not in skipped}
        state["_schedulers"] = [scheduler.state_dict() for scheduler in self._schedulers]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        rest = {key: value for key, value in state_dict.items() if key != "_schedulers"}
        self.__dict__.update(rest)
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(state)


class SequentialLR(_Combined):
    """One schedule after the other; `milestones` are the steps at which the next one starts.

    >>> import pycore
    >>> L = pycore.optim.lr_scheduler
    >>> opt = pycore.optim.SGD([pycore.nn.Parameter(pycore.ones(1))], lr=0.5)
    >>> parts = [L.ConstantLR(opt, factor=0.5, total_iters=9), L.ExponentialLR(opt, 0.9)]
    >>> s = L.SequentialLR(opt, parts, milestones=[1])
    >>> opt.step(); s.step(); s.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: list[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ) -> None:
        if len(schedulers) < 1:
            raise ValueError(
                f"{type(self).__name__} expects at least one scheduler, but got no scheduler."
            )
        for number, scheduler in enumerate(schedulers):
            name = type(scheduler).__name__
            if not hasattr(scheduler, "optimizer"):
                raise TypeError(
                    f"{type(self).__name__} at index {number} should have `optimizer` as its "
                    "attribute."
                )
            if type(scheduler).__name__ == "ReduceLROnPlateau":
                raise ValueError(
                    f"{type(self).__name__} does not support `ReduceLROnPlateau` scheduler as "
                    "it requires additional kwargs to be specified when calling `step`, but got "
                    f"one at index {number} in the given schedulers sequence."
                )
            if scheduler.optimizer != optimizer:
                raise ValueError(
                    f"{type(self).__name__} expects all schedulers to belong to the same "
                    f"optimizer, but got scheduler {name} at index {number} has "
                    f"{scheduler.optimizer}, which is different from "
                    f"{type(optimizer).__name__}."
                )
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "Sequential Schedulers expects number of schedulers provided to be one more "
                "than the number of milestone points, but got number of schedulers "
                f"{len(schedulers)} and the number of milestones to be equal to "
                f"{len(milestones)}"
            )
        self._schedulers = schedulers
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        # Building the parts has made a first step of each: take them back, repeat the first's.
        for group in optimizer.param_groups:
            _write(group, "lr", _copied(group["initial_lr"]))
        for scheduler in schedulers:
            scheduler.last_epoch -= 1
        self._schedulers[0]._initial_step()
        self._last_lr = schedulers[0].get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """Step the part whose turn it is; a part that begins starts from its own step 0."""
        self.last_epoch += 1
        number = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[number]
        if number > 0 and self._milestones[number - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


class ChainedScheduler(_Combined):
    """Steps all schedules at every step; each multiplies what the one before has written.

    >>> import pycore
    >>> opt = pycore.optim.SGD([pycore.nn.Parameter(pycore.zeros(1))], lr=1.0)
    >>> L = pycore.optim.lr_scheduler
    >>> schedule = L.ChainedScheduler([L.ExponentialLR(opt, 0.5), L.StepLR(opt, 2, 0.1)])
    >>> for _ in range(3):
    ...     opt.step()
    ...     schedule.step()
    ...     print(round(schedule.get_last_lr()[0], 4))
    0.5
    0.025
    0.0125
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        if len(schedulers) < 1:
            raise ValueError(
                f"{type(self).__name__} expects at least one scheduler to be chained, "
                "but got no scheduler."
            )
        optimizer = optimizer or schedulers[0].optimizer
        for number, scheduler in enumerate(schedulers):
            if not hasattr(scheduler, "optimizer"):
                raise TypeError(
                    f"{type(self).__name__} at index {number} should have `optimizer` as its "
                    "attribute."
                )
            if type(scheduler).__name__ == "ReduceLROnPlateau":
                raise ValueError(
                    f"{type(self).__name__} does not support `ReduceLROnPlateau` scheduler as "
                    "it requires additional kwargs to be specified when calling `step`, but got "
                    f"one at index {number} in the given schedulers sequence."
                )
            if optimizer != scheduler.optimizer:
                raise ValueError(
                    f"{type(self).__name__} expects all schedulers to belong to the same "
                    f"optimizer, but got scheduler {type(scheduler).__name__} at index {number} "
                    f"has {scheduler.optimizer}, which is different from "
                    f"{type(optimizer).__name__}."
                )
        self._schedulers = schedulers
        self.optimizer = optimizer
        self._last_lr = self._current()

    def step(self) -> None:  # type: ignore[override]
        """Step all schedules in their order."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._current()
