"""`DataLoader`: batches of a dataset, loaded here or by worker processes.

Knows datasets, samplers and the collate function; worker processes are another file's work,
imported when they are used.
"""

from __future__ import annotations

import warnings
from typing import Generic

from ._fetch import IterableFetcher, MapFetcher
from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset, Sample
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, draw_seed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

__all__ = ["DataLoader"]


class _Endless(Sampler[None]):
    """Stands for the numbers that a stream does not have."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


class DataLoader(Generic[Sample]):
    """Iterate over a dataset in batches.

    Args:
        dataset: samples by number, or an `IterableDataset`.
        batch_size: samples per batch; None gives single samples, not collated.
        shuffle: a new random order in every pass.
        sampler: order of the samples; excludes `shuffle`.
        batch_sampler: lists of numbers; excludes all of the above and `drop_last`.
        num_workers: processes that load; 0 loads in this one.
        collate_fn: makes a batch of a list of samples; `default_collate` when None.
        pin_memory: accepted with a warning, there is nothing to pin for.
        drop_last: leave out a last batch that is shorter.
        timeout: seconds to wait for a batch of the workers; 0 waits for ever.
        worker_init_fn: called in every worker with its number.
        multiprocessing_context: start method of the workers, or a context.
        generator: stream that orders and worker seeds are drawn from.
        prefetch_factor: batches that each worker loads ahead, 2 when None.
        persistent_workers: keep the workers between passes.
        in_order: give the batches in the order of the sampler.

    Equal seeds give equal orders. Raises ValueError for combinations that exclude each other.

    >>> import pycore
    >>> loader = pycore.utils.data.DataLoader(range(5), batch_size=2)
    >>> list(loader)
    [tensor([0, 1]), tensor([2, 3]), tensor([4])]
    """

    dataset: Any
    sampler: Any
    batch_sampler: Any
    _iterator: Any = None
    _ready = False
    _FIXED = (
        "batch_size",
        "batch_sampler",
        "sampler",
        "drop_last",
        "dataset",
        "persistent_workers",
    )

    def __init__(
        self,
        dataset: Dataset[Sample] | Sequence[Sample],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if num_workers < 0:
            raise ValueError(
                "num_workers option should be non-negative; "
                "use num_workers=0 to disable multiprocessing."
            )
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing."
                "let num_workers > 0 to enable multiprocessing, otherwise set "
                "prefetch_factor to None."
            )
        if num_workers > 0 and prefetch_factor is None:
            prefetch_factor = 2
        elif prefetch_factor is not None and prefetch_factor < 0:
            raise ValueError("prefetch_factor option should be non-negative")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        self._is_iterable = isinstance(dataset, IterableDataset)
        if self._is_iterable:
            for option, value in (
                ("shuffle", shuffle or None),
                ("sampler", sampler),
                ("batch_sampler", batch_sampler),
            ):
                if value is not None:
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {option} "
                        f"option, but got {option}={value}"
                    )
        else:
            shuffle = bool(shuffle)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive "
                    "with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = None
            drop_last = False
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching "
                "and is mutually exclusive with drop_last"
            )
        if sampler is None:
            if self._is_iterable:
                sampler = _Endless()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            batching = batch_sampler is not None
            collate_fn = default_collate if batching else default_convert
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self._ready = True

    def __setattr__(self, name: str, value: Any) -> None:
        if self._ready and name in self._FIXED:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized"
            )
        super().__setattr__(name, value)

    @property
    def multiprocessing_context(self) -> Any:
        """The context that starts workers; None for Python's default."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        if context is not None:
            if self.num_workers <= 0:
                raise ValueError(
                    "multiprocessing_context can only be used with multi-process loading "
                    f"(num_workers > 0), but got num_workers={self.num_workers}"
                )
            import multiprocessing

            if isinstance(context, str):
                methods = multiprocessing.get_all_start_methods()
                if context not in methods:
                    raise ValueError(
                        "multiprocessing_context option should specify a valid start method in "
                        f"{methods!r}, but got multiprocessing_context={context!r}"
                    )
                context = multiprocessing.get_context(context)
            if not isinstance(context, multiprocessing.context.BaseContext):
                raise TypeError(
                    "multiprocessing_context option should be a valid context object or a string "
                    f"specifying the start method, but got multiprocessing_context={context}"
                )
        self._context = context

    @property
    def _batching(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self.batch_sampler is not None else self.sampler

    def _fetcher(self) -> Any:
        kind = IterableFetcher if self._is_iterable else MapFetcher
        return kind(self.dataset, self._batching, self.collate_fn, self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        if self.num_workers == 0:
            return _LocalIterator(self)
        from ._workers import WorkerIterator

        if not self.persistent_workers:
            return WorkerIterator(self)
        if self._iterator is None:
            self._iterator = WorkerIterator(self)
        else:
            self._iterator.restart()
        return self._iterator

    def __len__(self) -> int:
        if not self._is_iterable:
            return len(self._index_sampler)
        length = len(self.dataset)
        if self.batch_size is None:
            return length
        if self.drop_last:
            return length // self.batch_size
        return -(-length // self.batch_size)


def warn_about_pinning(loader: DataLoader) -> None:
    """Pinned memory speeds up copies to an accelerator, and there is none."""
    if loader.pin_memory:
        warnings.warn(
            "'pin_memory' argument is set as true but no accelerator is found, "
            "then device pinned memory won't be used.",
            stacklevel=4,
        )


class _LocalIterator:
    """One pass in this process."""

    def __init__(self, loader: DataLoader) -> None:
        warn_about_pinning(loader)
        self._loader = loader
        self._indices = iter(loader._index_sampler)
        # Nobody uses this seed here, but with or without workers a pass takes the same numbers
        # out of the stream.
        self._base_seed = draw_seed(loader.generator)
        self._fetch = loader._fetcher().fetch

    def __iter__(self) -> _LocalIterator:
        return self

    def __next__(self) -> Any:
        return self._fetch(next(self._indices))

    def __len__(self) -> int:
        return len(self._loader._index_sampler)
