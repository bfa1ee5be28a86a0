"""The examples of every Python module of the package run, and public names have one.

test_ops.py runs those of the operators.
"""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import pycore

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(pycore.__path__, "pycore.")
    if not module.name.startswith("pycore._C")
)


@pytest.mark.filterwarnings("ignore::UserWarning")  # an example may show what warns
@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    pycore.manual_seed(0)
    assert doctest.testmod(importlib.import_module(name), optionflags=FLAGS).failed == 0


# Public names of these modules show how they are used.
EXPLAINED = [
    "func",
    "nn",
    "nn.attention",
    "nn.init",
    "nn.parameter",
    "nn.utils",
    "nn.utils.parametrizations",
    "nn.utils.parametrize",
    "nn.utils.rnn",
    "optim",
    "optim.lr_scheduler",
    "optim.swa_utils",
    "utils.checkpoint",
]
# Base classes, exceptions and deprecated names explain themselves by others' examples.
WITHOUT = {"CheckpointError", "LRScheduler", "Optimizer", "clip_grad_norm"}


@pytest.mark.parametrize("name", EXPLAINED)
def test_public_names_have_examples(name):
    module = importlib.import_module(f"pycore.{name}")
    names = [n for n in getattr(module, "__all__", dir(module)) if not n.startswith("_")]
    values = {n: getattr(module, n) for n in names if n not in WITHOUT}
    own = {
        n: v
        for n, v in values.items()
        if callable(v) and getattr(v, "__module__", "").startswith("pycore")
    }
    assert own
    assert [n for n, v in own.items() if ">>>" not in (v.__doc__ or "")] == []
