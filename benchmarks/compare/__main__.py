"""Times pycore beside other libraries, each in its own process, and prints how they compare."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from . import report
from .acceptance import floor_limit
from .registry import Workload, all_workloads
from .results import Record, Result
from .runner import AVX2, Library, compare, memory


def _pairs(items: list[str], separator: str) -> list[tuple[str, str]]:
    return [tuple(item.split(separator, 1)) for item in items]  # type: ignore[misc]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.compare", description=__doc__)
    parser.add_argument("--against", default="torch", help="libraries, separated by commas")
    parser.add_argument("--python", nargs="+", default=[], metavar="LIBRARY=INTERPRETER")
    parser.add_argument("--env", nargs="+", default=[], metavar="LIBRARY:NAME=VALUE")
    parser.add_argument("--avx2", action="store_true", help="hold every library to AVX2")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=15, help="pairs of samples per workload")
    parser.add_argument("--seconds", type=float, default=0.02, help="length of a sample")
    parser.add_argument("--group", nargs="+", default=[], help="names of groups")
    parser.add_argument("--only", default="", help="a regular expression on group/name")
    parser.add_argument("--memory", action="store_true", help="resident memory instead of time")
    parser.add_argument("--json", type=Path, help="where to write the record")
    parser.add_argument("--plot", type=Path, help="where to draw the workloads (a .png or .svg)")
    parser.add_argument("--gate", action="store_true", help="fail where a limit is passed")
    parser.add_argument("--list", action="store_true", help="list the workloads")
    return parser.parse_args(arguments)


def choose(args: argparse.Namespace) -> list[Workload]:
    every = all_workloads().values()
    unknown = set(args.group) - {w.group for w in every}
    if unknown:
        raise SystemExit(f"no such group: {', '.join(sorted(unknown))}")
    chosen = [w for w in every if re.search(args.only, w.key)]
    return [w for w in chosen if not args.group or w.group in args.group]


def _libraries(args: argparse.Namespace, against: list[str]) -> dict[str, Library]:
    libraries = {name: Library(name) for name in ("pycore", *against)}
    for name, python in _pairs(args.python, "="):
        libraries[name].python = python
    if args.avx2:
        for name, library in libraries.items():
            if name not in AVX2:
                print(f"# {name} has no switch that holds it to AVX2", file=sys.stderr)
            library.environment |= AVX2.get(name, {})
    for name, setting in _pairs(args.env, ":"):
        key, value = setting.split("=", 1)
        libraries[name].environment[key] = value
    return libraries


def main() -> int:
    args = parse()
    workloads = choose(args)
    if args.list:
        print(*(w.key for w in workloads), sep="\n")
        return 0
    for w in workloads:
        if w.limit is None and not args.avx2:
            w.limit = floor_limit(w.group)
    against = args.against.split(",")
    libraries = _libraries(args, against)
    record = Record(report.machine(), [], [], avx2=args.avx2)
    if args.memory:
        print(report.MEMORY_NOTE, report.MEMORY_HEADER, sep="\n")
        for item in memory(workloads, libraries, against, args.threads):
            record.memory.append(item)
            print(report.memory_line(item), flush=True)
    else:
        print(report.HEADER)
        for item in compare(workloads, libraries, against, args.threads, args.rounds, args.seconds):
            if isinstance(item, Result):
                record.results.append(item)
                print(report.line(item), flush=True)
            else:
                record.libraries.append(item)
    print(*report.summary(record), sep="\n")
    if args.json:
        record.write(args.json)
    if args.plot:
        from .plot import plot

        plot(record.results, args.plot)
    kept = all(r.ok for r in (*record.results, *record.memory))
    return 1 if args.gate and not kept else 0


if __name__ == "__main__":
    sys.exit(main())
