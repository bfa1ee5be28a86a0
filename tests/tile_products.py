"""Products by tiles (AMX): bits against a plain reference, accuracy of float32 in bfloat16 parts.

For level amx, where the processor has tiles, and level amx_model, where a model of the instructions
takes their place in the same kernels; test_tile_products.py runs this file at the latter.
"""

from __future__ import annotations

import math
from itertools import product

import pytest

import pycore
import pycore.nn.functional as F

np = pytest.importorskip("numpy")

MODEL = pycore._C._isa() == "amx_model"
UNIT = 2.0**-24  # of a float32 rounding


def parts_of(x, parts: int):
    """float32 as `parts` bfloat16 numbers, each the nearest to what is left."""
    found = []
    for _ in range(parts):
        bits = x.view(np.uint32)
        near = ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view(np.float32)
        found.append(near)
        x = x - near
    return found


# The parts that are multiplied besides the largest ones, in this order.
SMALL = {1: [], 2: [(1, 0), (0, 1)], 3: [(1, 1), (1, 0), (2, 0), (0, 2), (0, 1)]}


def tile_product(a, b, parts: int = 1):
    """What tiles give for float32 arrays of bfloat16 values, one block along k, in plain NumPy.

    Products of bfloat16 are exact in float32, so that adding them rounds as often as tiles do.
    """
    depth = -a.shape[1] % 32
    a = np.pad(a, ((0, 0), (0, depth)))
    b = np.pad(b, ((0, depth), (0, 0)))
    a_parts, b_parts = parts_of(a, parts), parts_of(b, parts)
    total = np.zeros((a.shape[0], b.shape[1]), np.float32)
    for pairs, step in product((SMALL[parts], [(0, 0)]), range(0, a.shape[1], 32)):
        for x, y in pairs:
            sums = [np.zeros_like(total), np.zeros_like(total)]
            for k in range(step, step + 32):
                sums[k % 2] += a_parts[x][:, k, None] * b_parts[y][k]
            total += sums[0] + sums[1]
    return total


def laid_out(values, transposed: bool, dtype="float32"):
    """A tensor of these values whose rows or columns are contiguous."""
    values = np.ascontiguousarray(values.T if transposed else values)
    x = pycore.from_numpy(values).to(getattr(pycore, dtype))
    return x.t() if transposed else x


def path_of(call) -> str:
    with pycore.explain() as report:
        call()
    return " ".join(kernel for entry in report for kernel in entry.kernels)


EDGES = [1, 15, 16, 17, 31, 32, 33, 63, 64, 65]
SHAPES = [(m, EDGES[-1 - i], k) for i, m in enumerate(EDGES) for k in (1, 31, 33, 64, 129)]
SHAPES += [(40, 1100, 37), (2080, 20, 33), (70, 36, 700)]


@pytest.mark.skipif(not MODEL, reason="elsewhere other kernels take small products")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_bfloat16_bits(shape) -> None:
    m, n, k = shape
    rng = np.random.default_rng(m + n + k)
    a, b = (
        pycore.from_numpy(rng.standard_normal(size).astype("float32")).bfloat16().float().numpy()
        for size in ((m, k), (k, n))
    )
    want = pycore.from_numpy(tile_product(a, b)).bfloat16()
    for left, right in product((False, True), repeat=2):
        x, y = laid_out(a, left, "bfloat16"), laid_out(b, right, "bfloat16")
        assert pycore.equal(x @ y, want)


@pytest.mark.skipif(not MODEL, reason="elsewhere other kernels take small products")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_float32_bits(shape) -> None:
    m, n, k = shape
    rng = np.random.default_rng(m + n + k)
    a, b = (rng.standard_normal(size).astype("float32") for size in ((m, k), (k, n)))
    try:
        for parts, precision in ((1, "medium"), (2, "high"), (3, "highest")):
            pycore.set_float32_matmul_precision(precision)
            # A column of C is computed as a row of its transpose.
            transposed = n == 1 < m
            want = tile_product(b.T, a.T, parts).T if transposed else tile_product(a, b, parts)
            for left, right in product((False, True), repeat=2):
                x, y = laid_out(a, left), laid_out(b, right)
                assert (x @ y).numpy().tobytes() == want.tobytes()
            gaps = pycore.empty(m, 3 * k)[:, ::3]
            gaps.copy_(pycore.from_numpy(a))
            assert (gaps @ pycore.from_numpy(b)).numpy().tobytes() == want.tobytes()
    finally:
        pycore.set_float32_matmul_precision("highest")


