"""Thousands of generated bad calls at every public operator: only Python exceptions come back.

The calls run in a process of their own (bad_call_runner.py), so that a crash is reported with the
call that did it.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from op_sample import Data
from ops_samples import T

import pycore

CALLS = 6000
BY_NAME: dict[str, list[dict]] = {}
for _op in pycore._C._ops():
    BY_NAME.setdefault((_op["space"] + "." if _op["space"] else "") + _op["name"], []).append(_op)
CASES = [(s.op, s.number) for s in T.all() if s.op in BY_NAME]

VALUES = [
    "None", "'text'", "''", "True", "0", "-1", "1", "7", "-7", "2**31", "-(2**31)", "2**62",
    "2**63 - 1", "-(2**63)", "2**63",
    "10**30", "0.5", "-1.5", "nan", "inf", "-inf", "1e308", "1j", "b'x'", "object()", "[]", "()",
    "{}", "[1, 2]", "(0, 0)",
    "(-1,)", "(-1, -1)", "(3, -5)", "[2**40, 2**40]", "(2**62, 4)", "[1.5]", "['a']", "[None]",
    "[[1, 2], [3, 4]]",
    "[[[]]]", "range(3)", "slice(None)", "...", "int", "pycore", "pycore.float32", "pycore.int64",
    "pycore.bool",
    "pycore.Size([2])", "pycore.device('cpu')", "lambda x: x",
    "t('float32')", "t('float32', 0)", "t('float32', 2)", "t('float32', 2, 3)",
    "t('float32', 3, 2)", "t('float32', 0, 3)",
    "t('float32', 2, 3, 4)", "t('float32', 1, 2, 3, 4)", "t('float32', 1, 1, 1, 1, 1, 1, 1, 1)",
    "t('float64', 2, 3)",
    "t('float16', 2, 3)", "t('bfloat16', 3)", "t('int64')", "t('int64', 3)", "t('int64', 2, 3)",
    "t('int64', 2, 3) * -9",
    "t('int64', 4) * 2**40", "t('int32', 3)", "t('uint8', 2, 3)", "t('bool', 2, 3)", "t('bool')",
    "t('bool', 5)",
    "t('float32', 2, 3, grad=True)", "t('float64', 3, grad=True)",
    "[t('float32', 2), t('float32', 3)]",
    "[t('float32', 2), None]", "(t('int64', 2, 3),) * 3", "freed_graph()", "expanded()",
    "t('float32', 3, 2).t()",
    "t('float32', 6, 4)[::2, ::2]", "t('float32', 2, 3) * nan",
]  # fmt: skip


def parameter_names(op: str) -> list[str]:
    names = {"out", "dim", "input", "nonsense"}
    for overload in BY_NAME[op]:
        inside = overload["schema"].partition("(")[2].rpartition(")")[0]
        names |= {part.split("=")[0].split()[-1] for part in inside.split(", ") if " " in part}
    return sorted(names - {"*"})


TENSORS = [v for v in VALUES if v.startswith(("t(", "freed", "expanded"))]
NUMBERS = [
    v for v in VALUES if v.lstrip("-(").startswith(tuple("0123456789")) or v in ("nan", "inf")
]
LISTS = [v for v in VALUES if v.startswith(("[", "(", "range", "pycore.Size"))]


def replacement(rng: random.Random, old: Any) -> str:
    """Mostly something of the same kind, so that the call gets past the parser; else anything."""
    if rng.random() < 0.25:
        return rng.choice(VALUES)
    if isinstance(old, Data):
        return rng.choice(TENSORS)
    if isinstance(old, tuple | list):
        return rng.choice(LISTS)
    return rng.choice(NUMBERS)


def bad_call(rng: random.Random) -> dict[str, Any]:
    op, number = rng.choice(CASES)
    overloads = BY_NAME[op]
    sample = T.samples[op][number]
    forms = ["plain"] * 3
    if any(o["method"] for o in overloads):
        forms += ["method"]
    if any(o["inplace"] for o in overloads) and "." not in op:
        forms += ["inplace", "inplace"]
    if any(o["out"] for o in overloads):
        forms += [
            "t('float32', 2, 3)",
            "t('int64', 3)",
            "expanded()",
            "freed_graph()",
            "t('bool', 0)",
        ]
    changes: list[tuple[int | str, str]] = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        if sample.args and rng.random() < 0.85:
            at = rng.randrange(len(sample.args))
            changes.append((at, replacement(rng, sample.args[at])))
        elif rng.random() < 0.5:
            changes.append((len(sample.args), rng.choice(VALUES)))
        else:
            changes.append((rng.choice(parameter_names(op)), rng.choice(VALUES)))
    return {
        "op": op,
        "number": number,
        "form": rng.choice(forms),
        "dtype": rng.choice(["float32", "float64", "bfloat16"]),
        "changes": changes,
        "drop": rng.choice([0] * 15 + [1, 2]),
    }


def generate(count: int) -> list[dict[str, Any]]:
    """Hypothesis draws the seeds, 40 calls each."""
    specs: dict[str, dict[str, Any]] = {}

    @settings(max_examples=count // 30, database=None, deadline=None, derandomize=True)
    @given(st.integers(0, 2**64))
    def collect(seed: int) -> None:
        rng = random.Random(seed)
        for spec in (bad_call(rng) for _ in range(40)):
            specs[json.dumps(spec, sort_keys=True)] = spec

    collect()
    return [dict(s, id=k) for k, s in enumerate(list(specs.values())[:count])]


def run_batch(specs: list[dict]) -> tuple[dict[int, str], int | None, str]:
    """(how each call ended, the call that killed the process, its last words)."""
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(Path(pycore.__file__).parents[1])])
    process = subprocess.run(
        [sys.executable, str(here / "bad_call_runner.py")],
        input="".join(json.dumps(s) + "\n" for s in specs),
        capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    ended: dict[int, str] = {}
    current = None
    for line in process.stdout.splitlines():
        word, number, *rest = line.split()
        if word == "start":
            current = int(number)
        elif word == "end":
            ended[int(number)] = rest[0]
            current = None
    return ended, current, process.stderr[-1500:]


def test_bad_calls_raise_and_never_crash():
    specs = generate(CALLS)
    assert len(specs) >= 5000
    ended: dict[int, str] = {}
    crashes = []
    rest = specs
    while rest:
        now, killer, words = run_batch(rest)
        ended.update(now)
        if killer is None:
            assert len(now) == len(rest), words
            break
        spec = next(s for s in rest if s["id"] == killer)
        crashes.append(f"{json.dumps(spec)}\n{words}")
        assert len(crashes) < 12, "\n\n".join(crashes)
        rest = [s for s in rest if s["id"] > killer]
    assert not crashes, "\n\n".join(crashes)
    odd = set(ended.values()) - ALLOWED
    examples = [(kind, next(s for s in specs if ended.get(s["id"]) == kind)) for kind in odd]
    assert not odd, examples
    assert sum(kind != "fine" for kind in ended.values()) >= 2000


# What a caller may catch; AssertionError is for CUDA devices, as in PyTorch.
ALLOWED = {
    "fine", "RuntimeError", "TypeError", "ValueError", "IndexError", "NotImplementedError",
    "MemoryError", "OverflowError",
    "AttributeError", "AssertionError", "LinAlgError", "KeyError", "ZeroDivisionError",
}  # fmt: skip


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: pycore.add(pycore.ones(2), 1, out=()),
            r"add\(\): expected 1 tensor in out=, got 0",
        ),
        (
            lambda: pycore.max(pycore.ones(2), 0, out=[]),
            r"max\(\): expected 2 tensors in out=, got 0",
        ),
        (lambda: pycore.add(pycore.ones(2), 1, out=(pycore.ones(2),) * 2), "got 2"),
        (lambda: pycore.poisson(pycore.tensor([float("nan")])), "invalid Poisson rate"),
        (lambda: pycore.ones(6).as_strided((2, 3), (2**62, 4)), "out of bounds for storage"),
        (lambda: pycore.ones(6).as_strided((2, 3, 9), (2**62, 4, 2**62)), "64 bits"),
    ],
)
def test_calls_that_once_crashed_or_hung(call, message):
    with pytest.raises((RuntimeError, TypeError), match=message):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: pycore.zeros(10**15),
        lambda: pycore.zeros(2**62, 2**62),
        lambda: pycore.ones(3).expand(2**40, 2**40, 3).contiguous(),
        lambda: pycore.arange(2**61),
        lambda: pycore.eye(2**33),
        lambda: pycore.ones(2).repeat(2**62),
        lambda: pycore.nn.functional.pad(pycore.ones(2), (2**62, 2**62)),
    ],
)
def test_sizes_that_no_memory_holds(call):
    with pytest.raises((RuntimeError, MemoryError)):
        call()
