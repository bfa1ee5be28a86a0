"""Size of the wheel, time and memory of `import pycore`: fails where a limit is passed.

Run with the interpreter of an environment that has only the wheel and its dependencies.
"""

import os
import statistics
import subprocess
import sys
import zipfile
from pathlib import Path

WHEEL_BYTES = 5_000_000
IMPORT_SECONDS = 0.040
RESIDENT_BYTES = 40_000_000
HEAVY = ("numpy", "typing_extensions", "inspect", "ast", "asyncio", "multiprocessing", "unittest")

_PROBE = """
import sys, time
before = set(sys.modules)
start, cpu_start = time.perf_counter(), time.process_time()
{statement}
cpu, wall = time.process_time() - cpu_start, time.perf_counter() - start
try:
    resident = int(open("/proc/self/statm").read().split()[1]) * {page}
except OSError:
    resident = 0
print(cpu, wall, resident, *sorted(set(sys.modules) - before))
"""


def run(statement: str) -> tuple[float, float, int, list[str]]:
    """CPU and wall seconds of a statement in a fresh interpreter, resident bytes, new modules."""
    probe = _PROBE.format(statement=statement, page=os.sysconf("SC_PAGE_SIZE"))
    output = subprocess.run(
        [sys.executable, "-c", probe], check=True, capture_output=True, text=True, cwd="/"
    ).stdout.split()
    return float(output[0]), float(output[1]), int(output[2]), output[3:]


def import_cost(repeats: int = 15) -> tuple[float, float, int, list[str]]:
    """What `import pycore` adds: median CPU seconds, least wall seconds, median bytes; its modules.

    CPU time is the measure, as other processes only ever lengthen the wall's.
    """
    run("import pycore")  # writes byte code and fills the file cache
    cpu, wall, resident, modules = zip(*(run("import pycore") for _ in range(repeats)), strict=True)
    return statistics.median(cpu), min(wall), int(statistics.median(resident)), modules[0]


def main() -> int:
    failures = 0

    def gate(name: str, ok: bool, text: str) -> None:
        nonlocal failures
        failures += not ok
        print(f"{'ok  ' if ok else 'FAIL'} {name}: {text}")

    for wheel in map(Path, sys.argv[1:]):
        size = wheel.stat().st_size
        gate(
            "wheel size", size <= WHEEL_BYTES, f"{size / 1e6:.2f} MB, limit {WHEEL_BYTES / 1e6:.0f}"
        )
        names = zipfile.ZipFile(wheel).namelist()
        for needed in ("pycore/py.typed", "pycore/_C.pyi"):
            gate("wheel content", needed in names, needed)
    cpu, wall, resident, modules = import_cost()
    limit = f"limit {IMPORT_SECONDS * 1e3:.0f}"
    times = f"{cpu * 1e3:.1f} ms of CPU time, {wall * 1e3:.1f} ms by the clock, {limit}"
    gate("import time", cpu <= IMPORT_SECONDS, times)
    memory = f"{resident / 1e6:.1f} MB, limit {RESIDENT_BYTES / 1e6:.0f}"
    gate("resident memory", resident <= RESIDENT_BYTES, memory)
    heavy = [name for name in modules if name.split(".")[0] in HEAVY]
    gate("imported modules", not heavy, f"{len(modules)}; heavy: {', '.join(heavy) or 'none'}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
