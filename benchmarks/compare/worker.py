"""The process of one library: builds, checks and times workloads on request.

Reads one JSON request per line from standard input and answers each with one JSON line. Started by
runner.py as a script, so that nothing but the library itself is imported beside NumPy.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import sys
import timeit
import traceback
from pathlib import Path
from typing import Any

import numpy as np


class Worker:
    def __init__(self, library: str, threads: int) -> None:
        from compare.registry import all_workloads

        self.library = library
        self.module = importlib.import_module(library)
        if hasattr(self.module, "set_num_threads"):
            self.module.set_num_threads(threads)
        self.workloads = all_workloads()
        self.key = ""
        self.timer: timeit.Timer | None = None
        self.loops = 1

    def about(self) -> dict[str, Any]:
        facts = {"version": str(getattr(self.module, "__version__", "?"))}
        if self.library == "pycore":
            facts["isa"] = self.module._C._isa()
        return facts

    def build(self, key: str, output: str) -> dict[str, Any]:
        """Builds a workload afresh and saves its outputs to a file."""
        from compare.registry import Inputs

        self.timer = None
        convert = getattr(self.module, "from_numpy", None) or getattr(self.module, "asarray", None)
        case = self.workloads[key].builder(self.library)(self.module, Inputs(convert))
        arrays = [self._array(a) for a in case.check()]
        np.savez(output, *arrays)
        self.key, self.loops = key, 1
        self.timer = timeit.Timer(case.statement, globals=case.names)
        return {}

    @staticmethod
    def _array(value: Any) -> np.ndarray:
        if hasattr(value, "detach"):
            value = value.detach()
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


def main() -> None:
    # The folder of this script must not hide modules of other names.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        worker = Worker(sys.argv[1], int(sys.argv[2]))
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
