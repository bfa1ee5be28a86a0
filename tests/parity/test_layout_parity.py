"""Strides of results: element-wise functions, copies and `*_like` keep the order of their operands' dimensions.

Every case makes the same operands in both libraries (by `as_strided` on one buffer) and compares values and strides.
"""

from __future__ import annotations

import functools
import random
from typing import Any

import numpy as np
import pytest

import pycore

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings("ignore:grad and param do not obey")

Geometry = tuple[tuple[int, ...], tuple[int, ...]]  # sizes, strides


def random_shape(draw: random.Random) -> list[int]:
    return [
        draw.choice([1, 1, 2, 3, 4, 5, 0] if draw.random() < 0.1 else [1, 2, 3, 4, 5])
        for _ in range(draw.choice([0, 1, 2, 2, 3, 3, 4, 4, 5]))
    ]


def random_layout(draw: random.Random, shape: list[int]) -> Geometry:
    """Strides of a tensor of this shape that programs make: permuted, sliced, expanded, shrunk to size 1."""
    order = list(range(len(shape)))
    kind = draw.choice(["rows", "permuted", "permuted", "channels last", "sliced", "expanded"])
    if kind == "channels last" and len(shape) == 4:
        order = [0, 2, 3, 1]
    elif kind != "rows":
        draw.shuffle(order)
    strides, step = [0] * len(shape), 1
    for d in reversed(order):
        strides[d] = step
        size = max(shape[d], 1)
        if kind == "sliced" and draw.random() < 0.4:
            size = size * 2 + draw.choice([0, 1])
            if draw.random() < 0.5:
                strides[d] = step * 2
        step *= size
    if kind == "expanded" and shape:
        strides[draw.randrange(len(shape))] = 0
    return tuple(shape), tuple(strides)


def broadcast_part(draw: random.Random, shape: list[int]) -> list[int]:
    """A shape that broadcasts to this one."""
    if draw.random() < 0.6:
        return shape
    part = [1 if draw.random() < 0.3 else s for s in shape]
    return part[draw.randrange(len(part) + 1) :] if draw.random() < 0.3 else part


def both(draw: random.Random, shape: list[int], dtype: str) -> tuple[Any, Any]:
    sizes, strides = random_layout(draw, shape)
    room = 1 + sum(max(s - 1, 0) * st for s, st in zip(sizes, strides, strict=True))
    values = np.random.default_rng(draw.randrange(1 << 30)).random(room) * 2 + 0.25
    pair = []
    for lib in (torch, pycore):
        flat = lib.from_numpy(values.copy()).to(getattr(lib, dtype))
        pair.append(flat.as_strided(sizes, strides))
    return pair[0], pair[1]


def check(
    name: str,
    draw: random.Random,
    call: Any,
    operands: list[tuple[Any, Any]],
    values: bool = True,
    ones: bool = True,
) -> None:
    """Values and strides, `ones`: also along dimensions of one element."""
    before = draw.getstate()
    want = call(torch, *[t for t, _ in operands])
    draw.setstate(before)
    got = call(pycore, *[p for _, p in operands])
    where = f"{name} of " + ", ".join(
        f"{tuple(t.shape)}/{t.stride()}/{t.dtype}" for t, _ in operands
    )
    assert tuple(got.shape) == tuple(want.shape), where
    if ones:
        assert got.stride() == want.stride(), where
    elif want.numel():
        for size, mine, theirs in zip(want.shape, got.stride(), want.stride(), strict=True):
            assert size == 1 or mine == theirs, where
    if values:
        a, b = want.detach(), got.detach()
        if a.dtype in (torch.bfloat16, torch.float16):
            a, b = a.float(), b.float()
        np.testing.assert_allclose(
            b.numpy(),
            a.numpy(),
            rtol=1e-2 if want.dtype in (torch.bfloat16, torch.float16) else 1e-5,
            atol=1e-6,
            err_msg=where,
        )


