"""Tables and files of results."""

from __future__ import annotations

import json
import platform
import statistics
from pathlib import Path
from typing import Any

from .runner import Result


def duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


HEADER = (
    f"{'workload':42} {'thr':>3} {'other':>11} {'pycore':>9} {'other':>9} "
    f"{'ratio':>6} {'quartiles':>13} {'faster':>7} {'limit':>6}"
)


def line(result: Result) -> str:
    start = f"{result.workload:42} {result.threads:>3} {result.other:>11} "
    if result.error:
        return start + "FAILS: " + result.error
    low, high = result.spread
    limit = ""
    if result.limit is not None and result.other == "torch":
        limit = f"{result.limit:6.2f}" + ("" if result.ok else "  OVER")
    return start + (
        f"{duration(result.pycore_seconds):>9} {duration(result.other_seconds):>9} "
        f"{result.ratio:6.3f} {f'{low:.3f}-{high:.3f}':>13} {1 / result.ratio:6.2f}x {limit}"
    )


def geometric_means(results: list[Result]) -> list[str]:
    """A line per group, other library and number of threads: how many times faster pycore is."""
    groups: dict[tuple[str, str, int], list[float]] = {}
    for r in results:
        if not r.error:
            key = (r.workload.split("/")[0], r.other, r.threads)
            groups.setdefault(key, []).append(1 / r.ratio)
    return [
        f"{group:42} {threads:>3} {other:>11} {statistics.geometric_mean(values):6.2f}x faster "
        f"(least {min(values):.2f}x, {len(values)} workloads)"
        for (group, other, threads), values in groups.items()
    ]


def machine() -> dict[str, Any]:
    facts: dict[str, Any] = {"system": platform.platform(), "python": platform.python_version()}
    try:
        for row in Path("/proc/cpuinfo").read_text().splitlines():
            if row.startswith("model name"):
                facts["cpu"] = row.split(":")[1].strip()
                break
    except OSError:
        facts["cpu"] = platform.processor()
    return facts


def write_json(path: Path, facts: list[dict[str, Any]], results: list[Result]) -> None:
    record = {
        "machine": machine(),
        "libraries": facts,
        "results": [r.to_json() for r in results],
    }
    path.write_text(json.dumps(record, indent=1) + "\n")
