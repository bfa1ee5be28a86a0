"""Samplers: the order in which samples are taken, singly or in batches.

Knows lengths and random streams; must not know samples. The random draws and their order are
part of the contract: equal seeds give equal orders.
"""

from __future__ import annotations

from itertools import islice
from typing import Generic, TypeVar

from ... import _C
from ..._tensor import as_tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

Tensor = _C.Tensor
Item = TypeVar("Item", covariant=True)

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]


def draw_seed(generator: Any = None) -> int:
    """A 63-bit number from the random stream, to seed another generator."""
    return int(_C.empty((), dtype=_C.int64).random_(generator=generator).item())


class Sampler(Generic[Item]):
    """Base class: subclasses define `__iter__` over sample numbers and mostly `__len__`."""

    def __iter__(self) -> Iterator[Item]:
        raise NotImplementedError


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ...

    >>> from pycore.utils.data import SequentialSampler
    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    data_source: Any

    def __init__(self, data_source: Any) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


def _check_replacement(error: type[Exception], replacement: Any) -> None:
    if not isinstance(replacement, bool):
        raise error(f"replacement should be a boolean value, but got replacement={replacement}")


def _check_count(num_samples: Any) -> None:
    if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
        raise ValueError(
            f"num_samples should be a positive integer value, but got num_samples={num_samples}"
        )


class RandomSampler(Sampler[int]):
    """All numbers in random order, or `num_samples` of them, with replacement or without.

    Without a generator every pass seeds one of its own from the global stream.

    >>> import pycore
    >>> sorted(pycore.utils.data.RandomSampler("abc"))
    [0, 1, 2]
    """

    data_source: Any
    replacement: bool

    def __init__(
        self,
        data_source: Any,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Any = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        _check_replacement(TypeError, replacement)
        _check_count(self.num_samples)

    @property
    def num_samples(self) -> int:
        """How many numbers a pass gives; the dataset may have grown since."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        length, wanted = len(self.data_source), self.num_samples
        generator = self.generator
        if generator is None:
            generator = _C.Generator()
            generator.manual_seed(draw_seed())
        if self.replacement:
            # Drawn in blocks of 32, which is how the stream is defined.
            for _ in range(wanted // 32):
                yield from self._block(length, 32, generator)
            yield from self._block(length, wanted % 32, generator)
        else:
            for _ in range(wanted // length):
                yield from _C.randperm(length, generator=generator).tolist()
            rest = _C.randperm(length, generator=generator).tolist()
            yield from rest[: wanted % length]

    @staticmethod
    def _block(length: int, count: int, generator: Any) -> list[int]:
        return _C.randint(high=length, size=(count,), dtype=_C.int64, generator=generator).tolist()

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given numbers in random order.

    >>> import pycore
    >>> sorted(pycore.utils.data.SubsetRandomSampler([4, 8]))
    [4, 8]
    """

    indices: Any

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for place in _C.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[place]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """`num_samples` numbers drawn with probabilities proportional to `weights`.

    >>> import pycore
    >>> list(pycore.utils.data.WeightedRandomSampler([0.0, 1.0], 2))
    [1, 1]
    """

    weights: Tensor
    num_samples: int
    replacement: bool

    def __init__(
        self, weights: Any, num_samples: int, replacement: bool = True, generator: Any = None
    ) -> None:
        _check_count(num_samples)
        _check_replacement(ValueError, replacement)
        table = as_tensor(weights, dtype=_C.float64)
        if table.dim() != 1:
            raise ValueError(
                f"weights should be a 1d sequence but given weights have shape {tuple(table.shape)}"
            )
        self.weights = table
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        numbers = _C.multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        )
        yield from iter(numbers.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of `batch_size` numbers of another sampler; `drop_last` drops a shorter last one.

    >>> from pycore.utils.data import BatchSampler
    >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[Any], batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(
                f"batch_size should be a positive integer value, but got batch_size={batch_size}"
            )
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[Any]]:
        numbers = iter(self.sampler)
        while batch := list(islice(numbers, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]
        if self.drop_last:
            return count // self.batch_size
        return (count + self.batch_size - 1) // self.batch_size
