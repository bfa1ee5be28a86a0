"""Workloads for onnxruntime: a workload's model, exported from torch in a process of its own.

As a program it is that process: onnx_models.py KEY FOLDER writes the model with the weights that
every library has, and its arguments.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from compare.registry import Case, Inputs, all_workloads
else:
    from .registry import Case, Inputs


def exported(key: str) -> Callable[[Any, Inputs], Case]:
    """The builder for onnxruntime of a workload whose case tells its model."""

    def build(onnxruntime: Any, inputs: Inputs) -> Case:
        with tempfile.TemporaryDirectory() as folder:
            # What the process prints must not get among the worker's answers.
            subprocess.run([sys.executable, __file__, key, folder], check=True, stdout=sys.stderr)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = inputs.threads
            options.inter_op_num_threads = 1
            session = onnxruntime.InferenceSession(
                str(Path(folder, "model.onnx")), options, providers=["CPUExecutionProvider"]
            )
            with np.load(Path(folder, "arguments.npz")) as saved:
                arguments = [saved[name] for name in saved.files]
        names = [i.name for i in session.get_inputs()]
        feed = dict(zip(names, arguments, strict=True))
        return Case(
            "run(None, feed)", {"run": session.run, "feed": feed}, lambda: session.run(None, feed)
        )

    return build


def main(key: str, folder: str) -> None:
    import torch

    case = all_workloads()[key].builder("torch")(torch, Inputs(torch.from_numpy))
    with torch.no_grad():
        torch.onnx.export(
            case.model,
            case.arguments,
            str(Path(folder, "model.onnx")),
            external_data=False,
        )
    np.savez(Path(folder, "arguments.npz"), *(a.numpy() for a in case.arguments))


if __name__ == "__main__":
    main(*sys.argv[1:])
