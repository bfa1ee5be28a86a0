"""Composed functions: their examples run, they come late, and the important ones match NumPy.

parity/test_composites_parity.py asks PyTorch.
"""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pycore
from pycore import _composite
from pycore.autograd.gradcheck import gradcheck, gradgradcheck

MODULES = sorted({*_composite.FUNCTIONS.values(), *_composite.EXTRA_METHODS.values()})


@pytest.mark.parametrize("name", [*(f"_composite.{m}" for m in MODULES), "linalg"])
def test_examples(name):
    module = importlib.import_module(f"pycore.{name}")
    flags = doctest.NORMALIZE_WHITESPACE
    assert doctest.testmod(module, optionflags=flags).failed == 0


@pytest.mark.parametrize("name", sorted(_composite.FUNCTIONS))
def test_found_by_name(name):
    assert callable(getattr(pycore, name))
    assert name in dir(pycore)


def test_nothing_is_imported_before_it_is_used():
    code = (
        "import sys, pycore; print(*[m for m in sys.modules if m.startswith('pycore._composite.')])"
    )
    root = str(Path(pycore.__file__).parents[1])
    out = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": root},
    )
    assert out.stdout.split() == []


def test_methods_take_their_place():
    x = pycore.tensor([1.0, 4.0, 9.0])
    assert x.diff().tolist() == [3, 5]
    assert not isinstance(vars(pycore.Tensor)["diff"], _composite._LateMethod)
    assert pycore.Tensor.kron(x, x).shape == (9,)


def test_against_numpy():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 4)), rng.normal(size=(5, 4))
    x, y = pycore.from_numpy(a), pycore.from_numpy(b)
    np.testing.assert_allclose(pycore.diff(x, 2).numpy(), np.diff(a, 2))
    np.testing.assert_allclose(pycore.kron(x, y).numpy(), np.kron(a, b))
    np.testing.assert_allclose(pycore.cov(x).numpy(), np.cov(a))
    np.testing.assert_allclose(pycore.corrcoef(x).numpy(), np.corrcoef(a))
    np.testing.assert_allclose(pycore.gradient(x)[1].numpy(), np.gradient(a)[1])
    distances = np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))
    np.testing.assert_allclose(pycore.cdist(x, y).numpy(), distances)
    np.testing.assert_allclose(
        pycore.hann_window(8, periodic=False).numpy(), np.hanning(8), atol=1e-7
    )
    np.testing.assert_allclose(
        pycore.kaiser_window(8, False, 5.0).numpy(), np.kaiser(8, 5.0), atol=1e-6
    )


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("rows", [(30, 4), (5, 40)])
def test_euclidean_distances_by_product(rows, dtype):
    rng = np.random.default_rng(3)
    x, y = (pycore.from_numpy(rng.normal(size=(2, n, 7))).to(getattr(pycore, dtype)) for n in rows)
    direct = pycore.cdist(x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist")
    exact = np.sqrt(((x.double().numpy()[:, :, None] - y.double().numpy()[:, None]) ** 2).sum(-1))
    np.testing.assert_allclose(direct.numpy(), exact, rtol=1e-14)
    close = {"float32": 2e-6, "float64": 1e-14, "bfloat16": 2**-8}[dtype]
    for got in (pycore.cdist(x, y), pycore.cdist(x.clone().requires_grad_(), y).detach()):
        assert got.dtype == x.dtype
        np.testing.assert_allclose(got.double().numpy(), exact, rtol=close)


def test_distances_by_product_of_rows_that_meet():
    x = pycore.zeros(30, 3, requires_grad=True)
    distances = pycore.cdist(x, x)
    distances.sum().backward()
    assert distances.eq(0).all() and x.grad.eq(0).all()
    x = pycore.ones(30, 3)
    x[3, 1], x[4, 0] = float("nan"), float("inf")
    assert pycore.cdist(x, x)[3:5].isnan().all()
    with pytest.raises(ValueError, match="never is not a valid value for compute_mode"):
        pycore.cdist(x, x, compute_mode="never")


@pytest.mark.parametrize(
    "call",
    [
        lambda x, y: pycore.cdist(x, y),
        lambda x, y: pycore.cdist(x, y, compute_mode="use_mm_for_euclid_dist"),
        lambda x, y: pycore.cdist(x, y, p=3.0),
        lambda x, y: pycore.kron(x, y),
        lambda x, y: pycore.cov(x) + pycore.corrcoef(y),
        lambda x, y: pycore.diff(x, prepend=y),
        lambda x, y: pycore.cross(x, y, dim=1),
        lambda x, y: pycore.renorm(x, 2, 0, 0.5) + y,
        lambda x, y: pycore.trapezoid(x * y),
        lambda x, y: pycore.dist(x, y, 2),
    ],
)
def test_derivatives(call):
    rng = np.random.default_rng(1)
    inputs = [pycore.from_numpy(rng.normal(size=(3, 3))).requires_grad_() for _ in range(2)]
    assert gradcheck(call, inputs)
    assert gradgradcheck(call, inputs)
