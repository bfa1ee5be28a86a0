"""Products of 16-bit floats: exact factors, float32 sums, one rounding; and long rows in float32.

Every path of the kernels: rows read as they lie, few rows, factors widened as they are read or
before, left operands that fit into the cache and that do not, blocked along k and not; edges of
tiles.
"""

from __future__ import annotations

import math
from itertools import product

import pytest

import pycore
import pycore.nn.functional as F

np = pytest.importorskip("numpy")

UNIT = {"bfloat16": 2.0**-8, "float16": 2.0**-11, "float32": 2.0**-24}
SHAPES = [
    (1, 1, 1), (1, 64, 33), (1, 1030, 300), (2, 3, 5), (3, 700, 129), (5, 33, 64), (7, 17, 31),
    (8, 513, 66), (9, 100, 65), (14, 32, 2), (15, 31, 1), (28, 64, 300), (57, 65, 517),
    (60, 33, 1600), (130, 70, 1100), (4, 1, 100), (100, 1, 50), (1, 3, 0), (60, 3, 0), (1800, 20, 5),
    (1, 1100, 203), (1, 5, 26000), (3, 40, 3100), (60, 33, 3300), (600, 1060, 500), (700, 70, 900),
    (2, 512, 500), (3, 1037, 300), (8, 2048, 130), (11, 272, 400), (26, 530, 200), (100, 53, 37),
    (64, 64, 64), (16, 16, 16), (7, 11, 300), (90, 90, 90),
]  # fmt: skip


def matrix(generator, rows, columns, transposed, dtype):
    size = (columns, rows) if transposed else (rows, columns)
    values = pycore.from_numpy(generator.standard_normal(size)).to(getattr(pycore, dtype))
    return values.t() if transposed else values


def check(got, want, size, k, dtype) -> None:
    """`size` bounds the sum's terms: the error of a float32 sum is relative to them."""
    bound = UNIT[dtype] * np.abs(want) + 2.0**-23 * max(8.0, math.sqrt(k)) * size + 1e-30
    error = np.abs(got.double().numpy() - want)
    assert (error <= bound).all(), (error / bound).max()


@pytest.mark.parametrize("dtype", UNIT)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_products_are_rounded_once(shape, dtype) -> None:
    m, n, k = shape
    generator = np.random.default_rng(5)
    c, bias = matrix(generator, m, n, False, dtype), matrix(generator, 1, n, False, dtype)[0]
    start, row = c.double().numpy(), bias.double().numpy()
    before = pycore.get_num_threads()
    for left, right in product((False, True), repeat=2):
        a, b = matrix(generator, m, k, left, dtype), matrix(generator, k, n, right, dtype)
        exact = a.double().numpy() @ b.double().numpy()
        size = np.abs(a.double().numpy()) @ np.abs(b.double().numpy())
        got = a @ b
        assert got.dtype == a.dtype
        check(got, exact, size, k, dtype)
        check(F.linear(a, b.t(), bias), exact + row, size + np.abs(row), k, dtype)
        check(pycore.addmm(c, a, b), exact + start, size + np.abs(start), k, dtype)
        try:
            pycore.set_num_threads(3 - min(before, 2))
            assert pycore.equal(a @ b, got)
        finally:
            pycore.set_num_threads(before)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_batches_gaps_and_out(dtype) -> None:
    generator = np.random.default_rng(6)
    kind = getattr(pycore, dtype)
    a = pycore.from_numpy(generator.standard_normal((3, 2, 10, 24))).to(kind)
    b = pycore.from_numpy(generator.standard_normal((2, 24, 18))).to(kind)
    check(a @ b, a.double().numpy() @ b.double().numpy(), 100.0, 24, dtype)
    x, y = a[0, 0, ::2, ::3], b[1, ::3, ::2]
    exact = x.double().numpy() @ y.double().numpy()
    check(x @ y, exact, 100.0, 8, dtype)
    out = pycore.empty(18, 10, dtype=kind)[::2, ::2].t()
    check(pycore.mm(x, y, out=out), exact, 100.0, 8, dtype)
    v = b[0, :, 3]
    check(pycore.mv(a[0, 0], v), a[0, 0].double().numpy() @ v.double().numpy(), 100.0, 24, dtype)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "int8"])
@pytest.mark.parametrize("shape", [(2, 48, 30), (6, 33, 40), (14, 32, 9), (16, 64, 200), (30, 35, 70), (90, 70, 900)])  # fmt: skip
def test_windows_of_larger_matrices(dtype, shape) -> None:
    """Rows that others follow may be read beyond their end, the last one of the memory may not."""
    m, n, k = shape
    generator = np.random.default_rng(8)
    multiply = pycore._int_mm if dtype == "int8" else pycore.mm

    def window(rows, columns, transposed):
        height, width = (columns, rows) if transposed else (rows, columns)
        whole = pycore.from_numpy(generator.integers(-9, 9, (height, width + 5)).astype("float32"))
        part = whole.to(getattr(pycore, dtype))[:, 5:]
        return part.t() if transposed else part

    for left, right in product((False, True), repeat=2):
        a, b = window(m, k, left), window(k, n, right)
        exact = a.double().numpy() @ b.double().numpy()
        check(multiply(a, b), exact, 81.0 * k, k, "float32" if dtype == "int8" else dtype)
        assert pycore.equal(multiply(a, b), multiply(a, b))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("rows", [1, 4, 20, 70])
