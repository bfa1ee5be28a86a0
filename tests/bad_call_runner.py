"""Runs calls given as JSON lines and reports only the numbers.

A crash here is seen by test_bad_calls.py as a missing line.

Must not import pytest; the process may die at any call.
"""

from __future__ import annotations

import faulthandler
import json
import resource
import sys
import warnings

import op_sample
from ops_samples import T

import pycore

SECONDS = 20


def tensor_of(dtype: str, *shape: int, grad: bool = False):
    t = pycore.zeros(shape, dtype=getattr(pycore, dtype)) + (0.5 if "float" in dtype else 1)
    t = t.to(getattr(pycore, dtype))
    return t.requires_grad_() if grad else t


def freed_graph():
    x = pycore.ones(2, 3, requires_grad=True)
    y = x * x
    y.sum().backward()
    return y


def expanded():
    return pycore.ones(1).expand(2, 3)


NAMES = {
    "t": tensor_of, "freed_graph": freed_graph, "expanded": expanded, "pycore": pycore,
    "nan": float("nan"),
    "inf": float("inf"), "object": object,
}  # fmt: skip


def call(spec: dict) -> None:
    sample = T.samples[spec["op"]][spec["number"]]
    args, kwargs = op_sample.build(pycore, sample, spec.get("dtype", "float32"))
    args = list(args)
    for position, text in spec["changes"]:
        value = eval(text, dict(NAMES))
        if isinstance(position, str):
            kwargs[position] = value
        elif position < len(args):
            args[position] = value
        else:
            args.append(value)
    for _ in range(spec.get("drop", 0)):
        if args:
            args.pop()
    form = spec["form"]
    if form == "plain":
        result = op_sample.resolve(pycore, spec["op"])(*args, **kwargs)
    elif form == "method":
        result = getattr(args[0], spec["op"].rpartition(".")[2])(*args[1:], **kwargs)
    elif form == "inplace":
        result = getattr(args[0], spec["op"].rpartition(".")[2] + "_")(*args[1:], **kwargs)
    else:
        result = op_sample.resolve(pycore, spec["op"])(*args, **kwargs, out=eval(form, dict(NAMES)))
    for r in op_sample.flat(result):
        repr(r)
        if isinstance(r, pycore.Tensor) and r.requires_grad:
            r.sum().backward()
            r.sum().backward()


def main() -> None:
    faulthandler.enable()
    warnings.simplefilter("ignore")
    # Calls for more than this fail at once instead of filling gigabytes for longer than SECONDS.
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    pycore.set_num_threads(1)
    for line in sys.stdin:
        spec = json.loads(line)
        print("start", spec["id"], flush=True)
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        try:
            call(spec)
            kind = "fine"
        except Exception as error:
            kind = type(error).__name__
        faulthandler.cancel_dump_traceback_later()
        print("end", spec["id"], kind, flush=True)


if __name__ == "__main__":
    main()