def errors(got, a, b):
    """Errors in roundings of the sum of sizes of what is added up."""
    a, b = a.astype("float64"), b.astype("float64")
    return np.abs(got.astype("float64") - a @ b) / (np.abs(a) @ np.abs(b) + 1e-300) / UNIT


def plain(a, b):
    """float32 sums along k in blocks of 192, each step rounded once: a kernel without tiles."""
    total = np.zeros((a.shape[0], b.shape[1]), np.float32)
    for start in range(0, a.shape[1], 192):
        block = np.zeros_like(total)
        for k in range(start, min(start + 192, a.shape[1])):
            step = a[:, k, None].astype("float64") * b[k].astype("float64")
            block = (block.astype("float64") + step).astype("float32")
        total += block
    return total


def scaled(rng, size, low, high):
    """Normal numbers times powers of two from a range, every one its own."""
    return np.ldexp(rng.standard_normal(size), rng.integers(low, high + 1, size)).astype("float32")


def operands(kind, m, n, k):
    rng = np.random.default_rng(11)
    if kind == "normal":
        return scaled(rng, (m, k), 0, 0), scaled(rng, (k, n), 0, 0)
    if kind == "positive":
        return rng.random((m, k), "float32") + 1, rng.random((k, n), "float32") + 1
    if kind == "badly scaled":
        return scaled(rng, (m, k), -24, 24), scaled(rng, (k, n), -24, 24)
    if kind == "rows and columns scaled":
        rows, columns = (2.0 ** rng.integers(-30, 31, (s, 1)) for s in (m, n))
        a, b = rng.standard_normal((m, k)) * rows, rng.standard_normal((k, n)) * columns.T
        return a.astype("float32"), b.astype("float32")
    if kind == "cancelling":
        a, b = rng.standard_normal((m, k)), rng.standard_normal((k, n))
        a[:, 1::2] = a[:, 0 : k - k % 2 : 2] * (1 + 1e-5)
        b[1::2] = -b[0 : k - k % 2 : 2]
        return a.astype("float32"), b.astype("float32")
    uniform = [np.sign(rng.random(s) - 0.5) * (rng.random(s) + 1) for s in ((m, k), (k, n))]
    low, high = {"smallest products": (-47, -48), "smallest factor": (-98, 3),
                 "largest products": (59, 54), "largest factor": (125, -30)}[kind]  # fmt: skip
    return np.ldexp(uniform[0], low).astype("float32"), np.ldexp(uniform[1], high).astype("float32")


KINDS = [
    "normal", "positive", "badly scaled", "rows and columns scaled", "cancelling",
    "smallest products", "smallest factor", "largest products", "largest factor",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(300, 260, 130), (260, 300, 512), (256, 257, 1999)], ids=str)
def test_six_products_are_as_exact_as_float32(kind, shape) -> None:
    a, b = operands(kind, *shape)
    x, y = pycore.from_numpy(a), pycore.from_numpy(b)
    assert "amx, six" in path_of(lambda: x @ y)
    got, other = errors((x @ y).numpy(), a, b), errors(plain(a, b), a, b)
    # Roundings are fewer. The products left out are at most two roundings of a single term, which
    # shows in the largest error where few terms make up a sum (measured: up to 1.2 times).
    assert np.sqrt((got**2).mean()) <= np.sqrt((other**2).mean())
    assert got.max() <= 1.25 * other.max()


