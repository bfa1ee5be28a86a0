"""utils.checkpoint: equal gradients, less memory, random numbers, errors."""

from __future__ import annotations

import gc

import pytest

import pycore
from pycore import nn
from pycore.utils.checkpoint import (
    CheckpointError,
    checkpoint,
    checkpoint_sequential,
    set_checkpoint_early_stop,
)


def block(width=8):
    return nn.Sequential(
        nn.Linear(width, width), nn.Tanh(), nn.Dropout(0.3), nn.Linear(width, width), nn.GELU()
    )


def gradients(run, model, x):
    model.zero_grad()
    x.grad = None
    pycore.manual_seed(7)
    out = run(x)
    out.square().sum().backward()
    return [out.detach(), x.grad, *(p.grad for p in model.parameters()), pycore.rand(2)]


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("stop", [False, True])
def test_gradients_are_those_of_a_plain_call(reentrant, stop):
    model = nn.Sequential(block(), block(), nn.Linear(8, 2))
    x = pycore.randn(5, 8, requires_grad=True)

    def run(x):
        for part in model[:2]:
            x = checkpoint(part, x, use_reentrant=reentrant)
        return model[2](x)

    plain = gradients(model, model, x)
    with set_checkpoint_early_stop(stop):
        for again in (gradients(run, model, x), gradients(run, model, x)):
            assert all(a.equal(b) for a, b in zip(plain, again, strict=True))


@pytest.mark.parametrize("segments", [1, 2, 3])
def test_sequential(segments):
    model = nn.Sequential(*block(), *block())
    x = pycore.randn(5, 8, requires_grad=True)
    plain = gradients(model, model, x)
    run = lambda x: checkpoint_sequential(model, segments, x, use_reentrant=False)  # noqa: E731
    assert all(a.equal(b) for a, b in zip(plain, gradients(run, model, x), strict=True))
    with pytest.raises(ValueError, match="Unexpected keyword arguments: other"):
        checkpoint_sequential(model, 2, x, use_reentrant=False, other=1)


def test_memory_is_saved():
    layers = nn.Sequential(*(nn.Sequential(nn.Linear(256, 256), nn.Tanh()) for _ in range(16)))
    x = pycore.randn(512, 256, requires_grad=True)

    def held(run):
        gc.collect()
        before = pycore._C._memory_stats()["allocated_bytes"]
        out = run(x)
        gc.collect()
        after = pycore._C._memory_stats()["allocated_bytes"]
        out.sum().backward()
        return after - before

    plain = held(layers)
    sparing = held(lambda x: checkpoint(layers, x, use_reentrant=False))
    assert sparing < plain / 8


def test_structures_keywords_and_what_needs_no_gradient():
    w = pycore.randn(3, requires_grad=True)

    def function(parts, *, scale):
        return {"a": (parts["x"] * w).exp() * scale, "b": parts["y"].exp()}

    parts = {"x": pycore.randn(3), "y": pycore.randn(3)}
    out = checkpoint(function, parts, use_reentrant=False, scale=2.0)
    assert not out["b"].requires_grad
    out["a"].sum().backward()
    assert w.grad.allclose((parts["x"] * w).exp() * 2 * parts["x"])
    assert not checkpoint(pycore.exp, pycore.ones(1), use_reentrant=False).requires_grad
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        assert not checkpoint(lambda x: x * w, pycore.ones(3), use_reentrant=True).requires_grad


def test_kept_graphs_higher_order_and_nesting():
    x = pycore.tensor([0.3, -0.7], dtype=pycore.float64, requires_grad=True)

    def inner(x):
        return x.sin().exp()

    def outer(x):
        return checkpoint(inner, x * 2, use_reentrant=False).tanh() * x

    y = checkpoint(outer, x, use_reentrant=False)
    expected = pycore.autograd.grad(((x * 2).sin().exp().tanh() * x).sum(), x)[0]
    for _ in range(3):
        again = pycore.autograd.grad(y.sum(), x, retain_graph=True)[0]
        assert again.allclose(expected)
    run = lambda x: checkpoint(outer, x, use_reentrant=False)  # noqa: E731
    assert pycore.autograd.gradcheck(run, (x,)) and pycore.autograd.gradgradcheck(run, (x,))


def test_contexts():
    seen = []

    class Note:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            seen.append(self.name)

        def __exit__(self, *exc):
            pass

    x = pycore.ones(2, requires_grad=True)
    contexts = lambda: (Note("forward"), Note("again"))  # noqa: E731
    y = checkpoint(lambda x: x.exp().sin(), x, use_reentrant=False, context_fn=contexts)
    assert seen == ["forward"]
    y.sum().backward()
    assert seen == ["forward", "again"]
    with pytest.raises(ValueError, match="only supported when use_reentrant=False"):
        checkpoint(pycore.sin, x, use_reentrant=True, context_fn=contexts)
    with pytest.raises(ValueError, match="Unexpected keyword arguments: out"):
        checkpoint(pycore.sin, x, use_reentrant=True, out=None)
    with pytest.raises(ValueError, match="determinism_check should be one of"):
        checkpoint(pycore.sin, x, use_reentrant=False, determinism_check="other")
    with pytest.warns(UserWarning, match="use_reentrant parameter should be passed"):
        checkpoint(pycore.sin, x)


def test_errors_in_backward():
    x = pycore.ones(2, requires_grad=True)
    calls = []

    def changing(x):
        calls.append(1)
        return x.exp().sin() if len(calls) % 2 else x.exp()

    def growing(x):
        calls.append(1)
        return x.exp() if len(calls) % 2 else x.exp().sin().cos()

    def reshaping(x):
        calls.append(1)
        return (x if len(calls) % 2 else pycore.cat([x, x])).exp().sin()

    with pytest.raises(CheckpointError, match="A different number of tensors"):
        checkpoint(changing, x, use_reentrant=False).sum().backward()
    calls.clear()
    with pytest.raises(CheckpointError, match="more tensors during recomputation"):
        checkpoint(growing, x, use_reentrant=False, early_stop=False).sum().backward()
    calls.clear()
    with pytest.raises(CheckpointError, match=r"position 0:\nsaved metadata: .*\[2\]"):
        checkpoint(reshaping, x, use_reentrant=False).sum().backward()

    def failing(x):
        calls.append(1)
        if len(calls) > 1:
            raise OSError("second")
        return x.exp().sin()

    calls.clear()
    with pytest.raises(OSError, match="second"):
        checkpoint(failing, x, use_reentrant=False).sum().backward()
    z = x * 1
    y = checkpoint(lambda z: z.exp().sin(), z, use_reentrant=False)
    z.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
