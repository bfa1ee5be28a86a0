"""Prints at the end of a run what the suites over PyTorch's own samples have covered."""

from __future__ import annotations

from collections import defaultdict


def pytest_terminal_summary(terminalreporter):
    counts, left_out, missing = defaultdict(int), defaultdict(int), defaultdict(set)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") != "call":
                continue
            for key, value in report.user_properties:
                if key.startswith("cases of "):
                    counts[key.removeprefix("cases of ")] += value
                elif key.startswith("left out of "):
                    left_out[key.removeprefix("left out of ")] += value
                elif key.startswith("missing in "):
                    missing[key.removeprefix("missing in ")].add(value)
    for suite, count in sorted(counts.items()):
        names = sorted(missing[suite])
        end = f"; MISSING in pycore: {', '.join(names)}" if names else "; nothing missing"
        part = f" of {count + left_out[suite]}" if left_out[suite] else ""
        terminalreporter.write_line(f"{suite}: {count}{part} cases{end}")
