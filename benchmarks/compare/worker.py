"""The process of one library: builds, checks and times workloads on request.

Reads one JSON request per line from standard input and answers each with one JSON line. Started by
runner.py as a script, so that nothing but the library itself is imported beside NumPy.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import sys
import time
import timeit
import traceback
from pathlib import Path
from typing import Any

import numpy as np


class Worker:
    def __init__(self, library: str, threads: int) -> None:
        from compare.registry import all_workloads

        self.library, self.threads = library, threads
        if library == "jax":
            # XLA makes as many threads as the process may use cores, and has no other switch.
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
        self.module = importlib.import_module(library)
        self.arrays = importlib.import_module("jax.numpy") if library == "jax" else self.module
        if hasattr(self.module, "set_num_threads"):
            self.module.set_num_threads(threads)
        self.workloads = all_workloads()
        self.timer: timeit.Timer | None = None
        self.loops = 1
        gc.freeze()  # collections before samples need not look at the library

    def about(self) -> dict[str, Any]:
        facts = {"version": str(getattr(self.module, "__version__", "?"))}
        if self.library == "pycore":
            facts["isa"] = self.module._C._isa()
        if self.library == "torch":
            facts["isa"] = self.module.backends.cpu.get_cpu_capability()
        return facts

    def _case(self, key: str) -> Any:
        from compare.registry import Inputs

        convert = (
            getattr(self.arrays, "from_numpy", None)
            or getattr(self.arrays, "asarray", None)
            or np.asarray
        )
        inputs = Inputs(convert, threads=self.threads)
        return self.workloads[key].builder(self.library)(self.module, inputs)

    def build(self, key: str, output: str) -> dict[str, Any]:
        """Builds a workload afresh and saves its outputs to a file.

        Tells their relative error, in the Euclidean norm over all of them, where the case has exact
        ones.
        """
        self.timer = None
        case = self._case(key)
        arrays = [self._array(a) for a in case.check()]
        np.savez(output, *arrays)
        self.loops = 1
        self.timer = timeit.Timer(case.statement, globals=case.names)
        if not case.exact:
            return {}
        exact = list(case.exact())
        off = sum(np.square(a - x).sum() for a, x in zip(arrays, exact, strict=True))
        return {"inexactness": float(np.sqrt(off / sum(np.square(x).sum() for x in exact)))}

    def _array(self, value: Any) -> np.ndarray:
        if hasattr(value, "detach"):
            value = value.detach()
            if value.dtype == self.module.bfloat16:
                value = value.float()
        return np.asarray(value.numpy() if hasattr(value, "numpy") else value)

    def time(self, seconds: float) -> dict[str, Any]:
        """Seconds of one run, from a sample of at least that length."""
        assert self.timer is not None
        gc.collect()
        while True:
            took = self.timer.timeit(self.loops)
            if took >= seconds:
                return {"seconds": took / self.loops, "loops": self.loops}
            growth = seconds / max(took, 1e-9) * 1.1
            self.loops = max(self.loops + 1, int(self.loops * min(growth, 100)))

    def memory(self, key: str, seconds: float = 1.0, least: int = 5) -> dict[str, Any]:
        """Bytes of resident memory at the peak of a workload, and what running it added.

        Pages of files (the code of the library) are left out of the latter.
        """
        case = self._case(key)
        timer = timeit.Timer(case.statement, globals=case.names)
        gc.collect()
        built = _resident("RssAnon")
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        runs, end = 0, time.perf_counter() + seconds
        while runs < least or time.perf_counter() < end:
            timer.timeit(1)
            runs += 1
        peak = _resident("VmHWM")
        return {"own": peak - _resident("RssFile") - _resident("RssShmem") - built, "peak": peak}


def _resident(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"this system does not tell {name}")


def main() -> None:
    # The folder of this script must not hide modules of other names.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        try:
            worker = Worker(sys.argv[1], int(sys.argv[2]))
        except ImportError as error:
            print(json.dumps({"error": str(error)}), file=answers, flush=True)
            raise
        print(json.dumps(worker.about()), file=answers, flush=True)
        for line in sys.stdin:
            request = json.loads(line)
            try:
                answer = getattr(worker, request.pop("do"))(**request)
            except Exception as error:
                traceback.print_exc()
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
