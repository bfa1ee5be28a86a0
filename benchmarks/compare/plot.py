"""A picture of results: an overview by group, then a line per workload. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from .acceptance import geometric_mean
from .report import by_group
from .results import Result

_MARKERS = ("o", "D", "s", "^")
_TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 20, 50, 100, 200, 500)


def plot(results: Sequence[Result], path: Path, details: bool = True) -> None:
    """Draws how many times faster pycore is, with quartiles, on a logarithmic axis.

    Without details: the groups only.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise SystemExit("--plot needs matplotlib: pip install matplotlib") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    palette = [*pyplot.get_cmap("tab10").colors, *pyplot.get_cmap("Dark2").colors]
    groups = list(dict.fromkeys(r.group for r in results))
    colours = {g: palette[i % len(palette)] for i, g in enumerate(groups)}
    threads = sorted({r.threads for r in results})
    style = {t: _MARKERS[i % len(_MARKERS)] for i, t in enumerate(threads)}
    others = list(dict.fromkeys(r.other for r in results))

    lines = len({(r.workload, r.other) for r in results}) + 2 * len(groups)
    heights = (1.2 + 0.28 * len(groups), 1.0 + 0.17 * lines)[: 1 + details]
    figure, panels = pyplot.subplots(
        len(heights),
        squeeze=False,
        figsize=(12 if details else 9, sum(heights)),
        height_ratios=heights,
        layout="constrained",
    )
    figure.get_layout_engine().set(hspace=0)
    _overview(panels[0, 0], results, groups, colours, threads, style)
    panels[0, 0].set_title(f"times faster than {', '.join(others)} (black: geometric means)")
    if details:
        _detail(panels[1, 0], results, groups, colours, threads, style)
        panels[1, 0].set_title("workloads (bars: quartiles)")
    ran = [r.speedup for r in results if not r.error] or [1.0]
    for axes in panels[:, 0]:
        _dress(axes, min(0.7, 0.8 * min(ran)), max(2, 1.3 * max(ran)))
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _dress(axes: Any, low: float, high: float) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.axvline(1, color="black", lw=1)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_xticks([t for t in _TICKS if low <= t <= high])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", which="minor", length=0)
    axes.tick_params(axis="x", labeltop=True, top=True, labelsize=8)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.9", zorder=0)
    for side in ("left", "right"):
        axes.spines[side].set_visible(False)


def _shift(threads: int, every: Sequence[int], step: float) -> float:
    """Where the mark for a number of threads lies within its line."""
    return (every.index(threads) - (len(every) - 1) / 2) * step


def _overview(
    axes: Any,
    results: Sequence[Result],
    groups: Sequence[str],
    colours: dict[str, Any],
    threads: Sequence[int],
    style: dict[int, str],
) -> None:
    """A line per group: every workload faintly, and the geometric means."""
    for (group, _, count), of in by_group(results).items():
        y = groups.index(group) + _shift(count, threads, 0.36)
        speedups = [r.speedup for r in of]
        axes.plot(
            speedups, [y] * len(of), style[count], ms=4, mew=0, color=colours[group], alpha=0.5
        )
        fill = "black" if count == threads[0] else "white"
        axes.plot(geometric_mean(speedups), y, style[count], ms=6, mec="black", mfc=fill, zorder=4)
    axes.set_yticks(range(len(groups)), groups)
    axes.set_ylim(len(groups) - 0.4, -0.6)
    for count in threads:
        axes.plot(
            [],
            [],
            style[count],
            color="black",
            mfc="black" if count == threads[0] else "white",
            label=f"{count} thread{'s' * (count > 1)}",
        )
    axes.legend(loc="lower right", fontsize=8)


def _detail(
    axes: Any,
    results: Sequence[Result],
    groups: Sequence[str],
    colours: dict[str, Any],
    threads: Sequence[int],
    style: dict[int, str],
) -> None:
    """A heading per group and a line per workload."""
    several = len({r.other for r in results}) > 1
    labels: dict[int, str] = {}
    y = 0
    for group, members in groupby(sorted(results, key=lambda r: groups.index(r.group)), _group):
        of = list(members)
        axes.text(
            0,
            y,
            f" {group}",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=9,
            weight="bold",
            color=colours[group],
            bbox={"color": "white", "pad": 1},
            zorder=5,
        )
        for (workload, other), same in _by_line(of).items():
            y += 1
            labels[y] = workload.split("/", 1)[1] + (f" ({other})" if several else "")
            for r in same:
                _mark(axes, r, y + _shift(r.threads, threads, 0.25), colours[group], style)
                if r.threads != threads[0] and not r.error:
                    axes.lines[-1].set_markerfacecolor("white")
        y += 2
    axes.set_yticks(list(labels.keys()), list(labels.values()), fontsize=7)
    axes.set_ylim(y - 0.5, -1)


def _group(r: Result) -> str:
    return r.group


def _by_line(of: Sequence[Result]) -> dict[tuple[str, str], list[Result]]:
    lines: dict[tuple[str, str], list[Result]] = {}
    for r in of:
        lines.setdefault((r.workload, r.other), []).append(r)
    return lines


def _mark(axes: Any, r: Result, y: float, colour: Any, style: dict[int, str]) -> None:
    if r.error:
        axes.text(1, y, "  fails", va="center", fontsize=7, color="firebrick")
        return
    low, high = (1 / bound for bound in reversed(r.spread))
    axes.plot([low, high], [y, y], color=colour, lw=1.2, alpha=0.7, zorder=2)
    axes.plot(r.speedup, y, style[r.threads], ms=4.5, color=colour, zorder=3)
