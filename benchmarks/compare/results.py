"""What a run leaves: results, and how several runs become one. Knows nothing of processes."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any


@dataclass
class Result:
    """One workload against one library: seconds, and ratios of pycore's time to the other's."""

    workload: str
    other: str
    threads: int
    limit: float | None = None
    error: str = ""
    pycore_seconds: float = 0.0
    other_seconds: float = 0.0
    ratios: list[float] = field(default_factory=list)
    runs: int = 1  # with more than one, ratios has the median of each run
    # The relative errors of pycore's and the other's outputs against float64; empty if not asked.
    inexactness: list[float] = field(default_factory=list)

    @property
    def group(self) -> str:
        return self.workload.split("/")[0]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def speedup(self) -> float:
        return 1 / self.ratio

    @property
    def spread(self) -> tuple[float, float]:
        """The quartiles of the ratios; of few runs, their least and largest."""
        if len(self.ratios) < 4:
            return min(self.ratios), max(self.ratios)
        low, _, high = statistics.quantiles(self.ratios, n=4)
        return low, high

    @property
    def ok(self) -> bool:
        """Whether the limit, which is one against torch, is kept."""
        if self.error:
            return False
        return self.limit is None or self.other != "torch" or self.ratio <= self.limit

    def to_json(self) -> dict[str, Any]:
        facts = asdict(self)
        if not self.error:
            facts |= {"ratio": self.ratio, "spread": self.spread, "speedup": self.speedup}
        return facts

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Result:
        return cls(**{f.name: facts[f.name] for f in fields(cls) if f.name in facts})


SMALL = 256 << 10  # bytes


@dataclass
class Memory:
    """Resident memory of one workload in two fresh processes, in bytes.

    `own` is what running added to the anonymous memory after import and build at its peak; `peak`
    the whole process at that moment.
    """

    workload: str
    other: str
    threads: int
    error: str = ""
    pycore_own: int = 0
    other_own: int = 0
    pycore_peak: int = 0
    other_peak: int = 0

    @property
    def ratio(self) -> float:
        """Of what running added."""
        return self.pycore_own / max(self.other_own, 1)

    @property
    def ok(self) -> bool:
        """Whether it is no more than the other's; a few pages more or less are chance."""
        own = self.pycore_own <= max(self.other_own, SMALL)
        return not self.error and own and self.pycore_peak <= self.other_peak

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Memory:
        return cls(**facts)


@dataclass
class Record:
    """The file of a run."""

    machine: dict[str, Any]
    libraries: list[dict[str, Any]]
    results: list[Result]
    memory: list[Memory] = field(default_factory=list)
    avx2: bool = False  # whether both sides were held to it

    def write(self, path: Path) -> None:
        facts = {
            "machine": self.machine,
            "avx2": self.avx2,
            "libraries": self.libraries,
            "results": [r.to_json() for r in self.results],
            "memory": [m.to_json() for m in self.memory],
        }
        path.write_text(json.dumps(facts, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Record:
        facts = json.loads(path.read_text())
        return cls(
            facts["machine"],
            facts["libraries"],
            [Result.from_json(r) for r in facts["results"]],
            [Memory.from_json(m) for m in facts.get("memory", [])],
            facts.get("avx2", False),
        )


def _merge(of: Sequence[Result]) -> Result:
    """One workload in several runs: the median of the runs' medians; failing if it failed once."""
    failing = [r for r in of if r.error]
    if failing or len(of) == 1:
        return (failing or of)[0]
    first = of[0]
    return Result(
        first.workload,
        first.other,
        first.threads,
        first.limit,
        pycore_seconds=statistics.median(r.pycore_seconds for r in of),
        other_seconds=statistics.median(r.other_seconds for r in of),
        ratios=[r.ratio for r in of],
        runs=len(of),
        inexactness=first.inexactness,  # the same in every run
    )


def combine(records: Iterable[Record]) -> Record:
    """Several runs as one."""
    records = list(records)
    if len(records) == 1:
        return records[0]
    if len({r.avx2 for r in records}) > 1:
        raise ValueError("runs held to AVX2 and others do not make one record")
    by_key: dict[tuple[str, str, int], list[Result]] = {}
    for result in (r for record in records for r in record.results):
        by_key.setdefault((result.workload, result.other, result.threads), []).append(result)
    return Record(
        records[0].machine,
        records[0].libraries,
        [_merge(of) for of in by_key.values()],
        [m for record in records for m in record.memory],
        records[0].avx2,
    )
