"""Tables of results. On its own, tables of the files of earlier runs:

python -m benchmarks.compare.report result.json [another.json ...] [--plot file.png]
    python -m benchmarks.compare.report result.json --into docs/performance.md --part torch
    python -m benchmarks.compare.report native.json --only 'matmul|copy'

Several files become one table of the medians over the runs; native.json is what bench_kernels
--benchmark_out writes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from .acceptance import Verdict, geometric_mean, judge
from .results import Memory, Record, Result, combine


def duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def size(count: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if abs(count) >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count / 1e3:.3g} kB"


HEADER = (
    f"{'workload':76} {'thr':>3} {'other':>11} {'pycore':>9} {'other':>9} "
    f"{'ratio':>6} {'quartiles':>13} {'faster':>7} {'limit':>6}"
    "   errors against float64"
)


def line(result: Result) -> str:
    start = f"{result.workload:76} {result.threads:>3} {result.other:>11} "
    if result.error:
        return start + "FAILS: " + result.error
    low, high = result.spread
    limit = ""
    if result.limit is not None and result.other == "torch":
        limit = f"{result.limit:6.2f}" + ("" if result.ok else "  OVER")
    return (
        start
        + (
            f"{duration(result.pycore_seconds):>9} {duration(result.other_seconds):>9} "
            f"{result.ratio:6.3f} {f'{low:.3f}-{high:.3f}':>13} {result.speedup:6.2f}x {limit:6}"
            + "".join(f"{x:9.2e}" for x in result.inexactness)
        ).rstrip()
    )


MEMORY_HEADER = (
    f"{'workload':76} {'thr':>3} {'other':>11} {'pycore':>9} {'other':>9} {'ratio':>6} "
    f"{'process':>9} {'other':>9}"
)


MEMORY_NOTE = "at the peak: what running added after import and build; the whole process"


def memory_line(result: Memory) -> str:
    start = f"{result.workload:76} {result.threads:>3} {result.other:>11} "
    if result.error:
        return start + "FAILS: " + result.error
    return start + (
        f"{size(result.pycore_own):>9} {size(result.other_own):>9} {result.ratio:6.2f} "
        f"{size(result.pycore_peak):>9} {size(result.other_peak):>9}"
        f"{'' if result.ok else '  OVER'}"
    )


def by_group(results: Iterable[Result]) -> dict[tuple[str, str, int], list[Result]]:
    """Results that ran, by group, other library and number of threads."""
    groups: dict[tuple[str, str, int], list[Result]] = {}
    for r in results:
        if not r.error:
            groups.setdefault((r.group, r.other, r.threads), []).append(r)
    return groups


def geometric_means(results: Iterable[Result]) -> list[str]:
    """A line per group, other library and number of threads: how many times faster pycore is."""
    lines = []
    for (group, other, threads), of in by_group(results).items():
        least = min(r.speedup for r in of)
        mean = geometric_mean([r.speedup for r in of])
        lines.append(
            f"{group:42} {threads:>3} {other:>11} {mean:6.2f}x faster "
            f"(least {least:.2f}x, {len(of)} workloads)"
        )
    return lines


VERDICT_HEADER = (
    f"{'acceptance':76} {'thr':>3} {'other':>11} {'mean':>6} {'goal':>5} {'least':>6} {'floor':>5} "
    f"{'met':>3}  least workload"
)


def verdict_line(v: Verdict) -> str:
    floor = "" if v.floor is None else f"{v.floor:5.2f}"
    runs = "" if v.spread[0] == v.spread[1] else f"  runs {v.spread[0]:.2f}-{v.spread[1]:.2f}"
    failing = f"  {v.failing} FAILING" if v.failing else ""
    return (
        f"{v.name:76} {v.threads:>3} {v.other:>11} {v.mean:6.2f} {v.goal:5.2f} {v.least:6.2f} "
        f"{floor:>5} {'yes' if v.met else 'NO':>3}  {v.least_workload}{runs}{failing}"
    )


def summary(record: Record) -> Iterator[str]:
    """What stands below the table of workloads."""
    yield ""
    yield from geometric_means(record.results)
    verdicts = judge(record.results, record.avx2)
    if verdicts:
        yield ""
        yield VERDICT_HEADER
        yield from map(verdict_line, verdicts)
    yield ""
    for facts in (record.machine, *record.libraries):
        yield f"# {facts}"
    every: list[Result | Memory] = [*record.results, *record.memory]
    failing = sum(bool(r.error) for r in every)
    yield f"{sum(r.ok for r in every)} of {len(every)} within their limits, {failing} failing"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "|" + "|".join(["---"] * len(header)) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def markdown(record: Record, worst: int = 15) -> Iterator[str]:
    """The tables of docs/performance.md: goals, the slowest workloads, memory; ratios only."""
    verdicts = judge(record.results, record.avx2)
    header = ["workloads", "threads", "geometric mean", "goal", "least", "floor", "met"]
    for other in dict.fromkeys(v.other for v in verdicts):
        yield f"Times faster than {other}:"
        yield ""
        yield from _table(header, (_verdict_row(v) for v in verdicts if v.other == other))
        yield ""
    if record.results:
        slow = sorted((r for r in record.results if not r.error), key=lambda r: -r.ratio)[:worst]
        yield f"The {len(slow)} workloads with the least advantage:"
        yield ""
        yield from _table(
            ["workload", "threads", "against", "times faster", "spread"],
            (
                (r.workload, str(r.threads), r.other, f"{r.speedup:.2f}", _spread(r.spread))
                for r in slow
            ),
        )
        yield ""
    failing = [r for r in record.results if r.error]
    if failing:
        yield f"{len(failing)} failing:"
        yield ""
        yield from _table(
            ["workload", "threads", "against", "says"],
            ((r.workload, str(r.threads), r.other, r.error) for r in failing),
        )
        yield ""
    if record.memory:
        yield "Memory at the peak as a share of the other's: what running added, the whole process:"
        yield ""
        yield from _table(
            ["workload", "threads", "against", "added", "process"],
            (
                (
                    m.workload,
                    str(m.threads),
                    m.other,
                    m.error or f"{m.ratio:.2f}",
                    "" if m.error else f"{m.pycore_peak / m.other_peak:.2f}",
                )
                for m in record.memory
            ),
        )
        yield ""


def _verdict_row(v: Verdict) -> Sequence[str]:
    mean = f"{v.mean:.2f}"
    if v.spread[0] != v.spread[1]:
        mean += f" ({v.spread[0]:.2f} to {v.spread[1]:.2f})"
    floor = "" if v.floor is None else f"{v.floor:g}"
    met = "yes" if v.met else "no" if not v.failing else f"no, {v.failing} failing"
    name = v.name.replace("|", "\\|")
    return name, str(v.threads), mean, f"{v.goal:g}", f"{v.least:.2f}", floor, met


def _spread(ratios: tuple[float, float]) -> str:
    low, high = ratios
    return f"{1 / high:.2f} to {1 / low:.2f}"


def native_markdown(facts: dict[str, Any], only: str) -> Iterator[str]:
    """The machine's peaks and shares of them, from the JSON of the native benchmarks."""
    peaks = {k[5:]: v for k, v in facts["context"].items() if k.startswith("peak ")}
    yield from _table(["peak of the machine", "rate"], peaks.items())
    yield ""
    repeated: dict[str, dict[str, list[float]]] = {}
    for run in facts["benchmarks"]:
        found = re.fullmatch(r"(.*)/(\w+/threads:\d+)/real_time", run["name"])
        if found and run.get("run_type") != "aggregate" and re.search(only, found[1]):
            repeated.setdefault(found[1], {}).setdefault(found[2], []).append(run["share"])
    shares = {name: {w: median(x) for w, x in row.items()} for name, row in repeated.items()}
    columns = list(dict.fromkeys(where for row in shares.values() for where in row))
    yield from _table(
        ["share of the peak", *(c.replace("/threads:", ", threads ") for c in columns)],
        (
            (name, *(f"{row[c]:.0%}" if c in row else "" for c in columns))
            for name, row in shares.items()
        ),
    )
    yield ""


