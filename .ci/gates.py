"""Size of the wheel, time and memory of `import pycore`: fails where a limit is passed.

Run with the interpreter of an environment that has only the wheel and its dependencies.
"""

import os
import statistics
import subprocess
import sys
import zipfile
from pathlib import Path

WHEEL_BYTES = 4_000_000
IMPORT_SECONDS = 0.040
RESIDENT_BYTES = 40_000_000
HEAVY = ("numpy", "typing_extensions", "inspect", "ast", "asyncio", "multiprocessing", "unittest")

_PROBE = """
import sys, time
before = set(sys.modules)
start = time.perf_counter()
{statement}
seconds = time.perf_counter() - start
try:
    resident = int(open("/proc/self/statm").read().split()[1]) * {page}
except OSError:
    resident = 0
print(seconds, resident, *sorted(set(sys.modules) - before))
"""


def run(statement: str) -> tuple[float, int, list[str]]:
    """Seconds of a statement in a fresh interpreter, resident bytes after it, new modules."""
    probe = _PROBE.format(statement=statement, page=os.sysconf("SC_PAGE_SIZE"))
    output = subprocess.run(
        [sys.executable, "-c", probe], check=True, capture_output=True, text=True, cwd="/"
    ).stdout.split()
    return float(output[0]), int(output[1]), output[2:]


def import_cost(repeats: int = 15) -> tuple[float, int, list[str]]:
    """Median seconds that `import pycore` adds, resident bytes after it, and its modules."""
    run("import pycore")  # the first run writes byte code and fills the file cache
    seconds, resident = [], []
    for _ in range(repeats):
        took, size, modules = run("import pycore")
        seconds.append(took)
        resident.append(size)
    return statistics.median(seconds), int(statistics.median(resident)), modules


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
    seconds, resident, modules = import_cost()
    gate(
        "import time",
        seconds <= IMPORT_SECONDS,
        f"{seconds * 1e3:.1f} ms, limit {IMPORT_SECONDS * 1e3:.0f}",
    )
    gate(
        "resident memory",
        resident <= RESIDENT_BYTES,
        f"{resident / 1e6:.1f} MB, limit {RESIDENT_BYTES / 1e6:.0f}",
    )
    heavy = [name for name in modules if name.split(".")[0] in HEAVY]
    gate("imported modules", not heavy, f"{len(modules)}; heavy: {', '.join(heavy) or 'none'}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
