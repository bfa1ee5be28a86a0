"""Matrix products, convolutions, pooling beside torch: values, gradients, node names, errors."""

from __future__ import annotations

import pytest
from products import CONVOLUTIONS, MIN_POOLS, POOLS, PRODUCTS, Sample
from spatial import SPATIAL

import pycore
import pycore.nn.functional as F

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")

TOLERANCE = {"float64": 1e-10, "float32": 2e-4, "float16": 2e-2, "bfloat16": 1e-1}


def arrays(sample: Sample, seed: int = 0) -> list:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in sample.shapes]


def outputs(result) -> list:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def check(name: str, ours, theirs, tolerance: float) -> None:
    assert tuple(ours.shape) == tuple(theirs.shape), name
    assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1], name
    a, b = np.array(ours.tolist(), dtype=float), np.array(theirs.tolist(), dtype=float)
    assert np.allclose(a, b, rtol=tolerance, atol=tolerance), (name, abs(a - b).max())


def negated(sample: Sample) -> Sample:
    """The max pooling of which a min pooling is the mirror."""
    name = sample.name.split(" ")[0].replace("min", "max")
    call = sample.call
    mirrored = type("M", (), {"__getattr__": lambda self, n: getattr(torch.nn.functional, name)})()
    return sample._replace(call=lambda t, F, a: -call(t, mirrored, -a))


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
@pytest.mark.parametrize("sample", PRODUCTS + CONVOLUTIONS + POOLS + MIN_POOLS + SPATIAL, ids=str)
def test_values_and_gradients(sample: Sample, dtype: str) -> None:
    if sample.name.startswith("grid_sample") and "16" in dtype:
        pytest.skip("torch computes places in the narrow type itself")
    data = arrays(sample)
    mine = [pycore.tensor(a.tolist(), dtype=getattr(pycore, dtype)).reshape(a.shape) for a in data]
    his = [torch.tensor(a.tolist(), dtype=getattr(torch, dtype)).reshape(a.shape) for a in data]
    for t in mine + his:
        t.requires_grad_()
    other = negated(sample) if sample in MIN_POOLS else sample
    try:
        theirs = outputs(other.call(torch, torch.nn.functional, *his))
    except NotImplementedError:
        pytest.skip("torch lacks this dtype here")
    ours = outputs(sample.call(pycore, F, *mine))
    assert len(ours) == len(theirs)
    tolerance = TOLERANCE[dtype]
    for i, (a, b) in enumerate(zip(ours, theirs, strict=False)):
        check(f"result {i}", a.detach(), b.detach(), tolerance)
    if sample.node:
        assert ours[0].grad_fn.name() == theirs[0].grad_fn.name() == sample.node
    g = np.random.default_rng(1).standard_normal(tuple(ours[0].shape))
    ours[0].backward(pycore.tensor(g.tolist(), dtype=ours[0].dtype).reshape(g.shape))
    theirs[0].backward(torch.tensor(g.tolist(), dtype=theirs[0].dtype).reshape(g.shape))
    for i, (a, b) in enumerate(zip(mine, his, strict=False)):
        if b.grad is None:
            assert a.grad is None
        else:
            check(f"gradient {i}", a.grad, b.grad, tolerance)


def zeros(*shape, dtype="float32"):
    return lambda t: t.zeros(shape, dtype=getattr(t, dtype))