def replace_part(page: Path, name: str, lines: Iterable[str]) -> None:
    """Puts lines between `<!-- begin NAME -->` and `<!-- end NAME -->` of a page."""
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    text = page.read_text()
    if begin not in text or end not in text:
        raise SystemExit(f"{page} has no part {name}")
    head, rest = text.split(begin, 1)
    tail = rest.split(end, 1)[1]
    page.write_text(head + begin + "\n" + "\n".join(lines) + end + tail)


def machine() -> dict[str, Any]:
    facts: dict[str, Any] = {
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": [
            round(x, 1) for x in os.getloadavg()
        ],  # other work slows libraries whose threads meet in barriers most
    }
    try:
        for row in Path("/proc/cpuinfo").read_text().splitlines():
            if row.startswith("model name"):
                facts["cpu"] = row.split(":")[1].strip()
                break
    except OSError:
        facts["cpu"] = platform.processor()
    return facts


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.compare.report", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--markdown", action="store_true", help="tables of ratios for a page")
    parser.add_argument("--into", type=Path, metavar="PAGE", help="write them into a page")
    parser.add_argument("--part", help="the part of the page to replace")
    parser.add_argument("--only", default="", help="native: a regular expression on the names")
    parser.add_argument("--plot", type=Path, help="where to draw groups and workloads")
    parser.add_argument("--overview", type=Path, help="where to draw groups only")
    args = parser.parse_args()
    facts = json.loads(args.files[0].read_text())
    if "benchmarks" in facts:
        lines = list(native_markdown(facts, args.only))
    else:
        record = combine(map(Record.read, args.files))
        if args.markdown or args.into:
            lines = list(markdown(record))
        else:
            lines = [HEADER, *map(line, record.results)] if record.results else []
            if record.memory:
                lines += [MEMORY_NOTE, MEMORY_HEADER, *map(memory_line, record.memory)]
            lines += summary(record)
        for path, details in ((args.plot, True), (args.overview, False)):
            if path:
                from .plot import plot

                plot(record.results, path, details)
    if args.into:
        replace_part(args.into, args.part, lines)
    else:
        print(*lines, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
