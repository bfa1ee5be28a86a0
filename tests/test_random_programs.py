"""Random programs of views, writes in place and shared values: their gradients by finite differences.

What a single operator's test cannot see: histories that writes through views make anew, gradients
that several uses add up, values kept for the backward pass.
"""

from __future__ import annotations

import random

import pytest

import pycore
from pycore.autograd.gradcheck import gradcheck, gradgradcheck
from pycore.nn import functional as F

N = 3  # all values are N x N matrices
M = pycore.Tensor


def written(x: M, part, write) -> M:
    """A copy of x, part of which has been written to."""
    copy = x * 1
    write(part(copy))
    return copy


def swapped(x: M) -> M:
    copy = x.clone()
    first = copy[0].clone()
    copy[0] = copy[1]
    copy[1] = first
    return copy


def assigned(x: M, y: M) -> M:
    copy = x.clone()
    copy[1:, ::2] = y[:2, ::2]
    copy.t()[0] += y[0]
    return copy


def filled(x: M, y: M) -> M:
    out = pycore.zeros(N, N, dtype=x.dtype)
    out.copy_(x)
    out[:, 0] = y[:, 1]
    return out


STEPS = {
    "add": lambda x, y: x + y,
    "mul": lambda x, y: x * y,
    "mm": lambda x, y: x @ y / N,
    "sin": lambda x, y: pycore.sin(x),
    "bell": lambda x, y: pycore.exp(-x * x),
    "transposed": lambda x, y: x.t(),
    "turned": lambda x, y: pycore.cat([x[1:], x[:1]]),
    "expanded": lambda x, y: x[0].expand(N, N) + y,
    "sums": lambda x, y: x.sum(0, keepdim=True) * y,
    "permuted sum": lambda x, y: x.view(1, N, N).permute(2, 0, 1).sum(1).t() + y,
    "windows": lambda x, y: x.unfold(1, 2, 1).sum(-1) @ y[:2],
    "diagonal": lambda x, y: pycore.diag(x.diagonal()) + y,
    "unbound": lambda x, y: pycore.stack(list(x.unbind(0))[::-1]),
    "chunks": lambda x, y: pycore.cat(x.chunk(2, 1)[::-1], 1),
    "indexed": lambda x, y: x[[0, 2, 0]] + y[:, [1, 1, 2]],
    "softmax": lambda x, y: pycore.softmax(x, 0) * y,
    "running": lambda x, y: x.cumsum(1) / 2,
    "normalised": lambda x, y: F.layer_norm(x, (N,), y[0], y[1]) / 2,
    "linear": lambda x, y: F.linear(x, y / N, x[0]),
    "swapped": lambda x, y: swapped(x),
    "assigned": assigned,
    "filled": filled,
    "row scaled": lambda x, y: written(x, lambda c: c[1], lambda v: v.mul_(2)),
    "column added": lambda x, y: written(x, lambda c: c[:, 2], lambda v: v.add_(y[0])),
    "transpose added": lambda x, y: written(x, lambda c: c.t(), lambda v: v.add_(y)),
    "flat steps": lambda x, y: written(x, lambda c: c.reshape(-1)[::2], lambda v: v.mul_(3)),
    "view of view": lambda x, y: written(x, lambda c: c[1:].t()[0], lambda v: v.mul_(y[0, :2])),
    "zeroed": lambda x, y: written(x, lambda c: c[:, :1], lambda v: v.zero_()),
    "product": lambda x, y: written(x, lambda c: c, lambda v: v.mul_(y)),
}


def program(seed: int):
    names = random.Random(seed).choices(sorted(STEPS), k=random.Random(seed).randrange(3, 9))

    def run(*leaves: M) -> M:
        draw = random.Random(seed + 1)
        values = list(leaves)
        for name in names:
            values.append(STEPS[name](draw.choice(values), draw.choice(values)))
        return sum(pycore.sin(v).sum() for v in values[-3:])

    return names, run


def leaves_of(seed: int) -> list[M]:
    pycore.manual_seed(seed)
    return [pycore.randn(N, N, dtype=pycore.float64, requires_grad=True) for _ in range(2)]


@pytest.mark.parametrize("seed", range(150))
def test_gradients(seed):
    names, run = program(seed)
    leaves = leaves_of(seed)
    if run(*leaves).requires_grad:
        assert gradcheck(run, leaves, eps=1e-6, atol=1e-4, rtol=1e-4), names


@pytest.mark.parametrize("seed", range(500, 540))
def test_second_derivatives(seed):
    names, run = program(seed)
    leaves = leaves_of(seed)
    if run(*leaves).requires_grad:
        assert gradgradcheck(run, leaves, atol=1e-3, rtol=1e-3), names


@pytest.mark.parametrize("seed", range(20))
def test_repeated_backward(seed):
    """A graph that is kept gives the same again; so does one with other roots beside it."""
    _, run = program(seed)
    leaves = leaves_of(seed)
    loss = run(*leaves)
    if not loss.requires_grad:
        return
    first = pycore.autograd.grad(loss, leaves, retain_graph=True, allow_unused=True)
    loss.backward(retain_graph=True)
    loss.backward()
    for leaf, grad in zip(leaves, first, strict=True):
        assert (leaf.grad is None) == (grad is None)
        assert grad is None or pycore.equal(leaf.grad, grad + grad)
