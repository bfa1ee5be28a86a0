"""A pass of a `DataLoader` whose batches are loaded by worker processes.

Knows processes and pipes; must not know tensors or datasets. Every worker has one pipe: tasks
go in, batches come out. Results wait here until it is their turn.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from itertools import cycle
from multiprocessing import connection, get_context
from multiprocessing.util import Finalize

from ._worker_loop import RESUME, EndOfStream, Failure, worker_loop
from .dataloader import warn_about_pinning
from .sampler import draw_seed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PATIENCE = 5.0  # seconds that workers get to end by themselves


def _stop(workers: list[Any], pipes: list[Any]) -> None:
    """End all workers: politely first, then by force."""
    for pipe in pipes:
        with suppress(OSError, ValueError):  # that worker may be gone already
            pipe.send(None)
    # Closing our ends wakes up a worker that is stuck in sending.
    for pipe in pipes:
        pipe.close()
    deadline = time.monotonic() + _PATIENCE
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))
        if worker.is_alive():
            worker.terminate()
            worker.join()


class WorkerIterator:
    """Deals tasks to the workers in turn and gives their batches in the tasks' order."""

    def __init__(self, loader: Any) -> None:
        warn_about_pinning(loader)
        self._loader = loader
        self._timeout = loader.timeout
        self._in_order = loader.in_order
        self._persistent = loader.persistent_workers
        self._limit = loader.prefetch_factor * loader.num_workers
        self._base_seed = draw_seed(loader.generator)
        context = loader.multiprocessing_context or get_context()
        self._workers: list[Any] = []
        self._pipes: list[Any] = []
        forked = context.get_start_method() == "fork"
        for number in range(loader.num_workers):
            ours, theirs = context.Pipe(duplex=True)
            self._pipes.append(ours)
            process = context.Process(
                target=worker_loop,
                args=(
                    theirs,
                    # A forked worker has copies of our ends. Left open, they would keep the
                    # pipes of an abandoned pass alive, and workers stuck in sending.
                    self._pipes if forked else [],
                    loader.dataset,
                    loader._is_iterable,
                    loader._batching,
                    loader.collate_fn,
                    loader.drop_last,
                    self._base_seed,
                    loader.worker_init_fn,
                    number,
                    loader.num_workers,
                ),
                daemon=True,
            )
            process.start()
            theirs.close()  # so that we read an end when the worker dies
            self._workers.append(process)
        self._finalizer = Finalize(self, _stop, (self._workers, self._pipes), exitpriority=10)
        self._begin()

    # ---- a pass ----------------------------------------------------------------------------

    def _begin(self) -> None:
        self._indices = iter(self._loader._index_sampler)
        self._active = [True] * len(self._workers)
        self._turns = cycle(range(len(self._workers)))
        self._sent = 0  # number of the next task to send
        self._next = 0  # number of the next batch to give
        self._owner: dict[int, int] = {}  # task -> worker, while it is not answered
        self._results: dict[int, Any] = {}
        self._arrived: deque[int] = deque()
        for _ in range(self._limit):
            self._send_task()

    def restart(self) -> None:
        """Begin another pass with the same workers."""
        # What an abandoned pass has under way must be out of the pipes first.
        while self._owner:
            self._receive()
        for pipe in self._pipes:
            pipe.send(RESUME)
        waiting = set(range(len(self._pipes)))
        while waiting:
            for number, message in self._read():
                if type(message) is str:  # RESUMED
                    waiting.discard(number)
        self._begin()

    def _send_task(self) -> None:
        if len(self._owner) >= self._limit:
            return
        for _ in self._workers:
            number = next(self._turns)
            if self._active[number]:
                break
        else:
            return
        try:
            index = next(self._indices)
        except StopIteration:
            return
        try:
            self._pipes[number].send((self._sent, index))
        except OSError:
            self._raise_if_dead()
            raise
        self._owner[self._sent] = number
        self._sent += 1

    def __iter__(self) -> WorkerIterator:
        return self

    def __len__(self) -> int:
        return len(self._loader._index_sampler)

    def __next__(self) -> Any:
        while True:
            task = self._due()
            if task is not None:
                result = self._results.pop(task)
                self._send_task()
                if isinstance(result, Failure):
                    result.reraise()
                return result
            if not self._owner:
                if not self._persistent:
                    self._finalizer()
                raise StopIteration
            self._receive()

    def _due(self) -> int | None:
        """The task whose batch is to be given now, if it is here."""
        if not self._in_order:
            return self._arrived.popleft() if self._arrived else None
        while self._next < self._sent:
            if self._next in self._results:
                self._next += 1
                return self._next - 1
            if self._next in self._owner:
                return None
            self._next += 1  # that task found its stream at the end
        return None

    # ---- messages --------------------------------------------------------------------------

    def _receive(self) -> None:
        for number, (task, result) in self._read():
            del self._owner[task]
            if isinstance(result, EndOfStream):
                # Tasks that wait in its pipe will be answered in the same way.
                self._active[number] = False
                self._send_task()
            else:
                self._results[task] = result
                self._arrived.append(task)

    def _read(self) -> list[tuple[int, Any]]:
        """All messages that are here, after waiting for one."""
        timeout = self._timeout if self._timeout > 0 else None
        by_pipe = {pipe: number for number, pipe in enumerate(self._pipes) if not pipe.closed}
        ready = connection.wait(list(by_pipe), timeout)
        if not ready:
            self._raise_if_dead()
            raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")
        messages = []
        for pipe in ready:
            try:
                messages.append((by_pipe[pipe], pipe.recv()))
            except (EOFError, ConnectionResetError):
                # Only a worker that ends closes its end of the pipe.
                worker = self._workers[by_pipe[pipe]]
                worker.join(_PATIENCE)
                self._raise_dead([worker])
        return messages

    def _raise_if_dead(self) -> None:
        dead = [worker for worker in self._workers if not worker.is_alive()]
        if dead:
            self._raise_dead(dead)

    def _raise_dead(self, workers: list[Any]) -> None:
        self._finalizer()
        pids = ", ".join(str(worker.pid) for worker in workers)
        raise RuntimeError(f"DataLoader worker (pid(s) {pids}) exited unexpectedly") from None
