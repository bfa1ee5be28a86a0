"""Schedules along a cosine.

Knows `LRScheduler`; must not know anything else. From Loshchilov, Hutter 2017 (SGDR).
"""

from __future__ import annotations

import math

from .base import LRScheduler, Optimizer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class CosineAnnealingLR(LRScheduler):
    """From the first rate down to `eta_min` in `T_max` steps along half a cosine, and back.

    >>> import pycore
    >>> opt = pycore.optim.SGD([pycore.nn.Parameter(pycore.ones(1))], lr=0.5)
    >>> s = pycore.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=2)
    >>> opt.step(); s.step(); s.get_last_lr()
    [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_max: int,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        step, length, low = self.last_epoch, self.T_max, self.eta_min
        if self._is_initial:
            return self._current()
        if self._step_count == 1 and step > 0:
            return [
                low + (base - low) * (1 + math.cos(step * math.pi / length)) / 2
                for base in self.base_lrs
            ]
        if (step - 1 - length) % (2 * length) == 0:
            # The rate stands at its minimum, where the ratio below would be 0 / 0.
            rise = (1 - math.cos(math.pi / length)) / 2
            return [
                rate + (base - low) * rise
                for base, rate in zip(self.base_lrs, self._current(), strict=True)
            ]
        now = 1 + math.cos(math.pi * step / length)
        before = 1 + math.cos(math.pi * (step - 1) / length)
        return [now / before * (rate - low) + low for rate in self._current()]

    def _get_closed_form_lr(self) -> list[Any]:
        share = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half cosines one after the other, each `T_mult` times as long as the one before.

    `step` may get a fraction of an epoch.

    >>> import pycore
    >>> opt = pycore.optim.SGD([pycore.nn.Parameter(pycore.zeros(1))], lr=1.0)
    >>> schedule = pycore.optim.lr_scheduler.CosineAnnealingWarmRestarts(opt, T_0=2)
    >>> for _ in range(3):
    ...     opt.step()
    ...     schedule.step()
    ...     print(round(schedule.get_last_lr()[0], 4))
    0.5
    1.0
    0.5
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if T_0 <= 0 or not isinstance(T_0, int):
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if T_mult < 1 or not isinstance(T_mult, int):
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, (float, int)):
            raise ValueError(
                f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}"
            )
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        share = 1 + math.cos(math.pi * self.T_cur / self.T_i)
        return [self.eta_min + (base - self.eta_min) * share / 2 for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on by one step, or to `epoch`, which may have a fraction."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            if epoch < 0:
                raise ValueError(f"Expected non-negative epoch, but got {epoch}")
            self._place(epoch)
        self._update_lr(math.floor(epoch))

    def _place(self, epoch: float) -> None:
        """Set the current cosine's length and the position in it."""
        if epoch < self.T_0:
            self.T_i, self.T_cur = self.T_0, epoch
        elif self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:
            done = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            start = self.T_0 * (self.T_mult**done - 1) / (self.T_mult - 1)
            self.T_cur = epoch - start
            self.T_i = self.T_0 * self.T_mult**done
