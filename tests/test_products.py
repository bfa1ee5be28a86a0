"""Matrix products, convolutions, pooling: both derivatives, integers, odd shapes, out=."""

from __future__ import annotations

import math

import pytest
from products import CONVOLUTIONS, MIN_POOLS, POOLS, PRODUCTS, Sample
from spatial import SPATIAL

import pycore
import pycore.nn.functional as F
from pycore.autograd import gradcheck, gradgradcheck

np = pytest.importorskip("numpy")


def first(result):
    return result[0] if isinstance(result, (tuple, list)) else result


@pytest.mark.parametrize("sample", PRODUCTS + CONVOLUTIONS + POOLS + MIN_POOLS + SPATIAL, ids=str)
def test_derivatives(sample: Sample) -> None:
    rng = np.random.default_rng(3)
    inputs = []
    for shape in sample.shapes:
        # Distinct, well separated values: finite differences must not change which one is largest.
        values = rng.permutation(math.prod(shape)) / 7 + 0.1
        inputs.append(
            pycore.tensor(values.tolist(), dtype=pycore.float64).reshape(shape).requires_grad_()
        )

    def call(*args):
        return first(sample.call(pycore, F, *args))

    assert gradcheck(call, inputs)
    assert gradgradcheck(call, inputs)


# Every path of the kernels: tiny, one row, one column, skinny, blocked; each operand plain,
# transposed or with gaps.
SHAPES = [
    (1, 8, 8), (8, 1, 8), (1, 84, 120), (84, 1, 120), (1, 300, 70), (3, 5, 7), (7, 33, 65),
    (15, 16, 17),
    (64, 10, 84), (64, 100, 200), (33, 47, 600), (300, 40, 20),
    (129, 130, 131), (13, 14, 1), (2, 600, 300),
]  # fmt: skip


def laid_out(rng, shape, layout, dtype):
    if layout == "t":
        return pycore.from_numpy(rng(shape[::-1]).astype(dtype)).t()
    if layout == "gaps":
        return pycore.from_numpy(rng((shape[0] * 2, shape[1] * 3)).astype(dtype))[::2, ::3]
    return pycore.from_numpy(rng(shape).astype(dtype))


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "int64", "int32", "int16", "int8", "uint8"]
)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_mm_against_numpy(shape, dtype) -> None:
    m, n, k = shape
    generator = np.random.default_rng(5)
    if dtype.startswith("float"):
        rng = generator.standard_normal
        tolerance = 1e-4 if dtype == "float32" else 1e-12
    else:
        tolerance = 0

        def rng(size):
            return generator.integers(0, 100, size)

    for left in ("plain", "t", "gaps"):
        for right in ("plain", "t", "gaps"):
            a = laid_out(rng, (m, k), left, dtype)
            b = laid_out(rng, (k, n), right, dtype)
            expected = np.matmul(a.numpy(), b.numpy())
            got = pycore.mm(a, b).numpy()
            assert np.allclose(got, expected, rtol=tolerance, atol=tolerance * math.sqrt(k)), (
                left,
                right,
            )


@pytest.mark.parametrize(
    "m, n, k, layout",
    [
        (128, 160, 4096, "plain"),  # tiles, everything packed
        (20, 96, 4096, "plain"),  # tiles that read B as it lies
        (300, 8, 4096, "plain"),  # tiles that read A as it lies, and narrow ones
        (7, 1024, 4096, "plain"),  # rows of B spread over sums
        (1, 64, 1024, "plain"),  # one row
        (1, 64, 60000, "t"),  # dot products
        (7, 90, 20000, "t"),
    ],
)
def test_errors_of_long_sums_grow_slowly(m, n, k, layout) -> None:
    """One accumulator over all of k would have two to four times these errors."""
    rng = np.random.default_rng(7).standard_normal
    a, b = laid_out(rng, (m, k), "plain", "float32"), laid_out(rng, (k, n), layout, "float32")
    c, bias = laid_out(rng, (m, n), "plain", "float32"), rng(n).astype("float32")
    product = a.double().numpy() @ b.double().numpy()
    for got, exact in (
        (a @ b, product),
        (pycore.addmm(c, a, b), product + c.numpy()),
        (F.linear(a, b.t(), pycore.from_numpy(bias)), product + bias),
    ):
        error = np.linalg.norm(got.numpy() - exact) / np.linalg.norm(exact)
        assert error < 3.6e-7


def test_threads_do_not_change_bits() -> None:
    generator = np.random.default_rng(6)

    def make(*shape):
        return pycore.from_numpy(generator.standard_normal(shape).astype("float32"))

    a, b = make(300, 400), make(400, 500)
    x, w, g = make(9, 6, 20, 20), make(16, 6, 3, 3), make(9, 16, 18, 18)
    before = pycore.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            pycore.set_num_threads(threads)
            leaves = [t.clone().requires_grad_() for t in (x, w)]
            y = F.max_pool2d(F.conv2d(*leaves), 1)
            y.backward(g)
            results.append([(a @ b), y.detach(), leaves[0].grad, leaves[1].grad])
    finally:
        pycore.set_num_threads(before)
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=False):
            assert one.numpy().tobytes() == two.numpy().tobytes()


