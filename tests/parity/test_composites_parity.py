"""Composed functions (pycore/_composite, linalg) beside PyTorch: values, dtypes, gradients.

Needs torch.
"""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pycore = pytest.importorskip("pycore")

from op_sample import as_numpy, flat  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


def f(m, *shape, seed=0):
    values = np.random.default_rng(seed).normal(size=shape)
    return m.tensor(values.tolist(), dtype=m.float64).reshape(shape).requires_grad_()


def i(m, *values):
    return m.tensor(values)


CASES = {
    "diff": lambda m: m.diff(f(m, 2, 5), 2),
    "diff joined": lambda m: m.diff(f(m, 3), prepend=f(m, 2, seed=1), append=f(m, 1, seed=2)),
    "diff dim": lambda m: f(m, 3, 4).diff(dim=0),
    "diff bool": lambda m: m.diff(m.tensor([True, False, False])),
    "gradient": lambda m: m.gradient(f(m, 4, 5)),
    "gradient spacing": lambda m: m.gradient(f(m, 4, 5), spacing=0.5, dim=1),
    "gradient coordinates": lambda m: m.gradient(f(m, 5), spacing=(m.tensor([0.0, 1, 3, 4, 6]),)),
    "gradient edge 2": lambda m: m.gradient(f(m, 5), edge_order=2),
    "trapezoid": lambda m: m.trapezoid(f(m, 3, 4)),
    "trapezoid x": lambda m: m.trapezoid(f(m, 3, 4), m.tensor([0.0, 1.0, 3.0, 4.0])),
    "trapz dx": lambda m: m.trapz(f(m, 3, 4), dx=0.5),
    "cumulative_trapezoid": lambda m: m.cumulative_trapezoid(f(m, 3, 4), dim=0),
    "cdist 2": lambda m: m.cdist(f(m, 2, 3, 4), f(m, 2, 5, 4, seed=1)),
    "cdist by product": lambda m: m.cdist(f(m, 2, 30, 4), f(m, 5, 4, seed=1)),
    "cdist product": lambda m: m.cdist(
        f(m, 3, 4), f(m, 5, 4, seed=1), compute_mode="use_mm_for_euclid_dist"
    ),
    "cdist differences": lambda m: m.cdist(
        f(m, 30, 4), f(m, 5, 4, seed=1), compute_mode="donot_use_mm_for_euclid_dist"
    ),
    "cdist 1": lambda m: m.cdist(f(m, 3, 4), f(m, 5, 4, seed=1), p=1),
    "cdist 3": lambda m: m.cdist(f(m, 3, 4), f(m, 5, 4, seed=1), p=3),
    "cdist inf": lambda m: m.cdist(f(m, 3, 4), f(m, 5, 4, seed=1), p=float("inf")),
    "cdist empty": lambda m: m.cdist(f(m, 3, 0), f(m, 5, 0)),
    "dist": lambda m: m.dist(f(m, 3, 4), f(m, 3, 4, seed=1)),
    "dist 1": lambda m: f(m, 3, 4).dist(f(m, 4, seed=1), 1),
    "cosine_similarity": lambda m: m.cosine_similarity(f(m, 3, 4), f(m, 3, 4, seed=1)),
    "kron": lambda m: m.kron(f(m, 2, 3), f(m, 3, 2, seed=1)),
    "kron unequal": lambda m: m.kron(f(m, 2), f(m, 3, 2, seed=1)),
    "cross": lambda m: m.cross(f(m, 2, 3), f(m, 2, 3, seed=1), dim=1),
    "linalg.cross": lambda m: m.linalg.cross(f(m, 1, 3), f(m, 4, 3, seed=1)),
    "combinations": lambda m: m.combinations(f(m, 4), 3),
    "combinations again": lambda m: m.combinations(i(m, 1, 2, 3), with_replacement=True),
    "renorm": lambda m: m.renorm(f(m, 3, 4), 2, 0, 1.0),
    "cov": lambda m: m.cov(f(m, 3, 6)),
    "cov weights": lambda m: m.cov(
        f(m, 2, 3), fweights=i(m, 1, 2, 1), aweights=m.tensor([0.2, 0.5, 1.0])
    ),
    "cov vector": lambda m: m.cov(f(m, 6), correction=0),
    "corrcoef": lambda m: m.corrcoef(f(m, 3, 6)),
    "hann": lambda m: m.hann_window(7),
    "hann symmetric": lambda m: m.hann_window(6, periodic=False, dtype=m.float64),
    "hamming": lambda m: m.hamming_window(7),
    "blackman": lambda m: m.blackman_window(7),
    "bartlett": lambda m: m.bartlett_window(7),
    "kaiser": lambda m: m.kaiser_window(7),
    "window of one": lambda m: m.hann_window(1),
    "window of none": lambda m: m.hann_window(0),
    "expand_copy": lambda m: m.expand_copy(f(m, 2, 1), (2, 3)),
    "fill": lambda m: m.fill(f(m, 3), 2.0),
    "range": lambda m: m.range(1, 4, 0.5),
    "unravel_index": lambda m: m.unravel_index(i(m, 3, 5, 0), (2, 3)),
    "fill_diagonal_": lambda m: m.zeros(7, 3).fill_diagonal_(2.0, wrap=True),
    "fill_diagonal_ cube": lambda m: m.zeros(3, 3, 3).fill_diagonal_(2.0),
    "renorm_": lambda m: (f(m, 3, 4) * 1).renorm_(2, 1, 0.5),
    "apply_": lambda m: m.tensor([1.0, 2.0]).apply_(lambda x: x + 1),
    "linalg.norm": lambda m: m.linalg.norm(f(m, 3, 4)),
    "linalg.norm 1": lambda m: m.linalg.norm(f(m, 3, 4), 1),
    "linalg.norm -inf": lambda m: m.linalg.norm(f(m, 2, 3, 4), float("-inf"), dim=(1, 2)),
    "linalg.norm dim": lambda m: m.linalg.norm(f(m, 3, 4), 3, dim=1, keepdim=True),
    "linalg.matrix_norm": lambda m: m.linalg.matrix_norm(f(m, 2, 3, 4), keepdim=True),
    "linalg.vecdot": lambda m: m.linalg.vecdot(f(m, 3, 4), f(m, 3, 4, seed=1)),
    "linalg.diagonal": lambda m: m.linalg.diagonal(f(m, 2, 3, 4)),
    "special.gammaln": lambda m: m.special.gammaln(f(m, 3).abs() + 0.5),
    "special.entr-free": lambda m: m.special.xlogy(f(m, 3), f(m, 3, seed=1).abs() + 0.1),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_dtypes(name):
    ours, theirs = flat(CASES[name](pycore)), flat(CASES[name](torch))
    assert len(ours) == len(theirs)
    for a, t in zip(ours, theirs, strict=True):
        assert str(a.dtype).rpartition(".")[2] == str(t.dtype).rpartition(".")[2]
        np.testing.assert_allclose(as_numpy(a), as_numpy(t), rtol=1e-6, atol=1e-7)
        assert a.requires_grad == t.requires_grad


def test_broadcast_shapes():
    for shapes in [((2, 1), (3,)), ((), (4, 1)), ((5,), 5), ((0, 1), (1,))]:
        assert tuple(pycore.broadcast_shapes(*shapes)) == tuple(torch.broadcast_shapes(*shapes))
    with pytest.raises(RuntimeError):
        pycore.broadcast_shapes((2,), (3,))


@pytest.mark.parametrize(
    "name", [n for n in CASES if n.startswith(("diff", "cdist", "kron", "cov", "cross"))]
)
def test_gradients(name):
    def gradient(m):
        leaves = []
        make = globals()["f"]

        def remember(m, *shape, seed=0):
            leaves.append(make(m, *shape, seed=seed))
            return leaves[-1]

        globals()["f"] = remember
        try:
            (result,) = flat(CASES[name](m))
        finally:
            globals()["f"] = make
        if not result.requires_grad or result.numel() == 0:
            return []
        result.square().sum().backward()
        return [as_numpy(leaf.grad) for leaf in leaves]

    for a, t in zip(gradient(pycore), gradient(torch), strict=True):
        np.testing.assert_allclose(a, t, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", ["float64", "float32", "float16", "bfloat16"])
def test_finfo(name):
    ours, theirs = pycore.finfo(getattr(pycore, name)), torch.finfo(getattr(torch, name))
    for field in ("bits", "eps", "max", "min", "tiny", "smallest_normal", "resolution"):
        assert getattr(ours, field) == pytest.approx(getattr(theirs, field), rel=1e-12), field
    assert ours.dtype == theirs.dtype
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("name", ["int64", "int32", "int16", "int8", "uint8"])
def test_iinfo(name):
    ours, theirs = pycore.iinfo(getattr(pycore, name)), torch.iinfo(getattr(torch, name))
    assert (ours.bits, ours.min, ours.max) == (theirs.bits, theirs.min, theirs.max)
    assert repr(ours) == repr(theirs)
    with pytest.raises(TypeError, match="requires a floating point input type"):
        pycore.finfo(getattr(pycore, name))
