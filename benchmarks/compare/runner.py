"""Runs workloads in one process per library, taking turns. Imports none of the libraries."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .registry import Workload
from .results import Memory, Result

_WORKER = Path(__file__).with_name("worker.py")

# Fewer rounds than asked for where one run takes long: so many seconds per workload, and no fewer
# than so many rounds.
BUDGET = 1.5
LEAST_ROUNDS = 5

PATIENCE = 120.0  # seconds for one answer of a worker

# What holds each library to AVX2; onnxruntime has no such switch.
AVX2 = {
    "pycore": {"PYCORE_ISA": "avx2"},
    "torch": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    },
    "numpy": {
        # By the names of several versions; those that one does not know it ignores.
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_SPR AVX512_ICL AVX512_SKX AVX512F AVX512CD",
        "OPENBLAS_CORETYPE": "Haswell",
    },
    "jax": {"XLA_FLAGS": "--xla_cpu_max_isa=AVX2"},
}


@dataclass
class Library:
    """How to start the interpreter of a library."""

    name: str
    python: str = sys.executable
    environment: dict[str, str] = field(default_factory=dict)


class Process:
    """A worker; started anew after it has died."""

    def __init__(self, library: Library, threads: int, patience: float = PATIENCE) -> None:
        self.library, self.threads, self.patience = library, threads, patience
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
        self.close()  # the pipes of one that has died
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
            self.close()
            raise RuntimeError(
                f"{self.library.name} does not start in {self.library.python}: "
                f"{self.facts['error']} (PYCORE_BENCH_VERBOSE=1 shows what it prints)"
            )

    def _read(self) -> dict[str, Any]:
        worker = self._worker
        assert worker is not None and worker.stdout is not None
        alarm = threading.Timer(self.patience, worker.kill)
        alarm.start()
        line = worker.stdout.readline()
        late = not alarm.is_alive()
        alarm.cancel()
        if line:
            return json.loads(line)
        status = worker.wait()
        if late:
            return {"error": f"no answer within {self.patience:g} s"}
        return {"error": f"the process ended with status {status}"}

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

    def settle(self) -> None:
        """Waits until its threads sleep: some libraries' look for work long after a sample."""
        assert self._worker is not None
        tasks = Path(f"/proc/{self._worker.pid}/task")
        if not tasks.exists():
            time.sleep(0.05)
            return
        before = _running_time(tasks)
        for _ in range(50):
            time.sleep(0.004)
            now = _running_time(tasks)
            if now - before < 0.0002:
                break
            before = now

    def close(self) -> None:
        if self._worker is None:
            return
        with contextlib.suppress(BrokenPipeError):
            self._worker.stdin.close()  # type: ignore[union-attr]
        try:
            self._worker.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._worker.kill()
            self._worker.wait()
        self._worker.stdout.close()  # type: ignore[union-attr]
        self._worker = None


def _running_time(tasks: Path) -> float:
    """Seconds that the threads in this folder of /proc have run."""
    total = 0
    for task in tasks.iterdir():
        with contextlib.suppress(OSError):  # it has ended
            total += int((task / "schedstat").read_text().split()[0])
    return total * 1e-9


def disagreement(mine: Path, theirs: Path, tolerance: float) -> str:
    """How two saved lists of arrays differ; empty if they agree."""
    with np.load(mine) as a, np.load(theirs) as b:
        if a.files != b.files:
            return f"outputs differ in number: {len(a.files)} and {len(b.files)}"
        for name in a.files:
            wide = np.complex128 if np.iscomplexobj(a[name]) else np.float64
            x, y = a[name].astype(wide), b[name].astype(wide)
            if x.shape != y.shape:
                return f"outputs differ in shape: {x.shape} and {y.shape}"
            special = ~(np.isfinite(x) & np.isfinite(y))
            if not np.array_equal(x[special], y[special], equal_nan=True):
                return "outputs differ in their infinities or NaN"
            x, y = x[~special], y[~special]
            scale = max(1e-30, float(np.abs(y).max(initial=0)))
            error = float(np.abs(x - y).max(initial=0)) / scale
            if error > tolerance:
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
        if "inexactness" in answer:
            result.inexactness.append(answer["inexactness"])
    paths = [folder / f"{p.library.name}.npz" for p in (mine, other)]
    result.error = disagreement(*paths, workload.tolerance)
    if result.error:
        return result

    times: dict[str, list[float]] = {mine.library.name: [], other.library.name: []}
    number = 0
    while number <= rounds:
        began = time.perf_counter()
        # Each goes first as often as the other.
        for process, before in ((mine, other), (other, mine))[:: 1 if number % 2 else -1]:
            before.settle()
            answer = process.ask(do="time", seconds=seconds)
            if "error" in answer:
                result.error = f"fails in {process.library.name}: {answer['error']}"
                return result
            if number:  # the first round warms up
                times[process.library.name].append(answer["seconds"])
        if number == 1:
            affordable = int(BUDGET / (time.perf_counter() - began))
            rounds = min(rounds, max(LEAST_ROUNDS, affordable))
        number += 1
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
            chosen = [w for w in workloads if any(map(w.has, against))]
            if not chosen:
                continue
            mine = Process(libraries["pycore"], count)
            others = {name: Process(libraries[name], count) for name in against}
            yield {"threads": count, "pycore": mine.facts} | {n: p.facts for n, p in others.items()}
            for workload in chosen:
                for name, other in others.items():
                    if workload.has(name):
                        yield measure(workload, mine, other, Path(folder), rounds, seconds)
            for process in (mine, *others.values()):
                process.close()


def memory(
    workloads: list[Workload], libraries: dict[str, Library], against: list[str], threads: list[int]
) -> Iterator[Memory]:
    """The resident memory of each workload, every time in processes of its own."""
    for count in threads:
        for workload in workloads:
            answers: dict[str, dict[str, Any]] = {}
            for name in ("pycore", *filter(workload.has, against)):
                process = Process(libraries[name], count)
                answers[name] = process.ask(do="memory", key=workload.key)
                process.close()
            own = answers.pop("pycore")
            for name, answer in answers.items():
                result = Memory(workload.key, name, count)
                for library, facts in (("pycore", own), (name, answer)):
                    if "error" in facts:
                        result.error = f"fails in {library}: {facts['error']}"
                if not result.error:
                    result.pycore_own, result.pycore_peak = own["own"], own["peak"]
                    result.other_own, result.other_peak = answer["own"], answer["peak"]
                yield result
