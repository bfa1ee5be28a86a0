"""How fast pycore is to be: by rows of groups against torch, and by workload against any library.

All figures are how many times faster pycore is (the other's time by pycore's), or how many times
smaller its errors are. Knows results only.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from .results import Result


@dataclass(frozen=True)
class Row:
    """Groups of workloads whose geometric mean and whose slowest workload have a goal."""

    name: str
    groups: tuple[str, ...]
    mean: float
    floor: float | None = None


ROWS = (
    Row("overhead, optimizer", ("overhead", "optimizer"), 5, 3),
    Row("gemm", ("gemm",), 1.6, 1.0),
    Row("gemm bf16", ("gemm bf16",), 2, 1.0),
    Row("convolution", ("convolution",), 1.5, 0.95),
    Row("pooling", ("pooling",), 3, 1.2),
    Row(
        "elementwise, reduction, indexing, sorting, scan, random, copies",
        ("elementwise", "reduction", "indexing", "sorting", "scan", "random", "copies"),
        1.8,
        0.95,
    ),
    Row("normalization, softmax, loss", ("normalization", "softmax", "loss"), 1.5, 0.95),
    Row("recurrent", ("recurrent",), 2, 1.1),
    Row("attention", ("attention",), 1.5, 1.0),
    Row("training", ("training",), 2.5, 1.3),
    Row("inference", ("inference",), 3, 1.3),
)

# With both libraries held to AVX2 (--avx2).
AVX2_ROWS = (
    Row("overhead, optimizer", ("overhead", "optimizer"), 5),
    Row("gemm", ("gemm",), 1.05),
    Row("convolution", ("convolution",), 1.2),
    Row("training, inference", ("training", "inference"), 1.8),
)


@dataclass(frozen=True)
class Goal:
    """Workloads, by a pattern that their whole key matches, with a goal of their own."""

    other: str
    pattern: str
    mean: float
    each: bool = True  # of the workloads must reach it, not only their geometric mean
    name: str = ""  # else the pattern


GOALS = (
    Goal("torch", r"gemm/float32 (512|1024|2048)", 1.8, each=False, name="gemm from 512 on"),
    Goal("torch", r"gemm bf16/bfloat16 (row|matrix) times .*", 4, name="gemm bf16 by a vector"),
    Goal("torch", r"training/TinyModel, batch 64", 4),
    Goal("torch", r"training/LeNet, batch 1", 6),
    Goal("torch", r"training/LeNet, batch 64", 3),
    Goal("torch", r"training/LSTM tagger.*", 4),
    Goal("torch", r"training/MLP, batch 128, Adam", 1.5),
    Goal("torch", r"training/small GPT.*", 1.5),
    Goal("torch", r"training/ResNet-18.*", 1.3),
    Goal("onnxruntime", r"inference/TinyModel, batch 1", 1.2),
    Goal("onnxruntime", r"inference/LeNet, batch 1", 1.2),
    Goal("onnxruntime", r"inference/LeNet, batch 64", 1.2),
    Goal("onnxruntime", r"inference/LSTM tagger.*", 1.2),
    Goal("onnxruntime", r"inference/ResNet-18, batch 1", 1.0),
    Goal("onnxruntime", r"inference/small GPT.*", 1.0),
    Goal("jax", r"training/TinyModel, batch 64", 1.2),
    Goal("jax", r"training/LSTM tagger.*", 1.2),
    Goal("numpy", r"overhead/a \+ b", 1.5),
    Goal("numpy", r"gemm/.*", 1.0, name="gemm"),
    Goal("numpy", r"sorting/.*", 1.0, name="sorting"),
    Goal("numpy", r"reduction/.*", 1.0, name="reduction"),
    Goal("numpy", r"elementwise/.*", 1.0, name="elementwise"),
)


def floor_limit(group: str) -> float | None:
    """The ratio of pycore's time to torch's that no workload of a group may pass."""
    for row in ROWS:
        if group in row.groups and row.floor:
            return 1 / row.floor
    return None


@dataclass(frozen=True)
class Verdict:
    """What a row or a goal came to for one number of threads."""

    name: str
    other: str
    threads: int
    count: int  # of workloads that ran
    failing: int
    mean: float  # 0 where nothing ran
    spread: tuple[float, float]  # of the mean over several runs
    goal: float
    least: float
    least_workload: str
    floor: float | None

    @property
    def met(self) -> bool:
        kept = self.floor is None or self.least >= self.floor
        return self.count > 0 and not self.failing and self.mean >= self.goal and kept


def geometric_mean(values: Sequence[float]) -> float:
    return statistics.geometric_mean(values) if values else 0.0


def _judge(
    name: str, other: str, threads: int, goal: float, floor: float | None, chosen: list[Result]
) -> Verdict:
    ran = [r for r in chosen if not r.error]
    worst = max(ran, key=lambda r: r.ratio, default=None)
    # A result put together from several runs holds one ratio per run.
    runs = {r.runs for r in ran}
    means = [geometric_mean([r.speedup for r in ran])]
    if runs and max(runs) > 1 and len(runs) == 1:
        means = [geometric_mean([1 / r.ratios[i] for r in ran]) for i in range(max(runs))]
    return Verdict(
        name,
        other,
        threads,
        len(ran),
        len(chosen) - len(ran),
        geometric_mean([r.speedup for r in ran]),
        (min(means), max(means)),
        goal,
        worst.speedup if worst else 0.0,
        worst.workload if worst else "",
        floor,
    )


# Groups whose products are to be no less exact than torch's; one part in a thousand is chance.
EXACT_GROUPS = ("gemm",)
EXACT_FLOOR = 0.999


def _judge_errors(group: str, threads: int, chosen: list[Result]) -> Verdict:
    """How many times smaller pycore's errors against float64 are."""
    smaller = {r.workload: r.inexactness[1] / max(r.inexactness[0], 1e-300) for r in chosen}
    mean = geometric_mean(list(smaller.values()))
    worst = min(smaller, key=smaller.__getitem__)
    name = f"{group}, errors (times smaller)"
    spread, least = (mean, mean), smaller[worst]
    return Verdict(
        name, "torch", threads, len(chosen), 0, mean, spread, 1.0, least, worst, EXACT_FLOOR
    )


def judge(results: Sequence[Result], avx2: bool = False) -> list[Verdict]:
    """The rows and goals that have workloads among the results, per number of threads."""
    verdicts = []
    for threads in sorted({r.threads for r in results}):
        here = [r for r in results if r.threads == threads]
        for row in AVX2_ROWS if avx2 else ROWS:
            chosen = [r for r in here if r.other == "torch" and r.group in row.groups]
            if chosen:
                verdicts.append(_judge(row.name, "torch", threads, row.mean, row.floor, chosen))
        for group in EXACT_GROUPS:
            chosen = [r for r in here if r.other == "torch" and r.group == group and r.inexactness]
            if chosen:
                verdicts.append(_judge_errors(group, threads, chosen))
        for goal in () if avx2 else GOALS:
            pattern = re.compile(goal.pattern)
            chosen = [r for r in here if r.other == goal.other and pattern.fullmatch(r.workload)]
            if chosen:
                name = goal.name or goal.pattern.replace("\\", "").replace(".*", "")
                floor = goal.mean if goal.each else None
                verdicts.append(_judge(name, goal.other, threads, goal.mean, floor, chosen))
    return verdicts