def test_infinity_and_nan_stay_in_their_place(dtype, rows) -> None:
    kind = getattr(pycore, dtype)
    for transposed in (False, True):
        a, b = pycore.ones(rows, 50, dtype=kind), pycore.ones(50, 40, dtype=kind)
        b = b.t().contiguous().t() if transposed else b
        b[3, 7], b[49, 9] = math.inf, math.nan
        a[rows - 1, 49] = -math.inf
        got = (a @ b).float()
        assert pycore.isinf(got[: rows - 1, 7]).all() and pycore.isnan(got[:, 9]).all()
        assert pycore.isnan(got[rows - 1, 7])
        assert (got[: rows - 1, :7] == 50).all() and (got[rows - 1, :7] == -math.inf).all()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_bytes(shape) -> None:
    m, n, k = shape
    generator = np.random.default_rng(7)
    for left, right in product((False, True), repeat=2):
        x = generator.integers(-128, 128, (k, m) if left else (m, k))
        y = generator.integers(-128, 128, (n, k) if right else (k, n))
        a = pycore.from_numpy(x.astype("int8")).t() if left else pycore.from_numpy(x.astype("int8"))
        b = pycore.from_numpy(y.astype("int8"))
        b = b.t() if right else b
        exact = (x.T if left else x) @ (y.T if right else y)
        got = pycore._int_mm(a, b)
        assert got.dtype == pycore.int32
        assert (got.numpy() == exact).all()
        assert pycore.equal(
            pycore._int_mm(a.to(pycore.uint8), b), a.to(pycore.uint8).int() @ b.int()
        )
        out = pycore.empty(n, m, dtype=pycore.int32).t()
        assert (pycore._int_mm(a, b, out=out).numpy() == exact).all()


def test_bytes_at_the_ends_of_their_range() -> None:
    for x, y in product((-128, 127), repeat=2):
        for rows in (1, 20, 80):
            a = pycore.full((rows, 1030), x, dtype=pycore.int8)
            b = pycore.full((33, 1030), y, dtype=pycore.int8).t()
            assert (pycore._int_mm(a, b) == 1030 * x * y).all()


def test_bytes_wrap_only_if_the_result_does() -> None:
    for rows in (1, 20):
        a = pycore.full((rows, 70000), 127, dtype=pycore.int8)
        b = pycore.full((5, 70000), -128, dtype=pycore.int8).t()
        assert (pycore._int_mm(a, b) == -128 * 127 * 70000).all()


def test_bytes_are_checked() -> None:
    a = pycore.ones(2, 3, dtype=pycore.int8)
    with pytest.raises(RuntimeError, match="size\\(1\\) needs to match"):
        pycore._int_mm(a, a)
    with pytest.raises(RuntimeError, match="Expected self dtype to be int8 or uint8 but got float"):
        pycore._int_mm(a.float(), a.t())
    with pytest.raises(RuntimeError, match="Expected mat2 dtype to be of type int8 but got int"):
        pycore._int_mm(a, a.t().int())
    with pytest.raises(RuntimeError, match="dimension 2 but got 1"):
        pycore._int_mm(a, a[0])


@pytest.mark.parametrize("dtype", UNIT)
@pytest.mark.parametrize("shape", [(1037, 523), (530, 1100), (2100, 520), (16, 66000)], ids=str)
def test_matrices_read_from_either_end(shape, dtype) -> None:
    """A matrix larger than the nearest cache is read forwards and backwards in turn; its parts,
    which are small, are always read forwards."""
    generator = np.random.default_rng(6)
    weight = matrix(generator, *shape, False, dtype)
    x, y = (matrix(generator, 1, n, False, dtype) for n in shape[::-1])
    part = 60000 // shape[1] + 1
    rows = range(0, shape[0], part)
    columns = range(0, shape[1], 60000 // shape[0] + 1)
    by_row = pycore.cat([x @ weight[i : i + part].t() for i in rows], 1).double().numpy()
    by_column = (
        pycore.cat([y @ weight[:, j : j + columns.step] for j in columns], 1).double().numpy()
    )
    before = pycore.get_num_threads()
    first: dict[int, list] = {}
    try:
        for threads in (1, 2, 1, 2, 2, 1):
            pycore.set_num_threads(threads)
            for i, got in enumerate(
                (x @ weight.t(), (weight @ x[0]), y @ weight, weight.t() @ y[0])
            ):
                first.setdefault(i, got.double().numpy())
                assert np.array_equal(first[i], got.double().numpy())
    finally:
        pycore.set_num_threads(before)
    assert np.array_equal(first[0], by_row)
    if dtype != "float32":  # few columns of float32 take another path
        assert np.array_equal(first[2], by_column)
