"""What a worker process knows about itself.

Kept apart from the worker's loop so that asking costs no import of multiprocessing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_current: WorkerInfo | None = None


class WorkerInfo:
    """Number, count, seed and dataset copy of a worker; read only."""

    id: int
    num_workers: int
    seed: int
    dataset: Any

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __setattr__(self, name: str, value: Any) -> None:
        raise RuntimeError(f"Cannot assign attributes to {type(self).__name__} objects")

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({fields})"


def get_worker_info() -> WorkerInfo | None:
    """The `WorkerInfo` of the worker process that asks; None in the main process.

    >>> from pycore.utils.data import get_worker_info
    >>> get_worker_info() is None
    True
    """
    return _current