FLOATS = ["float32", "float64", "bfloat16"]
ANY = [*FLOATS, "int64", "int32", "float32", "float32"]

UNARY = [
    "abs",
    "neg",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "rsqrt",
    "reciprocal",
    "sin",
    "cos",
    "tan",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "sigmoid",
    "erf",
    "erfc",
    "sign",
    "floor",
    "ceil",
    "trunc",
    "round",
    "frac",
    "square",
    "isnan",
    "isinf",
    "isfinite",
    "logical_not",
    "lgamma",
    "digamma",
    "relu",
    "signbit",
    "nan_to_num",
    "deg2rad",
    "rad2deg",
    "sinc",
    "sgn",
    "positive",
    "clone",
]
ACTIVATIONS = [
    "relu",
    "relu6",
    "elu",
    "selu",
    "celu",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "softsign",
    "hardtanh",
    "hardswish",
    "hardsigmoid",
    "leaky_relu",
    "logsigmoid",
    "tanhshrink",
    "softshrink",
    "hardshrink",
]
BINARY = [
    "add",
    "sub",
    "mul",
    "div",
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "atan2",
    "hypot",
    "logaddexp",
    "pow",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "remainder",
    "fmod",
    "copysign",
    "floor_divide",
    "logical_and",
    "logical_or",
    "logical_xor",
    "xlogy",
    "heaviside",
    "nextafter",
]
WITH_NUMBER = [
    "add",
    "sub",
    "mul",
    "div",
    "pow",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "remainder",
    "fmod",
    "floor_divide",
    "copysign",
    "float_power",
]


@pytest.mark.parametrize("seed", range(12))
def test_one_operand(seed: int) -> None:
    draw = random.Random(seed)
    for name in UNARY * 3:
        dtype = draw.choice(FLOATS if name in ("frac", "nextafter", "positive") else ANY)
        pair = both(draw, random_shape(draw), dtype)
        call = functools.partial(lambda n, lib, x: getattr(lib, n)(x), name)
        check(name, draw, call, [pair], ones=name not in ("deg2rad", "rad2deg"))


@pytest.mark.parametrize("seed", range(12))
def test_activations(seed: int) -> None:
    draw = random.Random(1000 + seed)
    for name in ACTIVATIONS * 3:
        check(
            name,
            draw,
            functools.partial(lambda n, lib, x: getattr(lib.nn.functional, n)(x), name),
            [both(draw, random_shape(draw), draw.choice(FLOATS))],
        )


@pytest.mark.parametrize("seed", range(20))
def test_two_operands(seed: int) -> None:
    draw = random.Random(2000 + seed)
    for name in BINARY * 3:
        shape = random_shape(draw)
        dtypes = [draw.choice(FLOATS[:2] if name in ("nextafter", "heaviside") else ANY)] * 2
        if name not in ("nextafter", "heaviside") and draw.random() < 0.3:
            dtypes[1] = draw.choice(ANY)
        if name in ("logaddexp", "hypot", "atan2"):
            dtypes = [draw.choice(FLOATS)] * 2
        operands = [both(draw, broadcast_part(draw, shape), d) for d in dtypes]
        if name in ("remainder", "fmod", "floor_divide"):
            operands[1] = tuple(x.clamp(min=1) for x in operands[1])
        values = name not in ("nextafter", "floor_divide", "remainder", "fmod", "xlogy")
        check(
            name,
            draw,
            functools.partial(lambda n, lib, x, y: getattr(lib, n)(x, y), name),
            operands,
            values,
        )


@pytest.mark.parametrize("seed", range(8))
def test_with_a_number(seed: int) -> None:
    draw = random.Random(3000 + seed)
    for name in WITH_NUMBER * 3:
        number = draw.choice([1, 2, 3, 0.5, 2.0, 1.5])
        check(
            name,
            draw,
            functools.partial(lambda n, k, lib, x: getattr(lib, n)(x, k), name, number),
            [both(draw, random_shape(draw), draw.choice(ANY))],
            name not in ("remainder", "fmod"),
        )
    for call in (
        lambda lib, x: 2 - x,
        lambda lib, x: 1.5 / x,
        lambda lib, x: 2.0**x,
        lambda lib, x: x > 3,
    ):
        check("reflected", draw, call, [both(draw, random_shape(draw), draw.choice(ANY))])


