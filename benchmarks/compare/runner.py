"""Runs workloads in one process per library, taking turns. Imports none of the libraries."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .registry import Workload

_WORKER = Path(__file__).with_name("worker.py")


@dataclass
class Library:
    """How to start the interpreter of a library."""

    name: str
    python: str = sys.executable
    environment: dict[str, str] = field(default_factory=dict)


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

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def spread(self) -> tuple[float, float]:
        """The quartiles of the ratios."""
        if len(self.ratios) < 2:
            return self.ratio, self.ratio
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
            facts |= {"ratio": self.ratio, "spread": self.spread, "speedup": 1 / self.ratio}
        return facts


class Process:
    """A worker; started anew after it has died."""

    def __init__(self, library: Library, threads: int) -> None:
        self.library, self.threads = library, threads
        self.facts: dict[str, Any] = {}
        self._worker: subprocess.Popen[str] | None = None
        self._start()

    def _start(self) -> None:
        count = str(self.threads)
        threads = {
            "OMP_NUM_THREADS": count,
            "MKL_NUM_THREADS": count,
            "OPENBLAS_NUM_THREADS": count,
        }
        self._worker = subprocess.Popen(
            [self.library.python, str(_WORKER), self.library.name, count],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if os.environ.get("PYCORE_BENCH_VERBOSE") else subprocess.DEVNULL,
            text=True,
            env={**os.environ, **threads, **self.library.environment},
            cwd=tempfile.gettempdir(),
        )
        self.facts = self._read()
        if "error" in self.facts:
            raise RuntimeError(f"{self.library.name} does not start in {self.library.python}")

    def _read(self) -> dict[str, Any]:
        assert self._worker is not None and self._worker.stdout is not None
        line = self._worker.stdout.readline()
        if not line:
            return {"error": f"the process ended with status {self._worker.wait()}"}
        return json.loads(line)

    def ask(self, **request: Any) -> dict[str, Any]:
        if self._worker is None or self._worker.poll() is not None:
            self._start()
        assert self._worker is not None and self._worker.stdin is not None
        try:
            self._worker.stdin.write(json.dumps(request) + "\n")
            self._worker.stdin.flush()
        except BrokenPipeError:
            pass
        return self._read()

    def close(self) -> None:
        if self._worker is not None and self._worker.stdin is not None:
            self._worker.stdin.close()
            self._worker.wait(timeout=30)


def disagreement(mine: Path, theirs: Path, tolerance: float) -> str:
    """How two saved lists of arrays differ; empty if they agree."""
    with np.load(mine) as a, np.load(theirs) as b:
        if a.files != b.files:
            return f"outputs differ in number: {len(a.files)} and {len(b.files)}"
        for name in a.files:
            x, y = a[name].astype(np.float64), b[name].astype(np.float64)
            if x.shape != y.shape:
                return f"outputs differ in shape: {x.shape} and {y.shape}"
            scale = max(1e-30, float(np.abs(y).max(initial=0)))
            error = float(np.abs(x - y).max(initial=0)) / scale
            if not error <= tolerance:
                return f"outputs differ by {error:.1e} of their size"
    return ""


def measure(
    workload: Workload, mine: Process, other: Process, folder: Path, rounds: int, seconds: float
) -> Result:
    """Times one workload in two processes, a sample each per round."""
    result = Result(workload.key, other.library.name, mine.threads, workload.limit)
    for process in (mine, other):
        path = str(folder / f"{process.library.name}.npz")
        answer = process.ask(do="build", key=workload.key, output=path)
        if "error" in answer:
            result.error = f"fails in {process.library.name}: {answer['error']}"
            return result
    paths = [folder / f"{p.library.name}.npz" for p in (mine, other)]
    result.error = disagreement(*paths, workload.tolerance)
    if result.error:
        return result

    times: dict[str, list[float]] = {mine.library.name: [], other.library.name: []}
    for number in range(rounds + 1):
        # Each goes first as often as the other; threads of the one before are given time to sleep.
        for process in (mine, other) if number % 2 else (other, mine):
            time.sleep(0.005)
            answer = process.ask(do="time", seconds=seconds)
            if "error" in answer:
                result.error = f"fails in {process.library.name}: {answer['error']}"
                return result
            if number:  # the first round warms up
                times[process.library.name].append(answer["seconds"])
    own, others = times.values()
    result.pycore_seconds, result.other_seconds = map(statistics.median, (own, others))
    result.ratios = [a / b for a, b in zip(own, others, strict=True)]
    return result


def compare(
    workloads: list[Workload],
    libraries: dict[str, Library],
    against: list[str],
    threads: list[int],
    rounds: int,
    seconds: float,
) -> Iterator[Result | dict[str, Any]]:
    """Yields, per number of threads, facts about the processes and then a result per workload."""
    with tempfile.TemporaryDirectory() as folder:
        for count in threads:
            chosen = [w for w in workloads if count in w.threads]
            if not chosen:
                continue
            mine = Process(libraries["pycore"], count)
            others = {name: Process(libraries[name], count) for name in against}
            yield {"threads": count, "pycore": mine.facts} | {n: p.facts for n, p in others.items()}
            for workload in chosen:
                for name, other in others.items():
                    if name == "torch" or name in workload.builders:
                        yield measure(workload, mine, other, Path(folder), rounds, seconds)
            for process in (mine, *others.values()):
                process.close()
