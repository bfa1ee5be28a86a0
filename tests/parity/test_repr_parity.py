"""Printed tensors beside PyTorch's, equal to the character but for the module's name in dtypes.

Needs torch. Every case is a function of the module, printed by both libraries.
"""

from __future__ import annotations

import math
import random

import pytest

torch = pytest.importorskip("torch")
pycore = pytest.importorskip("pycore")

FLOATS = ["float32", "float64", "float16", "bfloat16"]
INTEGERS = ["int64", "int32", "int16", "int8", "uint8"]
INF, NAN = math.inf, math.nan


@pytest.fixture(autouse=True)
def default_options():
    yield
    for m in (pycore, torch):
        m.set_printoptions(profile="default")


def printed(case):
    return [repr(case(m)).replace("torch.", "pycore.") for m in (pycore, torch)]


def same(case):
    mine, reference = printed(case)
    assert mine == reference


VALUES = {
    "fractions": [0.5, -1.25, 3.14159265],
    "whole": [1.0, -2.0, 30.0],
    "large whole": [1.0, 10000.0],
    "very large whole": [1e9, 2e9],
    "small": [1e-5, 2e-5],
    "wide": [1e-3, 1e3],
    "wider": [1e-4, 2.5],
    "nan": [NAN, 1.0],
    "inf": [INF, -INF, 2.5],
    "all nan": [NAN, NAN],
    "zeros": [0.0, 0.0],
    "negative zero": [-0.0, 1.5],
    "nan and fractions": [NAN, 0.123456, -INF],
    "one": [123.456],
    "long fraction": [123456.789],
    "hundred": [100.0, 0.001],
    "ratio at limit": [1000.0, 1.0],
    "ratio over limit": [1001.0, 1.0],
    "limit": [1e8],
    "over limit": [1.1e8],
    "over limit fraction": [100000001.5],
    "at small limit": [0.0001, 0.05],
}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_floats(values):
    same(lambda m: m.tensor(values))
    same(lambda m: m.tensor(values, dtype=m.float64))


@pytest.mark.parametrize("name", FLOATS)
def test_float_dtypes(name):
    same(lambda m: m.tensor([0.1, -2.5, 3.0], dtype=getattr(m, name)))
    same(lambda m: m.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=getattr(m, name)))
    same(lambda m: m.tensor(7.25, dtype=getattr(m, name)))


@pytest.mark.parametrize("name", INTEGERS)
def test_integer_dtypes(name):
    same(lambda m: m.tensor([1, 20, 100], dtype=getattr(m, name)))
    same(lambda m: m.tensor(5, dtype=getattr(m, name)))
    same(lambda m: m.tensor([], dtype=getattr(m, name)))


@pytest.mark.parametrize(
    "case",
    [
        lambda m: m.tensor([True, False]),
        lambda m: m.tensor([[True], [False]]),
        lambda m: m.tensor(True),
        lambda m: m.tensor([-5, 100, 3]),
        lambda m: m.tensor([2**63 - 1, -(2**63)]),
        lambda m: m.tensor(3),
        lambda m: m.tensor(1e9),
        lambda m: m.tensor(NAN),
        lambda m: m.tensor(-INF),
        lambda m: m.tensor(5e-324, dtype=m.float64),
        lambda m: m.tensor([5e-324, 1.7e308], dtype=m.float64),
        lambda m: m.zeros(2, 3),
        lambda m: m.ones(2, 2, 2),
        lambda m: m.arange(24).reshape(2, 3, 4),
        lambda m: m.arange(24.0).reshape(2, 3, 4) / 7,
        lambda m: m.arange(16).reshape(2, 2, 2, 2),
        lambda m: m.arange(1, 3).reshape(1, 1, 1, 1, 2),
        lambda m: m.tensor([]),
        lambda m: m.zeros(0, 3),
        lambda m: m.zeros(3, 0, dtype=m.float64),
        lambda m: m.zeros(2, 0, 4, dtype=m.int64),
        lambda m: m.zeros(0, requires_grad=True),
        lambda m: m.zeros(0, 2, dtype=m.float64, requires_grad=True),
        lambda m: m.arange(100),
        lambda m: m.arange(100.0) / 3,
        lambda m: m.arange(1000),
        lambda m: m.arange(1001),
        lambda m: m.arange(2000.0),
        lambda m: m.arange(10000).reshape(100, 100),
        lambda m: m.arange(10000.0).reshape(100, 100) / 3,
        lambda m: m.arange(2000).reshape(1000, 2),
        lambda m: m.arange(2000).reshape(2, 1000),
        lambda m: m.arange(6000).reshape(20, 3, 100),
        lambda m: m.arange(6000).reshape(3, 20, 100) % 7 == 0,
        lambda m: m.arange(4096).reshape(8, 8, 8, 8),
        lambda m: m.arange(1100.0, dtype=m.float16),
        lambda m: m.arange(12).reshape(3, 4).t(),
        lambda m: m.arange(12.0).reshape(3, 4)[:, ::2],
        lambda m: m.tensor([1.5]).expand(3, 4),
        lambda m: m.arange(30, dtype=m.int32),
        lambda m: m.arange(30, dtype=m.float64) * 1e-7,
        lambda m: m.ones(30, dtype=m.float64, requires_grad=True),
    ],
)
def test_shapes(case):
    same(case)