@pytest.mark.parametrize("seed", range(30))
def test_three_operands(seed: int) -> None:
    draw = random.Random(4000 + seed)
    shape = random_shape(draw)

    def some(dtype: str) -> tuple[Any, Any]:
        return both(draw, broadcast_part(draw, shape), dtype)

    for _ in range(10):
        t = draw.choice(FLOATS)
        three = [some(t), some(t), some(t)]
        mixed = [some(draw.choice(ANY)), some(t), some(draw.choice(FLOATS))]
        condition = tuple(x > 1 for x in some("float32"))
        check("addcmul", draw, lambda lib, x, y, z: lib.addcmul(x, y, z, value=0.5), three)
        check("addcdiv", draw, lambda lib, x, y, z: lib.addcdiv(x, y, z), three)
        check("addcmul", draw, lambda lib, x, y, z: lib.addcmul(x, y, z), mixed)
        check("lerp", draw, lambda lib, x, y, z: lib.lerp(x, y, z), three)
        check("lerp", draw, lambda lib, x, y: lib.lerp(x, y, 0.25), three[:2])
        check("where", draw, lambda lib, c, x, y: lib.where(c, x, y), [condition, *mixed[:2]])
        check("where", draw, lambda lib, c, x: lib.where(c, x, 0.5), [condition, three[0]])
        check("where", draw, lambda lib, c, x: lib.where(c, 0.5, x), [condition, three[0]])
        check("clamp", draw, lambda lib, x, y, z: lib.clamp(x, y, z), three, ones=False)
        check("clamp", draw, lambda lib, x, y: lib.clamp(x, max=y), three[:2], ones=False)
        check("clamp", draw, lambda lib, x: lib.clamp(x, 0.5, 1.0), three[:1])
        check("clamp", draw, lambda lib, x: lib.clamp(x, min=1), three[:1])
        check(
            "masked_fill", draw, lambda lib, x, c: lib.masked_fill(x, c, 0.5), [three[0], condition]
        )


@pytest.mark.parametrize("seed", range(20))
def test_copies(seed: int) -> None:
    draw = random.Random(5000 + seed)
    for _ in range(20):
        pair = [both(draw, random_shape(draw), draw.choice(ANY))]
        other = draw.choice(ANY)

        def to(lib: Any, x: Any, dtype: str = other, **how: Any) -> Any:
            return x.to(getattr(lib, dtype), **how)

        check("clone", draw, lambda lib, x: x.clone(), pair)
        check("clone", draw, lambda lib, x: x.clone(memory_format=lib.contiguous_format), pair)
        check("clone", draw, lambda lib, x: x.clone(memory_format=lib.preserve_format), pair)
        check("contiguous", draw, lambda lib, x: x.contiguous(), pair)
        check("to", draw, to, pair)
        check("to", draw, lambda lib, x: x.to(x.dtype, copy=True), pair)
        check("to", draw, lambda lib, x: x.to(lib.int8, memory_format=lib.contiguous_format), pair)
        check("double", draw, lambda lib, x: x.double(), pair)
        check("zeros_like", draw, lambda lib, x: lib.zeros_like(x), pair)
        check("ones_like", draw, lambda lib, x: lib.ones_like(x, dtype=lib.int16), pair)
        check("full_like", draw, lambda lib, x: lib.full_like(x, 3), pair)
        check("empty_like", draw, lambda lib, x: lib.empty_like(x), pair, values=False)
        check(
            "empty_like",
            draw,
            lambda lib, x: lib.empty_like(x, memory_format=lib.contiguous_format),
            pair,
            values=False,
        )
        check("new_zeros", draw, lambda lib, x: x.new_zeros(x.shape), pair)


