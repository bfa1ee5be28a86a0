"""The Laplace distribution. Knows its base only."""

from __future__ import annotations

from .. import _C
from .location_scale import LocationScale

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

Tensor = _C.Tensor


class Laplace(LocationScale):
    """Two exponential distributions back to back at `loc`.

    >>> import pycore
    >>> pycore.distributions.Laplace(0.0, 1.0).log_prob(pycore.tensor([0.0, 1.0]))
    tensor([-0.6931, -1.6931])
    """

    @property
    def variance(self) -> Tensor:
        return 2 * self.scale.square()

    @property
    def stddev(self) -> Tensor:
        return 2**0.5 * self.scale

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        from .._typeinfo import finfo

        shape = self._extended_shape(sample_shape)
        lowest = finfo(self.loc.dtype).eps - 1  # -1 itself would be infinitely far
        place = _C.empty(shape, dtype=self.loc.dtype).uniform_(lowest, 1)
        return self.loc - self.scale * place.sign() * (-place.abs()).log1p()

    def log_prob(self, value: Tensor) -> Tensor:
        return -(2 * self.scale).log() - (self._checked(value) - self.loc).abs() / self.scale

    def cdf(self, value: Tensor) -> Tensor:
        distance = self._checked(value) - self.loc
        return 0.5 - 0.5 * distance.sign() * (-distance.abs() / self.scale).expm1()

    def icdf(self, value: Tensor) -> Tensor:
        place = value - 0.5
        return self.loc - self.scale * place.sign() * (-2 * place.abs()).log1p()

    def entropy(self) -> Tensor:
        return 1 + (2 * self.scale).log()