@pytest.mark.parametrize(
    "case",
    [
        lambda m: m.ones(2, requires_grad=True),
        lambda m: m.ones(2, requires_grad=True) * 2,
        lambda m: (m.ones(2, requires_grad=True) * 2).sum(),
        lambda m: m.ones(2, requires_grad=True).detach(),
        lambda m: m.ones(2, 2, requires_grad=True).t(),
        lambda m: m.ones(2, 2, requires_grad=True)[0],
        lambda m: m.ones(2, 2, requires_grad=True) @ m.ones(2, 2),
        lambda m: m.ones(2, dtype=m.float64, requires_grad=True).exp(),
        lambda m: m.nn.functional.relu(m.ones(2, requires_grad=True)),
        lambda m: m.nn.functional.linear(m.ones(2, 3), m.ones(4, 3, requires_grad=True), m.ones(4)),
        lambda m: m.nn.Parameter(m.ones(2)),
        lambda m: m.nn.Parameter(m.ones(2), requires_grad=False),
        lambda m: m.nn.Parameter(m.ones(2, dtype=m.float64)),
        lambda m: m.nn.Parameter(m.zeros(0)),
        lambda m: [m.ones(1), m.nn.Parameter(m.ones(1))],
        lambda m: {"a": m.tensor(1)},
        lambda m: m.arange(18.0, dtype=m.float64, requires_grad=True) / 3,
    ],
)
def test_autograd_suffixes(case):
    same(case)


def test_subclass():
    def case(m):
        kind = type("Special", (m.Tensor,), {})
        return m.ones(3, dtype=m.float64).as_subclass(kind)

    same(case)


OPTIONS = [
    {"precision": 2},
    {"precision": 0},
    {"precision": 8},
    {"threshold": 5},
    {"threshold": 5, "edgeitems": 1},
    {"threshold": 5, "edgeitems": 5},
    {"threshold": 0, "edgeitems": 0},
    {"linewidth": 20},
    {"linewidth": 200},
    {"sci_mode": True},
    {"sci_mode": False},
    {"profile": "short"},
    {"profile": "full"},
    {"profile": "short", "precision": 6},
    {"precision": 3, "sci_mode": True, "linewidth": 40},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_printoptions(options):
    for m in (pycore, torch):
        m.set_printoptions(**options)
    for case in (
        lambda m: m.arange(12.0).reshape(3, 4) / 7,
        lambda m: m.arange(1200),
        lambda m: m.tensor([1e-5, 1e5, NAN]),
        lambda m: m.arange(12),
        lambda m: m.zeros(3),
        lambda m: m.ones(2, 2, dtype=m.float64, requires_grad=True),
        lambda m: m.tensor(0.123456789),
        lambda m: m.zeros(0, 2),
    ):
        same(case)


def test_unknown_profile_is_an_error():
    with pytest.raises(ValueError):
        pycore.set_printoptions(profile="loud")


@pytest.mark.parametrize("default", ["float64", "float16"])
def test_default_dtype(default):
    try:
        for m in (pycore, torch):
            m.set_default_dtype(getattr(m, default))
        for case in (
            lambda m: m.tensor([1.5]),
            lambda m: m.tensor([1.5], dtype=m.float32),
            lambda m: m.tensor([], dtype=m.float32),
            lambda m: m.zeros(0),
        ):
            same(case)
    finally:
        for m in (pycore, torch):
            m.set_default_dtype(m.float32)


@pytest.mark.parametrize(
    "spec, value",
    [
        ("", 3),
        ("", 2.5),
        (".2f", 3.14159),
        ("5d", 3),
        ("e", 1.0),
        ("08.3f", -2.5),
        ("", True),
        (">8", 7),
    ],
)
def test_format(spec, value):
    assert format(pycore.tensor(value), spec) == format(torch.tensor(value), spec)


def test_format_of_tensors():
    for m in (pycore, torch):
        assert f"{m.ones(2)}" == "tensor([1., 1.])"
        with pytest.raises(TypeError):
            format(m.ones(2), ".2f")
    assert str(pycore.ones(2)) == repr(pycore.ones(2))


def _random_tensor(m, rng):
    shape = [rng.choice([0, 1, 2, 3, 7, 8, 15, 40]) for _ in range(rng.choice([0, 1, 1, 2, 2, 3]))]
    name = rng.choice(FLOATS + INTEGERS + ["bool"])
    count = math.prod(shape)
    if name in FLOATS:
        scale = 10.0 ** rng.choice([-10, -5, -4, -3, 0, 0, 0, 2, 4, 8])
        numbers = [rng.gauss(0, 1) * scale for _ in range(count)]
        if rng.random() < 0.3:
            numbers = [float(round(x)) for x in numbers]
        if numbers and rng.random() < 0.3:
            numbers[rng.randrange(count)] = rng.choice([NAN, INF, -INF, 0.0, -0.0, 1e4])
    else:
        top = 2 if name == "bool" else 120
        numbers = [rng.randrange(top) for _ in range(count)]
    return m.tensor(numbers, dtype=getattr(m, name)).reshape(shape)


@pytest.mark.parametrize("seed", range(20))
def test_random_tensors(seed):
    for i in range(25):
        same(lambda m, i=i: _random_tensor(m, random.Random(1000 * seed + i)))