@pytest.mark.parametrize("seed", range(20))
def test_random_numbers(seed: int) -> None:
    draw = random.Random(6000 + seed)

    def seeded(call: Any) -> Any:
        def run(lib: Any, x: Any) -> Any:
            lib.manual_seed(seed)
            return call(lib, x)

        return run

    for _ in range(10):
        pair = [both(draw, random_shape(draw), draw.choice(["float32", "float64"]))]
        check("rand_like", draw, seeded(lambda lib, x: lib.rand_like(x)), pair)
        check("randn_like", draw, seeded(lambda lib, x: lib.randn_like(x)), pair)
        check("randint_like", draw, seeded(lambda lib, x: lib.randint_like(x, 10)), pair)
        check("bernoulli", draw, seeded(lambda lib, x: lib.bernoulli(x / 3)), pair)
        check("dropout", draw, seeded(lambda lib, x: lib.nn.functional.dropout(x, 0.5)), pair)


@pytest.mark.parametrize("seed", range(20))
def test_written_results(seed: int) -> None:
    """In place and with out= the target keeps its own strides, unless it has to change its shape."""
    draw = random.Random(7000 + seed)
    for _ in range(10):
        shape = random_shape(draw)
        x, y = both(draw, shape, "float32"), both(draw, broadcast_part(draw, shape), "float32")
        check("add_", draw, lambda lib, a, b: a.clone().add_(b), [x, y])
        check("mul_", draw, lambda lib, a, b: a.clone().mul_(b), [x, y])
        check("exp_", draw, lambda lib, a: a.clone().exp_(), [x])
        check("add out=", draw, lambda lib, a, b: lib.add(a, b, out=lib.empty_like(a)), [x, y])
        check("add out=", draw, lambda lib, a, b: lib.add(a, b, out=lib.empty(0)), [x, y])
        check("exp out=", draw, lambda lib, a: lib.exp(a, out=lib.empty(0)), [x])


def grad_of(function: Any, times: int, lib: Any, x: Any) -> Any:
    leaf = x.detach().requires_grad_()
    for _ in range(times):
        out = function(lib, leaf)
        weights = lib.arange(out.numel(), dtype=lib.float64).reshape(out.shape)
        (out * weights).sum().backward()
    return leaf.grad


@pytest.mark.parametrize("seed", range(30))
def test_gradients(seed: int) -> None:
    """`.grad` of a leaf lies as the leaf does; so do gradients of element-wise functions."""
    draw = random.Random(8000 + seed)
    functions: dict[str, Any] = {
        "relu": lambda lib, x: lib.relu(x),
        "tanh": lambda lib, x: lib.tanh(x),
        "exp": lambda lib, x: x.exp(),
        "times itself": lambda lib, x: x * x,
        "sum of squares": lambda lib, x: (x**2).sum(),
        "mean": lambda lib, x: x.mean(),
        "twice": lambda lib, x: x.sin() + x.cos() * 2,
        "flattened": lambda lib, x: x.reshape(-1) * 3,
        "sliced": lambda lib, x: x[..., :1] * 3 if x.dim() else x,
        "turned": lambda lib, x: x.transpose(0, -1).sigmoid() if x.dim() else x,
        "gelu": lambda lib, x: lib.nn.functional.gelu(x),
    }
    for name, function in functions.items():
        pair = both(draw, random_shape(draw), "float64")

        for times in (1, 2):
            check(name, draw, functools.partial(grad_of, function, times), [pair], ones=False)


def test_shared_with_numpy() -> None:
    for lib in (torch, pycore):
        x = lib.arange(6.0).reshape(2, 3).t().relu()
        assert x.numpy().strides == (4, 12)
        assert x.numpy().ctypes.data == x.data_ptr()
        with pytest.raises(RuntimeError, match="view size is not compatible"):
            x.view(-1)
        assert x.reshape(-1).tolist() == [0, 3, 1, 4, 2, 5]
