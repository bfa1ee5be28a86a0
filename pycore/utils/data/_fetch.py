"""Taking samples out of a dataset, the same in the main process and in workers.

Knows datasets and the collate function; must not know processes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class MapFetcher:
    """Samples by number; lists of numbers when batching."""

    def __init__(
        self, dataset: Any, batching: bool, collate: Callable[[Any], Any], drop_last: bool
    ) -> None:
        self.dataset = dataset
        self.batching = batching
        self.collate = collate

    def fetch(self, index: Any) -> Any:
        if not self.batching:
            return self.collate(self.dataset[index])
        many = getattr(self.dataset, "__getitems__", None)
        if many:
            return self.collate(many(index))
        dataset = self.dataset
        return self.collate([dataset[number] for number in index])


class IterableFetcher:
    """The next samples of a stream; StopIteration at its end."""

    def __init__(
        self, dataset: Any, batching: bool, collate: Callable[[Any], Any], drop_last: bool
    ) -> None:
        self.samples = iter(dataset)
        self.batching = batching
        self.collate = collate
        self.drop_last = drop_last
        self.ended = False

    def fetch(self, index: Any) -> Any:
        if self.ended:
            raise StopIteration
        if not self.batching:
            return self.collate(next(self.samples))
        batch = []
        for _ in index:
            try:
                batch.append(next(self.samples))
            except StopIteration:
                self.ended = True
                break
        if not batch or (self.drop_last and len(batch) < len(index)):
            raise StopIteration
        return self.collate(batch)
