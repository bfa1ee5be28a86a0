"""Results that exceed the caches are stored past them: same bits as in small pieces, at every alignment."""

import numpy
import pytest

import pycore

COUNT = (1 << 24) + 5  # float32: 64 MB, more than most last-level caches


@pytest.fixture(scope="module")
def values():
    pycore.manual_seed(0)
    return pycore.randn(COUNT)


def same(large, call, *operands):
    """`large` is what `call` gives for the operands; here it is made of pieces that stay in the cache."""
    step = 1 << 20
    for begin in range(0, len(large), step):
        piece = call(*(x[begin : begin + step] if hasattr(x, "shape") else x for x in operands))
        assert numpy.array_equal(piece.numpy(), large[begin : begin + step].numpy())


@pytest.mark.parametrize(
    "call",
    [
        pycore.relu,
        pycore.clone,
        lambda x: x + 0.5,
        lambda x: x > 0,
        lambda x: x.double(),
        lambda x: x.half(),
        lambda x: x.int() + x,
    ],
    ids=["relu", "clone", "scalar", "bool", "double", "half", "mixed"],
)
def test_one_operand(values, threads, call):
    same(call(values), call, values)


def test_two_operands(values, threads):
    a, b = values[3:], values[:-3]
    same(a * b, pycore.mul, a, b)


@pytest.mark.parametrize("offset", (0, 1, 7, 15))
def test_alignment_of_the_output(values, offset):
    out = pycore.full((COUNT,), -7.0)
    inside = out[offset : COUNT - 2]
    pycore.add(values[offset : COUNT - 2], 1.0, out=inside)
    same(inside, lambda x: x + 1.0, values[offset : COUNT - 2])
    assert bool((out[:offset] == -7).all()) and bool((out[-2:] == -7).all())
    out.fill_(-7.0)
    inside.copy_(values[: COUNT - 2 - offset])
    same(inside, pycore.clone, values[: COUNT - 2 - offset])
    assert bool((out[:offset] == -7).all()) and bool((out[-2:] == -7).all())


def test_broadcast_rows_and_in_place(values):
    x = values[: 1 << 24].reshape(1 << 10, 1 << 14)
    row, column = x[0].clone(), x[:, :1].clone()
    by_row, by_column = x + row, x * column
    for i in (0, 1, 513, 1023):
        assert numpy.array_equal(by_row[i].numpy(), (x[i] + row).numpy())
        assert numpy.array_equal(by_column[i].numpy(), (x[i] * column[i]).numpy())
    y = x.clone()
    y.mul_(2).add_(x)
    same(y.reshape(-1), lambda v: v * 2 + v, values[: 1 << 24])


def test_fill():
    assert bool((pycore.full((COUNT + (1 << 20),), 3, dtype=pycore.int64) == 3).all())
