"""What tests/test_autograd.py and tests/test_devices.py expect of pycore is what PyTorch does: their tests,
run on torch.

Must not skip when a test there is wrong.
"""

from __future__ import annotations

import inspect

import pytest
import test_autograd
import test_devices

torch = pytest.importorskip("torch")

TESTS = {
    name: test
    for module in (test_autograd, test_devices)
    for name, test in vars(module).items()
    if name.startswith("test_") and list(inspect.signature(test).parameters) == ["torch"]
}


@pytest.mark.parametrize("name", TESTS)
def test_expectation_holds_in_torch(name):
    # PyTorch's own test utilities, which other files here import, forbid to set its switches.
    with torch.backends.__allow_nonbracketed_mutation():
        TESTS[name](torch)
