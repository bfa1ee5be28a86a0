"""A picture of results: one line per workload, a dot per number of threads. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from .acceptance import geometric_mean
from .results import Result

_MARKERS = ("o", "D", "s", "^")


def plot(results: Sequence[Result], path: Path) -> None:
    """Draws how many times faster pycore is, with quartiles, on a logarithmic axis."""
    try:
        import matplotlib
    except ImportError as error:
        raise SystemExit("--plot needs matplotlib: pip install matplotlib") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter, NullFormatter

    others = list(dict.fromkeys(r.other for r in results))
    threads = sorted({r.threads for r in results})
    order = {g: i for i, g in enumerate(dict.fromkeys(r.group for r in results))}
    ordered = sorted(results, key=lambda r: (order[r.group], others.index(r.other)))  # stable

    # Lines from the top: a heading per group, then its workloads.
    rows: dict[tuple[str, str], int] = {}
    headings: list[tuple[int, str, float]] = []
    height = 0
    for group, members in groupby(ordered, key=lambda r: r.group):
        of = list(members)
        headings.append((height, group, geometric_mean([r.speedup for r in of if not r.error])))
        height += 1
        for key in dict.fromkeys((r.workload, r.other) for r in of):
            rows[key] = height
            height += 1
        height += 1

    figure, axes = pyplot.subplots(figsize=(12, 1.6 + 0.17 * height), layout="constrained")
    colours = pyplot.get_cmap("tab20").colors[::2] + pyplot.get_cmap("tab20").colors[1::2]
    for r in ordered:
        y = rows[r.workload, r.other]
        colour = colours[order[r.group] % len(colours)]
        if r.error:
            axes.text(1, y, "  fails", va="center", fontsize=7, color="firebrick")
            continue
        low, high = (1 / bound for bound in reversed(r.spread))
        which = threads.index(r.threads)
        y += (which - (len(threads) - 1) / 2) * 0.25
        axes.plot([low, high], [y, y], color=colour, lw=1.2, alpha=0.7, zorder=2)
        axes.plot(
            r.speedup,
            y,
            _MARKERS[which % len(_MARKERS)],
            ms=4.5,
            mec=colour,
            mfc=colour if which == 0 else "white",
            zorder=3,
        )

    axes.axvline(1, color="black", lw=1)
    axes.set_xscale("log")
    ran = [r.speedup for r in results if not r.error] or [1.0]
    axes.set_xlim(min(0.7, 0.8 * min(ran)), max(2, 1.3 * max(ran)))
    ticks = (0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 50, 100, 200)
    axes.set_xticks([t for t in ticks if axes.get_xlim()[0] <= t <= axes.get_xlim()[1]])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", labeltop=True, top=True)
    axes.grid(axis="x", color="0.9", zorder=0)
    axes.set_ylim(height - 0.5, -1)

    several = len(others) > 1
    names = {y: f"{w.split('/', 1)[1]}{f' ({o})' * several}" for (w, o), y in rows.items()}
    axes.set_yticks(list(names.keys()), list(names.values()), fontsize=7)
    axes.tick_params(axis="y", length=0)
    for y, group, mean in headings:
        colour = colours[order[group] % len(colours)]
        axes.text(
            0,
            y,
            f" {group}, geometric mean {mean:.2f}",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=9,
            weight="bold",
            color=colour,
        )
    for which, count in enumerate(threads):
        axes.plot(
            [],
            [],
            _MARKERS[which % len(_MARKERS)],
            color="0.3",
            mfc="0.3" if which == 0 else "white",
            label=f"{count} thread{'s' * (count > 1)}",
        )
    axes.legend(loc="lower right", frameon=True)
    axes.set_xlabel(
        f"times faster than {', '.join(others)} (bars: quartiles; right of 1 is faster)"
    )
    for side in ("left", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