BAD = [
    (lambda t, F: t.mm, zeros(1, 2), zeros(6, 64)),
    (lambda t, F: t.mm, zeros(2), zeros(2, 2)),
    (lambda t, F: t.mm, zeros(2, 2), zeros(2)),
    (lambda t, F: t.mm, zeros(2, 2), zeros(2, 2, dtype="float64")),
    (lambda t, F: t.mm, zeros(2, 2, dtype="int8"), zeros(2, 2, dtype="int16")),
    (lambda t, F: t.mm, zeros(2, 2, dtype="bool"), zeros(2, 2, dtype="bool")),
    (lambda t, F: t.bmm, zeros(2, 2), zeros(6, 64, 2)),
    (lambda t, F: t.bmm, zeros(2, 2, 3), zeros(6, 64)),
    (lambda t, F: t.bmm, zeros(2, 2, 3), zeros(3, 3, 2)),
    (lambda t, F: t.bmm, zeros(2, 2, 3), zeros(2, 4, 2)),
    (lambda t, F: t.dot, zeros(2, 2), zeros(2)),
    (lambda t, F: t.dot, zeros(2), zeros(3)),
    (lambda t, F: t.dot, zeros(2), zeros(2, dtype="float64")),
    (lambda t, F: t.inner, zeros(2, 3), zeros(4, 2)),
    (lambda t, F: t.outer, zeros(2, 2), zeros(3)),
    (lambda t, F: t.mv, zeros(2, 3), zeros(4)),
    (lambda t, F: t.mv, zeros(2, 3), zeros(3, dtype="float64")),
    (lambda t, F: t.matmul, zeros(), zeros(2, 2)),
    (lambda t, F: t.matmul, zeros(3), zeros(2, 2)),
    (lambda t, F: t.matmul, zeros(3, 2), zeros(3)),
    (lambda t, F: t.matmul, zeros(2, 3, 4), zeros(2, 5, 6)),
    (lambda t, F: t.matmul, zeros(2, 3, 4), zeros(3, 4, 5)),
    (lambda t, F: t.matmul, zeros(2, 3, 4), zeros(5, 6)),
    (lambda t, F: t.matmul, zeros(3), zeros(4)),
    (lambda t, F: t.matmul, zeros(2, 3, 4), zeros(5)),
    (lambda t, F: t.matmul, zeros(2, 2, 2), zeros(2, 2, 2, dtype="float64")),
    (lambda t, F: t.addmm, zeros(2, 2), zeros(2, 3), zeros(4, 2)),
    (lambda t, F: t.addmm, zeros(5, 5), zeros(2, 3), zeros(3, 2)),
    (lambda t, F: t.addmm, zeros(2), zeros(2), zeros(3, 2)),
    (lambda t, F: t.addmm, zeros(2, dtype="float64"), zeros(2, 3), zeros(3, 2)),
    (lambda t, F: t.addmv, zeros(3), zeros(2, 3), zeros(3)),
    (lambda t, F: t.addr, zeros(2, 3), zeros(2), zeros(4)),
    (lambda t, F: t.baddbmm, zeros(7, 7), zeros(2, 2, 3), zeros(2, 3, 2)),
    (lambda t, F: t.addbmm, zeros(2, 2), zeros(2, 2, 3), zeros(2, 4, 2)),
    (lambda t, F: F.linear, zeros(4, 3), zeros(2, 4), zeros(2)),
    (lambda t, F: F.linear, zeros(5, 4, 3), zeros(2, 4), zeros(2)),
    (lambda t, F: F.linear, zeros(3), zeros(2, 4), zeros(2)),
    (lambda t, F: F.linear, zeros(4, 3), zeros(2, 3), zeros(3)),
    (lambda t, F: F.linear, zeros(), zeros(2, 3)),
    (lambda t, F: F.linear, zeros(4, 3, dtype="int64"), zeros(2, 3), zeros(2)),
    (lambda t, F: lambda *a: t.einsum("ij,jk->ik", *a), zeros(2, 3), zeros(4, 4)),
    (lambda t, F: lambda *a: t.einsum("ij,jk->ik", *a), zeros(2, 3)),
    (lambda t, F: lambda *a: t.einsum("ij", *a), zeros(2, 3), zeros(2, 3)),
    (lambda t, F: lambda *a: t.einsum("ij->k", *a), zeros(2, 3)),
    (lambda t, F: lambda *a: t.einsum("iij->k", *a), zeros(2, 3)),
    (lambda t, F: lambda *a: t.einsum("i$->i", *a), zeros(2, 3)),
    (lambda t, F: lambda *a: t.einsum("i->ii", *a), zeros(2)),
    (lambda t, F: lambda *a: t.einsum("ii->i", *a), zeros(2, 3)),
    (lambda t, F: lambda *a: t.einsum("ij..->i", *a), zeros(2, 3)),
    (lambda t, F: F.conv2d, zeros(1, 2, 8, 8), zeros(4, 3, 3, 3)),
    (lambda t, F: lambda *a: F.conv2d(*a, groups=2), zeros(1, 4, 8, 8), zeros(4, 3, 3, 3)),
    (lambda t, F: lambda *a: F.conv2d(*a, groups=2), zeros(1, 4, 8, 8), zeros(3, 2, 3, 3)),
    (lambda t, F: lambda *a: F.conv2d(*a, groups=0), zeros(1, 4, 8, 8), zeros(4, 4, 3, 3)),
    (lambda t, F: F.conv2d, zeros(8, 8), zeros(4, 3, 3, 3)),
    (lambda t, F: F.conv2d, zeros(1, 3, 2, 2), zeros(4, 3, 3, 3)),
    (lambda t, F: F.conv2d, zeros(1, 3, 8, 8), zeros(4, 3, 3, 3), zeros(5)),
    (lambda t, F: F.conv2d, zeros(1, 3, 8, 8), zeros(4, 3, 3)),
    (lambda t, F: lambda *a: F.conv2d(*a, padding=-1), zeros(1, 3, 8, 8), zeros(4, 3, 3, 3)),
    (lambda t, F: lambda *a: F.conv2d(*a, stride=0), zeros(1, 3, 8, 8), zeros(4, 3, 3, 3)),
    (lambda t, F: lambda *a: F.conv2d(*a, dilation=0), zeros(1, 3, 8, 8), zeros(4, 3, 3, 3)),
    (lambda t, F: lambda *a: F.conv2d(*a, padding="foo"), zeros(1, 3, 8, 8), zeros(4, 3, 3, 3)),
    (
        lambda t, F: lambda *a: F.conv2d(*a, padding="same", stride=2),
        zeros(1, 3, 8, 8),
        zeros(4, 3, 3, 3),
    ),
    (lambda t, F: F.conv2d, zeros(1, 3, 8, 8), zeros(4, 3, 3, 3, dtype="float64")),
    (lambda t, F: F.conv2d, zeros(1, 3, 8, 8), zeros(4, 3, 3, 3), zeros(4, dtype="float64")),
    (lambda t, F: F.conv1d, zeros(3, 8), zeros(4, 2, 3)),
    (lambda t, F: F.conv1d, zeros(8), zeros(4, 2, 3)),
    (lambda t, F: F.conv_transpose2d, zeros(1, 2, 8, 8), zeros(3, 4, 3, 3)),
    (lambda t, F: F.conv_transpose2d, zeros(1, 3, 8, 8), zeros(3, 4, 3, 3), zeros(5)),
    (
        lambda t, F: lambda *a: F.conv_transpose2d(*a, padding=2),
        zeros(1, 3, 1, 1),
        zeros(3, 4, 1, 1),
    ),
    (lambda t, F: lambda x: F.max_pool2d(x, 2), zeros(8, 8)),
    (lambda t, F: lambda x: F.max_pool2d(x, 2, padding=2), zeros(1, 3, 8, 8)),
    (lambda t, F: lambda x: F.max_pool2d(x, 2, padding=-1), zeros(1, 3, 8, 8)),
    (lambda t, F: lambda x: F.max_pool2d(x, 2, 0), zeros(1, 3, 8, 8)),
    (lambda t, F: lambda x: F.max_pool2d(x, 3), zeros(1, 3, 2, 2)),
    (lambda t, F: lambda x: F.max_pool2d(x, 2), zeros(1, 0, 8, 8)),
    (lambda t, F: lambda x: F.max_pool2d(x, 2), zeros(1, 3, 8, 8, dtype="bool")),
    (lambda t, F: lambda x: F.max_pool2d(x, (2, 2, 2)), zeros(1, 3, 8, 8)),
    (lambda t, F: lambda x: F.max_pool1d(x, 2), zeros(8)),
    (lambda t, F: lambda x: F.max_pool1d(x, 2, padding=2), zeros(1, 3, 8)),
    (lambda t, F: lambda x: F.max_pool1d(x, 3), zeros(1, 3, 2)),
    (lambda t, F: lambda x: F.max_pool1d(x, 0), zeros(1, 3, 8)),
    (lambda t, F: lambda x: F.avg_pool1d(x, 2), zeros(8)),
    (lambda t, F: lambda x: F.avg_pool2d(x, 2, divisor_override=0), zeros(1, 3, 8, 8)),
    (lambda t, F: lambda x: F.avg_pool2d(x, 3), zeros(1, 3, 2, 2)),
    (lambda t, F: lambda x: F.adaptive_avg_pool2d(x, 3), zeros(8, 8)),
    (lambda t, F: lambda x: F.adaptive_avg_pool2d(x, 3), zeros(1, 3, 0, 8)),
    (lambda t, F: lambda x: F.adaptive_avg_pool1d(x, 3), zeros(8)),
    (lambda t, F: lambda x: F.adaptive_avg_pool2d(x, 3), zeros(1, 3, 8, 8, dtype="int64")),
    (lambda t, F: lambda x: F.adaptive_max_pool2d(x, 3), zeros(1, 3, 0, 8)),
]


@pytest.mark.parametrize("case", BAD, ids=range(len(BAD)))
def test_errors(case) -> None:
    function, *inputs = case
    with pytest.raises(Exception) as theirs:
        function(torch, torch.nn.functional)(*[make(torch) for make in inputs])
    with pytest.raises(type(theirs.value)) as ours:
        function(pycore, F)(*[make(pycore) for make in inputs])
    assert str(ours.value).split("\n")[0] == str(theirs.value).split("\n")[0]
