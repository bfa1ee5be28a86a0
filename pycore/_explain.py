"""`pycore.explain()`: what ran, by which kernels, and why it was not faster."""

from __future__ import annotations

from . import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import NamedTuple, Self
else:
    from collections import namedtuple

if TYPE_CHECKING:

    class Entry(NamedTuple):
        name: str
        depth: int
        kernels: list[str]
        notes: list[str]
        threads: int
        bytes: int
        seconds: float
else:
    # typing, which has NamedTuple, costs more to import than all of pycore.
    Entry = namedtuple("Entry", "name depth kernels notes threads bytes seconds")


class explain:
    """Lists the operators, backward nodes and optimizer steps that run inside a ``with`` block.

    Each :class:`Entry` of :attr:`entries` has the operator's ``name``; its ``depth`` (1 or more if
    it ran inside of another entry, whose time then includes it); the ``kernels`` it ran, by
    family, dtype and path; ``notes`` on why a faster path was not taken; the most ``threads`` a
    kernel was allowed; the ``bytes`` of its tensors, operands and results; and its ``seconds``.
    :attr:`isa` is the level of the kernels' instruction set. All threads are listened to; listening
    costs about a microsecond an entry. Printing the object gives a table:

    >>> import pycore
    >>> with pycore.explain() as report:
    ...     y = pycore.ones(4, 4).t() @ pycore.ones(4, 4, dtype=pycore.float32)
    >>> [entry.name for entry in report.entries]
    ['ones', 't', 'ones', 'matmul']
    >>> report.entries[-1].kernels[0].split(" (")[0]
    'gemm float32'
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.isa: str = _C._isa()
        self._mark: int | None = None

    def __enter__(self) -> Self:
        if self._mark is not None:
            raise RuntimeError("explain(): this context is entered already")
        self._mark = _C._explain_start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        mark, self._mark = self._mark, None
        self.entries = [Entry(*facts) for facts in _C._explain_stop(mark)]

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    @property
    def seconds(self) -> float:
        """The time of all entries that ran inside no other."""
        return sum(entry.seconds for entry in self.entries if entry.depth == 0)

    def __repr__(self) -> str:
        return f"<pycore.explain: {len(self.entries)} entries, {self.seconds * 1e6:.1f} us>"

    def __str__(self) -> str:
        rows = [("operator", "time/us", "kB", "threads", "kernels; notes")]
        for entry in self.entries:
            notes = "; ".join([" + ".join(entry.kernels), *entry.notes])
            rows.append(
                (
                    "  " * entry.depth + entry.name,
                    f"{entry.seconds * 1e6:.1f}",
                    f"{entry.bytes / 1e3:.1f}",
                    str(entry.threads) if entry.kernels else "",
                    notes,
                )
            )
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = [self._heading()]
        for row in rows:
            cells = [row[0].ljust(widths[0])]
            cells += [row[i].rjust(widths[i]) for i in (1, 2, 3)]
            lines.append("  ".join([*cells, row[4]]).rstrip())
        return "\n".join(lines)

    def _heading(self) -> str:
        best = _C._supported_isas()[0]
        note = "" if self.isa == best else f" (PYCORE_ISA; this machine could run {best})"
        return (
            f"{len(self.entries)} entries, {self.seconds * 1e6:.1f} us; kernels for {self.isa}"
            f"{note}, {_C.get_num_threads()} threads"
        )
