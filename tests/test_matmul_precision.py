"""set_float32_matmul_precision: the setting, and errors of products under it at every level."""

from __future__ import annotations

import math

import pytest

import pycore
import pycore.nn.functional as F

np = pytest.importorskip("numpy")

ISA = pycore._C._isa()
HALVES = ISA.startswith("amx")  # has 'high'
ROUNDS = HALVES or ISA == "avx512_bf16"  # has 'medium'


@pytest.fixture(autouse=True)
def setting():
    yield
    pycore.set_float32_matmul_precision("highest")


def test_setting() -> None:
    assert pycore.get_float32_matmul_precision() == "highest"
    for precision in ("high", "medium", "highest", "high"):
        pycore.set_float32_matmul_precision(precision)
        assert pycore.get_float32_matmul_precision() == precision
    with pytest.warns(UserWarning, match="ieee is not one of 'highest', 'high', or 'medium'"):
        pycore.set_float32_matmul_precision("ieee")
    for bad in (None, 3):
        with pytest.raises(RuntimeError, match="expects a str, but got"):
            pycore.set_float32_matmul_precision(bad)
    assert pycore.get_float32_matmul_precision() == "high"


def rounded(x):
    """float32 as the nearest bfloat16."""
    return pycore.from_numpy(x).bfloat16().double().numpy()


def matrices(m, n, k):
    rng = np.random.default_rng(8)
    return (rng.standard_normal(size).astype("float32") for size in ((m, k), (k, n)))


# Blocked along k and not, edges of tiles; the smallest stay in float32 where that is faster.
SHAPES = [(57, 70, 64), (130, 300, 129), (300, 260, 700), (256, 256, 2100), (3, 40, 30)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_errors(shape) -> None:
    a, b = matrices(*shape)
    wide = a.astype("float64"), b.astype("float64")
    exact, size = wide[0] @ wide[1], np.abs(wide[0]) @ np.abs(wide[1])
    large = min(shape) > 128

    def products():
        x, y = pycore.from_numpy(a), pycore.from_numpy(b)
        bias = pycore.ones(shape[1])
        yield x @ y
        yield F.linear(x, y.t().contiguous(), bias) - 1
        yield pycore.addmm(bias, x, y) - 1
        yield pycore.einsum("ij,jk->ik", x, y)
        yield (x[None] @ y[None])[0]
        out = pycore.empty(shape[1], shape[0]).t()
        yield pycore.mm(x, y, out=out)

    def error(c, want):
        return np.abs(c.double().numpy() - want) / (size + 1)

    for c in products():
        assert error(c, exact).max() <= 8 * 2.0**-24
    pycore.set_float32_matmul_precision("high")
    for c in products():
        # Factors are right to 2^-17, and the product of their second parts, up to 2^-16, is missing.
        worst = error(c, exact).max()
        assert worst <= 2.0**-15
        assert (worst > 8 * 2.0**-24) == (HALVES and (large or ISA == "amx_model"))
    pycore.set_float32_matmul_precision("medium")
    rounds = ROUNDS and (min(shape) > 56 or ISA == "amx_model")
    want = rounded(a) @ rounded(b) if rounds else exact
    for c in products():
        assert error(c, want).max() <= 8 * 2.0**-24
        assert (error(c, exact).max() > 2.0**-12) == rounds


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_infinities_and_nan_stay_in_their_place(precision) -> None:
    pycore.set_float32_matmul_precision(precision)
    a, b = pycore.ones(260, 256), pycore.ones(256, 258)
    b[3, 7], b[49, 9], a[11, 49] = math.inf, math.nan, -math.inf
    got = a @ b
    assert (got[:11, 7] == math.inf).all() and pycore.isnan(got[:, 9]).all()
    assert pycore.isnan(got[11, 7]) and (got[11, :7] == -math.inf).all()
    assert (got[12:, :7] == 256).all()


def test_derivatives_follow_the_setting_and_other_dtypes_do_not() -> None:
    a, b = (pycore.from_numpy(x) for x in matrices(260, 257, 256))
    grads = []
    for precision in ("highest", "medium"):
        pycore.set_float32_matmul_precision(precision)
        x, y = a.clone().requires_grad_(), b.clone().requires_grad_()
        (x @ y).backward(pycore.ones(260, 257) / 3)
        grads.append((x.grad, y.grad))
        assert pycore.allclose(a.double() @ b.double(), (a @ b).double(), atol=0.5)
    for one, two in zip(*grads, strict=True):
        assert pycore.equal(one, two) != ROUNDS
    wide = a.double() @ b.double()
    images = pycore.ones(2, 16, 9, 9) / 3
    conv = F.conv2d(images, images[:, :, :3, :3])
    pycore.set_float32_matmul_precision("highest")
    assert pycore.equal(wide, a.double() @ b.double())
    assert pycore.equal(conv, F.conv2d(images, images[:, :, :3, :3]))


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_threads_do_not_change_bits(precision) -> None:
    pycore.set_float32_matmul_precision(precision)
    a, b = (pycore.from_numpy(x) for x in matrices(300, 280, 1500))
    before = pycore.get_num_threads()
    try:
        pycore.set_num_threads(1)
        want = a @ b
        pycore.set_num_threads(2)
        assert pycore.equal(a @ b, want)
    finally:
        pycore.set_num_threads(before)


def test_paths_are_named() -> None:
    pycore.set_float32_matmul_precision("medium")
    x = pycore.ones(256, 256)
    with pycore.explain() as report:
        x @ x
    path = report.entries[0].kernels[0]
    assert ("one bfloat16 product" in path) == HALVES
    assert ("rounded to bfloat16" in path) == (ISA == "avx512_bf16")
