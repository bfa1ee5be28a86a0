"""The normal distribution. Knows its base only."""

from __future__ import annotations

import math

from .. import _C
from .location_scale import LocationScale

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

Tensor = _C.Tensor


class Normal(LocationScale):
    """The normal distribution of mean `loc` and standard deviation `scale`.

    >>> import pycore
    >>> pycore.distributions.Normal(0.0, 2.0).log_prob(pycore.tensor([0.0, 2.0]))
    tensor([-1.6121, -2.1121])
    """

    @property
    def stddev(self) -> Tensor:
        return self.scale

    @property
    def variance(self) -> Tensor:
        return self.stddev.square()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        return _C.normal(self.loc.detach().expand(shape), self.scale.detach().expand(shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        noise = _C.normal(
            _C.zeros(shape, dtype=self.loc.dtype), _C.ones(shape, dtype=self.loc.dtype)
        )
        return self.loc + noise * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        distance = self._checked(value) - self.loc
        density = -(distance.square()) / (2 * self.scale.square())
        return density - self.scale.log() - math.log(math.sqrt(2 * math.pi))

    def cdf(self, value: Tensor) -> Tensor:
        distance = (self._checked(value) - self.loc) * self.scale.reciprocal()
        return 0.5 * (1 + (distance / math.sqrt(2)).erf())

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc + self.scale * (2 * value - 1).erfinv() * math.sqrt(2)

    def entropy(self) -> Tensor:
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()
