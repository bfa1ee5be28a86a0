"""The examples of every Python module of the package run.

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
