"""A gate of a few seconds through the whole stack.

Tensors, operators, autograd, modules, an optimizer, saving.

Run it first: if it fails, the rest is not worth reading.
"""

from __future__ import annotations

import copy
import io
import math
import pickle

import numpy as np
import pytest

import pycore
from pycore import nn
from pycore.nn import functional as F


def test_tensors():
    x = pycore.arange(6.0).view(2, 3)
    assert x.shape == (2, 3) and x.dtype == pycore.float32 and x.stride() == (3, 1)
    assert x.t().tolist() == [[0, 3], [1, 4], [2, 5]]
    assert (x + 1).sum().item() == 21
    assert (x @ x.t()).tolist() == [[5, 14], [14, 50]]
    assert x[1, 2].item() == 5 and x[:, 1].tolist() == [1, 4]
    assert x[x > 2].tolist() == [3, 4, 5]
    assert repr(pycore.tensor([1.0, 2.5])) == "tensor([1.0000, 2.5000])"
    assert (pycore.tensor([1]) + pycore.tensor([0.5])).dtype == pycore.float32
    assert pycore.cat([x, x]).shape == (4, 3) and pycore.stack([x, x]).shape == (2, 2, 3)
    y = x.clone()
    y[0] = 7
    assert y[0].tolist() == [7, 7, 7] and x[0, 0] == 0
    assert x.max().item() == 5 and x.argmax().item() == 5
    assert x.softmax(1).sum(1).allclose(pycore.ones(2))
    assert pycore.where(x > 2, x, -x).tolist() == [[0, -1, -2], [3, 4, 5]]
    assert x.reshape(-1).sort(descending=True)[0][0] == 5


def test_numpy_and_copies():
    a = np.arange(4.0)
    x = pycore.from_numpy(a)
    a[0] = 9
    assert x[0] == 9 and x.dtype == pycore.float64
    assert np.shares_memory(x.numpy(), a)
    assert pickle.loads(pickle.dumps(x)).tolist() == x.tolist()
    assert copy.deepcopy(x).tolist() == x.tolist()
    file = io.BytesIO()
    pycore.save({"x": x}, file)
    file.seek(0)
    assert pycore.load(file)["x"].tolist() == x.tolist()


def test_autograd():
    x = pycore.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    assert "SumBackward0" in repr(y)
    y.backward()
    assert x.grad.tolist() == [2, 4] and x.grad is x.grad
    (g,) = pycore.autograd.grad((x**3).sum(), x, create_graph=True)
    (h,) = pycore.autograd.grad(g.sum(), x)
    assert h.tolist() == [6, 12]
    with pycore.no_grad():
        assert not (x * 2).requires_grad
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        x.add_(1)


def test_a_deep_chain():
    x = pycore.ones(1, requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y + 1
    y.backward()
    assert x.grad.item() == 1


def test_modules_learn():
    pycore.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
    assert sum(p.numel() for p in net.parameters()) == 65
    optimizer = pycore.optim.Adam(net.parameters(), lr=0.05)
    x = pycore.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    target = pycore.tensor([[0.0], [1.0], [1.0], [0.0]])
    for _ in range(200):
        optimizer.zero_grad()
        loss = F.mse_loss(net(x), target)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.01
    twin = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
    twin.load_state_dict(net.state_dict())
    assert twin(x).allclose(net(x))


def test_convolution_and_pooling():
    x = pycore.randn(2, 1, 8, 8)
    layer = nn.Conv2d(1, 3, 3, padding=1)
    y = F.max_pool2d(layer(x).relu(), 2)
    assert y.shape == (2, 3, 4, 4)
    y.sum().backward()
    assert layer.weight.grad.shape == layer.weight.shape


def test_numbers_are_reproducible():
    pycore.manual_seed(1)
    first = pycore.randn(4).tolist()
    pycore.manual_seed(1)
    assert pycore.randn(4).tolist() == first
    assert all(math.isfinite(v) for v in first)


def test_bad_calls_raise():
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
        pycore.ones(1, 2) @ pycore.ones(6, 64)
    with pytest.raises(RuntimeError, match="must match the size of tensor b"):
        pycore.ones(2) + pycore.ones(3)
    with pytest.raises(TypeError):
        pycore.ones(2).add("x")
    with pytest.raises(IndexError):
        pycore.ones(2)[5]
    with pytest.raises((RuntimeError, MemoryError)):
        pycore.zeros(10**15)
