"""Expected prints of tensors, so that a build without torch checks them too."""

from __future__ import annotations

import math
import time

import pytest

pycore = pytest.importorskip("pycore")

CASES = [
    (lambda m: m.tensor([1.0, 2.0]), "tensor([1., 2.])"),
    (lambda m: m.tensor([1.5, -2.25]), "tensor([ 1.5000, -2.2500])"),
    (lambda m: m.tensor([1, -20]), "tensor([  1, -20])"),
    (lambda m: m.tensor([True, False]), "tensor([ True, False])"),
    (lambda m: m.tensor(3), "tensor(3)"),
    (lambda m: m.tensor(2.5), "tensor(2.5000)"),
    (lambda m: m.tensor([1e-5, 1.0]), "tensor([1.0000e-05, 1.0000e+00])"),
    (lambda m: m.tensor([1.0, 10000.0]), "tensor([1.0000e+00, 1.0000e+04])"),
    (lambda m: m.tensor([math.nan, 1.0]), "tensor([nan, 1.])"),
    (lambda m: m.tensor([math.inf, 2.5]), "tensor([   inf, 2.5000])"),
    (lambda m: m.tensor([]), "tensor([])"),
    (lambda m: m.zeros(0, 3), "tensor([], size=(0, 3))"),
    (lambda m: m.tensor([], dtype=m.int64), "tensor([], dtype=pycore.int64)"),
    (lambda m: m.ones(2, dtype=m.float64), "tensor([1., 1.], dtype=pycore.float64)"),
    (lambda m: m.ones(2, requires_grad=True), "tensor([1., 1.], requires_grad=True)"),
    (
        lambda m: m.ones(2, requires_grad=True) * 2,
        "tensor([2., 2.], grad_fn=<MulBackward0>)",
    ),
    (
        lambda m: m.nn.Parameter(m.ones(2)),
        "Parameter containing:\ntensor([1., 1.], requires_grad=True)",
    ),
    (lambda m: m.arange(6).reshape(2, 3), "tensor([[0, 1, 2],\n        [3, 4, 5]])"),
    (lambda m: m.arange(2000), "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"),
    (
        lambda m: m.arange(4).reshape(2, 1, 2),
        "tensor([[[0, 1]],\n\n        [[2, 3]]])",
    ),
    (
        lambda m: m.ones(100, 100),
        "tensor([["
        + "],\n        [".join(3 * ["1., 1., 1.,  ..., 1., 1., 1."])
        + "],\n        ..."
        + 2 * ",\n        [1., 1., 1.,  ..., 1., 1., 1.]"
        + ",\n        [1., 1., 1.,  ..., 1., 1., 1.]])",
    ),
]


@pytest.mark.parametrize("case, expected", CASES, ids=range(len(CASES)))
def test_repr(case, expected):
    assert repr(case(pycore)) == expected


def test_options_and_back():
    try:
        pycore.set_printoptions(precision=2, sci_mode=True)
        assert repr(pycore.tensor([0.5])) == "tensor([5.00e-01])"
        pycore.set_printoptions(threshold=3, edgeitems=1)
        assert repr(pycore.arange(5)) == "tensor([0,  ..., 4])"
    finally:
        pycore.set_printoptions(profile="default")
    assert repr(pycore.tensor([0.5])) == "tensor([0.5000])"


def test_format_of_a_number():
    assert f"{pycore.tensor(3.14159):.2f}" == "3.14"
    assert f"{pycore.tensor(7)}" == "7"


def test_a_big_tensor_prints_fast():
    x = pycore.zeros(4000, 4000)
    repr(x)
    begin = time.perf_counter()
    repr(x)
    assert time.perf_counter() - begin < 0.1  # reads 36 elements, not 16 million
