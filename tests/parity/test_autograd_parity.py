"""What tests/test_autograd.py expects of pycore is what PyTorch does: its tests, run on torch.

Must not skip when a test there is wrong.
"""

from __future__ import annotations

import inspect

import pytest
import test_autograd

torch = pytest.importorskip("torch")

TESTS = {
    name: test
    for name, test in vars(test_autograd).items()
    if name.startswith("test_") and list(inspect.signature(test).parameters) == ["torch"]
}


@pytest.mark.parametrize("name", TESTS)
def test_expectation_holds_in_torch(name):
    TESTS[name](torch)