@pytest.mark.parametrize(
    "kind, value",
    [("denormal", 1e-40), ("tiny", 2.0**-99), ("huge", 3.3e38), ("infinite", math.inf),
     ("infinite", -math.inf), ("nan", math.nan)],
)  # fmt: skip
def test_values_that_do_not_split_go_another_way(kind, value) -> None:
    a, b = operands("normal", 300, 260, 140)
    for which in (a, b):
        before = which[7, 9]
        which[7, 9] = value
        x, y = pycore.from_numpy(a), pycore.from_numpy(b)
        assert "not amx" in path_of(lambda x=x, y=y: x @ y)
        got = (x @ y).numpy()
        with np.errstate(all="ignore"):
            want = a.astype("float64") @ b.astype("float64")
            want[np.abs(want) > 3.4028235677973366e38] *= math.inf
        assert (np.isnan(got) == np.isnan(want)).all()
        assert (got[np.isinf(want)] == want[np.isinf(want)]).all()
        finite = np.isfinite(want)
        size = np.abs(a.astype("float64")) @ np.abs(b.astype("float64"))
        error = np.abs(got[finite] - want[finite])
        assert (error <= 140 * UNIT * size[finite]).all()
        which[7, 9] = before
    zeros = pycore.zeros(140, 260)
    assert "amx, six" in path_of(lambda: x @ zeros)
    assert ((pycore.from_numpy(a) @ zeros) == 0).all()


def test_denormal_products_are_kept() -> None:
    a = pycore.full((256, 160), 1e-20)
    b = pycore.full((160, 256), 1e-20)  # 160 e-40: denormal, which tiles would make zero
    assert (a @ b).numpy() == pytest.approx(160e-40, rel=1e-4)
    a, b = pycore.full((256, 160), 1e-39), pycore.full((160, 256), 2.0)
    assert (a @ b).numpy() == pytest.approx(320e-39, rel=1e-4)


def test_sums_that_overflow_become_infinite() -> None:
    a, b = pycore.full((256, 256), 2.0**62), pycore.full((256, 256), 2.0**62)
    b[:, 3] = -b[:, 3]
    b[:, 4] = 0
    got = a @ b
    assert (got[:, 5] == math.inf).all() and (got[:, 3] == -math.inf).all()
    assert (got[:, 4] == 0).all()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_epilogues_batches_and_threads(dtype) -> None:
    kind = getattr(pycore, dtype)
    rng = np.random.default_rng(3)

    def make(*size):
        return pycore.from_numpy(rng.standard_normal(size).astype("float32")).to(kind)

    unit = UNIT if dtype == "float32" else 2.0**-8

    def check(got, want, size):
        assert got.dtype == kind
        bound = unit * np.abs(want) + 8 * UNIT * (size + np.abs(want))
        assert (np.abs(got.double().numpy() - want) <= bound).all()

    a, b, c, bias = make(290, 270), make(270, 275), make(290, 275), make(275)
    x, y = a.double().numpy(), b.double().numpy()
    exact, size = x @ y, np.abs(x) @ np.abs(y)
    check(F.linear(a, b.t(), bias), exact + bias.double().numpy(), size)
    check(F.linear(a, b.t().contiguous(), bias), exact + bias.double().numpy(), size)
    check(pycore.addmm(c, a, b), exact + c.double().numpy(), size)
    check(pycore.mm(a, b, out=pycore.empty(275, 290, dtype=kind).t()), exact, size)
    check(pycore.mm(a, b, out=pycore.empty(580, 550, dtype=kind)[::2, ::2]), exact, size)
    batch, other = make(3, 260, 256), make(3, 256, 258)
    x, y = batch.double().numpy(), other.double().numpy()
    check(batch @ other, x @ y, np.abs(x) @ np.abs(y))
    check(batch @ other[1], x @ y[1], np.abs(x) @ np.abs(y[1]))
    check(batch.transpose(1, 2) @ batch, x.transpose(0, 2, 1) @ x, 1e3)
    before = pycore.get_num_threads()
    try:
        pycore.set_num_threads(1)
        want = a @ b, F.linear(a, b.t(), bias), batch @ other
        pycore.set_num_threads(2)
        assert all(
            pycore.equal(one, two)
            for one, two in zip(want, (a @ b, F.linear(a, b.t(), bias), batch @ other), strict=True)
        )
    finally:
        pycore.set_num_threads(before)


def test_paths_are_named() -> None:
    a = pycore.ones(256, 256)
    assert "gemm float32 (amx, six bfloat16 products)" in path_of(lambda: a @ a)
    assert "gemm bfloat16 (amx)" in path_of(lambda: a.bfloat16() @ a.bfloat16())
    assert "gemm int32 (amx)" in path_of(
        lambda: pycore._int_mm(a.to(pycore.int8), a.to(pycore.int8))
    )
