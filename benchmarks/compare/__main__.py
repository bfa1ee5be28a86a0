"""Command line of the comparison."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from . import report
from .registry import all_workloads
from .runner import Library, Result, compare


def _pairs(items: list[str], separator: str) -> list[tuple[str, str]]:
    return [tuple(item.split(separator, 1)) for item in items]  # type: ignore[misc]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.compare", description=__doc__)
    parser.add_argument("--against", default="torch", help="libraries, separated by commas")
    parser.add_argument("--python", nargs="+", default=[], metavar="LIBRARY=INTERPRETER")
    parser.add_argument("--env", nargs="+", default=[], metavar="LIBRARY:NAME=VALUE")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=15, help="pairs of samples per workload")
    parser.add_argument("--seconds", type=float, default=0.03, help="length of a sample")
    parser.add_argument("--only", default="", help="a regular expression on group/name")
    parser.add_argument("--json", type=Path, help="where to write the record")
    parser.add_argument("--gate", action="store_true", help="fail where a limit is passed")
    parser.add_argument("--list", action="store_true", help="list the workloads")
    return parser.parse_args(arguments)


def main() -> int:
    args = parse()
    workloads = [w for w in all_workloads().values() if re.search(args.only, w.key)]
    if args.list:
        print(*(w.key for w in workloads), sep="\n")
        return 0
    against = args.against.split(",")
    libraries = {name: Library(name) for name in ("pycore", *against)}
    for name, python in _pairs(args.python, "="):
        libraries[name].python = python
    for name, setting in _pairs(args.env, ":"):
        key, value = setting.split("=", 1)
        libraries[name].environment[key] = value

    facts: list[dict] = []
    results: list[Result] = []
    print(report.HEADER)
    for item in compare(workloads, libraries, against, args.threads, args.rounds, args.seconds):
        if isinstance(item, dict):
            facts.append(item)
        else:
            results.append(item)
            print(report.line(item), flush=True)
    print()
    print(*report.geometric_means(results), sep="\n")
    for fact in facts:
        print(f"# {fact}")
    if args.json:
        report.write_json(args.json, facts, results)
    kept = sum(r.ok for r in results)
    print(f"{kept} of {len(results)} within their limits")
    return 1 if args.gate and kept < len(results) else 0


if __name__ == "__main__":
    sys.exit(main())