@pytest.mark.parametrize("shape", [(230, 90, 70), (700, 150, 1100), (61, 1500, 300)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_how_rows_are_shared_out_does_not_change_bits(shape, dtype) -> None:
    m, n, k = shape
    rng = np.random.default_rng(8).standard_normal
    kind = getattr(pycore, dtype)
    a, b, c = (
        laid_out(rng, size, layout, "float64").to(kind)
        for size, layout in (((m, k), "t"), ((k, n), "plain"), ((m, n), "plain"))
    )
    before = pycore.get_num_threads()
    results = set()
    try:
        for threads in (1, 2, 3, 8):
            pycore.set_num_threads(threads)
            results.add(pycore.addmm(c, a, b).to(pycore.float64).numpy().tobytes())
    finally:
        pycore.set_num_threads(before)
    assert len(results) == 1


# Layers on some rows are computed as C^T = W x^T while gradients are recorded, and else with panels
# of the weight that are kept: rows by columns by k around tiles, vectors, chains and blocks.
TURNED = [
    (15, 64, 192), (25, 1000, 193), (32, 130, 64), (33, 97, 400), (47, 129, 768), (63, 50, 769),
    (64, 10, 256), (64, 113, 784), (64, 300, 1025), (65, 257, 300), (100, 31, 2000), (250, 77, 999),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", TURNED, ids=str)
def test_recorded_and_other_layers_have_the_same_bits(shape, dtype) -> None:
    m, n, k = shape
    rng = np.random.default_rng(m)
    x, w, b = (
        pycore.from_numpy(rng.standard_normal(size).astype(dtype)) for size in ((m, k), (n, k), n)
    )
    exact = x.double().numpy() @ w.double().numpy().T
    threads = pycore.get_num_threads()
    for bias in (None, b):
        with pycore.no_grad():
            F.linear(x, w, bias)
            kept = F.linear(x, w, bias)  # the second use keeps panels
        want = exact if bias is None else exact + b.double().numpy()
        assert np.abs(kept.numpy() - want).max() < (2e-4 if dtype == "float32" else 1e-12)
        for count in (1, 2):
            pycore.set_num_threads(count)
            try:
                recorded = F.linear(x, w.detach().clone().requires_grad_(), bias)
            finally:
                pycore.set_num_threads(threads)
            assert np.array_equal(recorded.detach().numpy(), kept.numpy()), (count, bias is None)
    # A batch whose rows lie apart, and infinities where they belong.
    wide = pycore.empty(m, k + 3, dtype=x.dtype)
    wide[:, :k] = x
    leaf = w.detach().clone().requires_grad_()
    assert np.array_equal(F.linear(wide[:, :k], leaf, b).detach().numpy(), kept.numpy())
    x[3, 5] = math.inf
    x[m - 1, k - 1] = math.nan
    got = F.linear(x, leaf, b).detach().numpy()
    assert not np.isfinite(got[3]).any() and np.isnan(got[m - 1]).all()
    others = [i for i in range(m) if i not in (3, m - 1)]
    assert np.allclose(got[others], kept.numpy()[others], rtol=0, atol=2e-4)


@pytest.mark.skipif(pycore._C._isa().startswith("amx"), reason="tiles take it")
def test_recorded_layers_of_some_rows_are_turned() -> None:
    layer = pycore.nn.Linear(784, 256)
    x = pycore.randn(64, 784)
    with pycore.explain() as report:
        layer(x)
    assert "transposed result" in str(report)


def test_out_and_in_place() -> None:
    a, b = pycore.ones(2, 3), pycore.ones(3, 4)
    out = pycore.empty(0)
    assert pycore.mm(a, b, out=out) is out
    assert out.tolist() == [[3.0] * 4] * 2
    c = pycore.ones(2, 4)
    c.addmm_(a, b, beta=2)
    assert c.tolist() == [[5.0] * 4] * 2


def test_beta_zero_ignores_nan() -> None:
    c = pycore.full((2, 2), math.nan)
    assert pycore.addmm(c, pycore.eye(2), pycore.eye(2), beta=0).tolist() == [
        [1.0, 0.0],
        [0.0, 1.0],
    ]


def test_nan_and_infinity_stay_in_their_place() -> None:
    x = pycore.zeros(1, 1, 20, 20)
    x[0, 0, 3, 4] = math.inf
    y = F.conv2d(x, pycore.ones(1, 1, 3, 3), padding=1)
    assert pycore.isinf(y).sum().item() == 9


def test_pooling_of_nan_and_of_integers() -> None:
    x = pycore.tensor([[[1.0, math.nan, 2.0, 3.0]]])
    y, i = F.max_pool1d(x, 2, return_indices=True)
    assert math.isnan(y[0, 0, 0].item()) and y[0, 0, 1].item() == 3.0
    assert i.tolist() == [[[1, 3]]]
    z = pycore.tensor([[[[5, 1], [2, 9]]]])
    assert F.max_pool2d(z, 2).tolist() == [[[[9]]]]
    assert F.min_pool2d(z, 2).tolist() == [[[[1]]]]


def test_tensordot_and_chain() -> None:
    a, b = pycore.arange(24.0).reshape(2, 3, 4), pycore.arange(12.0).reshape(4, 3)
    expected = np.tensordot(a.numpy(), b.numpy(), axes=([1, 2], [1, 0]))
    assert np.allclose(pycore.tensordot(a, b, dims=([1, 2], [1, 0])).numpy(), expected)
    assert pycore.tensordot(a, b, dims=1).shape == (2, 3, 3)
    assert pycore.einsum(a, [0, 1, 2], b, [2, 1], [0]).shape == (2,)
