"""The life of a worker process.

Knows one pipe, the dataset and the seeds; must not know the other workers.
"""

from __future__ import annotations

import random
import sys
import traceback

from ... import _C
from ...random import manual_seed
from . import _worker_info
from ._fetch import IterableFetcher, MapFetcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RESUME = "resume"  # to a worker: another pass begins
RESUMED = "resumed"  # from a worker: ready for it


class EndOfStream:
    """The answer to a task for which the stream had no samples left."""


class _Verbatim(str):
    """A text that prints as it is: KeyError shows the repr of its argument."""

    def __repr__(self) -> str:
        return str(self)


class Failure:
    """An exception of a worker, with its traceback as text, on its way to the main process."""

    def __init__(self, where: str) -> None:
        kind, error, trace = sys.exc_info()
        self.kind: Any = kind
        self.text = "".join(traceback.format_exception(kind, error, trace))
        self.where = where

    def reraise(self) -> None:
        """Raise the same type of exception with the worker's traceback in its text."""
        message = f"Caught {self.kind.__name__} {self.where}.\nOriginal {self.text}"
        if self.kind is KeyError:
            raise KeyError(_Verbatim(message))
        try:
            error = self.kind(message)
        except Exception:  # it wants other arguments
            raise RuntimeError(message) from None
        raise error


def _seed_all(seed: int, base_seed: int, number: int) -> None:
    random.seed(seed)
    manual_seed(seed)
    if "numpy" in sys.modules:
        import numpy

        words = [number, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
        numpy.random.seed(numpy.random.SeedSequence(words).generate_state(4))


def _send(pipe: Any, task: int, result: Any, where: str) -> None:
    """Send a result; what can't be pickled becomes an error."""
    try:
        pipe.send((task, result))
    except (BrokenPipeError, ConnectionResetError):
        raise
    except Exception:
        failure = Failure(where)
        if isinstance(result, Failure):
            # its exception class can't be pickled: keep the text
            failure.text = result.text
        failure.kind = RuntimeError
        pipe.send((task, failure))


def _receiver(pipe: Any, tasks: Any) -> None:
    """Take tasks out of the pipe as they come, so that the main process never waits in sending."""
    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            message = None
        tasks.put(message)
        if message is None:
            return


def worker_loop(
    pipe: Any,
    inherited: list[Any],
    dataset: Any,
    is_iterable: bool,
    batching: bool,
    collate: Any,
    drop_last: bool,
    base_seed: int,
    init: Any,
    number: int,
    count: int,
) -> None:
    """Answer tasks until the main process sends None or is gone."""
    import queue
    import threading

    for end in inherited:
        end.close()
    # Before any operator: the parent's thread pool does not exist in a forked child.
    _C.set_num_threads(1)
    where = f"in DataLoader worker process {number}"
    seed = base_seed + number
    _seed_all(seed, base_seed, number)
    _worker_info._current = _worker_info.WorkerInfo(
        id=number, num_workers=count, seed=seed, dataset=dataset
    )
    failure: Failure | None = None
    fetcher: Any = None
    kind = IterableFetcher if is_iterable else MapFetcher
    try:
        if init is not None:
            init(number)
        fetcher = kind(dataset, batching, collate, drop_last)
    except Exception:
        failure = Failure(where)

    tasks: Any = queue.SimpleQueue()
    threading.Thread(target=_receiver, args=(pipe, tasks), daemon=True).start()
    ended = False
    try:
        while True:
            message = tasks.get()
            if message is None:
                return
            if type(message) is str:  # RESUME
                ended = False
                try:
                    fetcher = kind(dataset, batching, collate, drop_last)
                except Exception:
                    failure = Failure(where)
                pipe.send(RESUMED)
                continue
            task, index = message
            if failure is not None:
                _send(pipe, task, failure, where)
                failure = None
                continue
            if ended or fetcher is None:
                pipe.send((task, EndOfStream()))
                continue
            try:
                result = fetcher.fetch(index)
            except StopIteration:
                if is_iterable:
                    ended = True
                    pipe.send((task, EndOfStream()))
                    continue
                result = Failure(where)
            except Exception:
                result = Failure(where)
            _send(pipe, task, result, where)
            del result  # not kept while waiting
    except (KeyboardInterrupt, BrokenPipeError, ConnectionResetError):
        return
