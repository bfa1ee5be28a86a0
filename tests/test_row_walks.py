"""Element-wise calls on transposed and broadcast operands, and rows copied or picked in blocks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import pycore


def equal(got: pycore.Tensor, want: np.ndarray) -> None:
    assert tuple(got.shape) == want.shape
    assert np.array_equal(got.numpy(), want)


@pytest.mark.parametrize("shape", [(130, 140), (8, 2100), (2100, 17), (3, 70, 90), (2, 5, 260, 33)])
@pytest.mark.parametrize(
    "dtypes", [("float32",) * 2, ("float64", "float32"), ("uint8",) * 2, ("int16", "float32")]
)
def test_transposed_operands(
    shape: tuple[int, ...], dtypes: tuple[str, str], threads: None
) -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 100, shape).astype(dtypes[0])
    y = rng.integers(0, 100, shape).astype(dtypes[1])
    a, b = pycore.from_numpy(x), pycore.from_numpy(y)
    for i, j in itertools.combinations(range(len(shape)), 2):
        xt, at = x.swapaxes(i, j), a.transpose(i, j)
        bt = b.transpose(i, j).contiguous()
        equal(at + bt, xt + y.swapaxes(i, j))
        equal(bt * at, y.swapaxes(i, j) * xt)
        equal(at + b.transpose(i, j), xt + y.swapaxes(i, j))
        equal(at + at[:1], xt + xt[:1])
        equal(at.double(), xt.astype("float64"))
        equal(
            pycore.where(at > 50, at, bt.to(at.dtype)),
            np.where(xt > 50, xt, y.swapaxes(i, j)).astype(x.dtype),
        )
        equal(at.flip(0)[1:] + bt[1:], xt[::-1][1:] + y.swapaxes(i, j)[1:])
        target = bt.to(pycore.float64)
        target[1:].add_(at[1:])
        equal(target[1:], (xt[1:] + y.swapaxes(i, j)[1:].astype("float64")))


def test_broadcast_rows(threads: None) -> None:
    rng = np.random.default_rng(2)
    for n in (1, 3, 16, 17, 127, 128, 129, 130, 191, 1000, 4099):
        row = rng.standard_normal(n).astype("float32")
        t = pycore.from_numpy(row.copy())
        equal(t.expand(70, n).contiguous(), np.broadcast_to(row, (70, n)))
        wide = pycore.zeros(70, n + 5)
        wide[:, 2 : n + 2] = t
        equal(wide[:, 2 : n + 2], np.broadcast_to(row, (70, n)))
        assert float(wide[:, :2].abs().sum() + wide[:, n + 2 :].abs().sum()) == 0.0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_and_columns_of_any_length(dtype: str, threads: None) -> None:
    """A number per row against a row, from one lane to groups of registers and what is left."""
    rng = np.random.default_rng(7)
    calls = {
        "add": np.add,
        "sub": np.subtract,
        "mul": np.multiply,
        "div": np.divide,
        "maximum": np.maximum,
        "minimum": np.minimum,
    }
    column = rng.standard_normal((5, 1)).astype(dtype)
    column[2] = np.nan
    for n in (*range(1, 70), 127, 128, 129, 255, 1000, 1027):
        row = rng.standard_normal(n + 1).astype(dtype)[1:]  # at an odd place
        c, r = pycore.from_numpy(column), pycore.from_numpy(row)
        for name, want in calls.items():
            call = getattr(pycore, name)
            with np.errstate(all="ignore"):
                for got, expected in (
                    (call(c, r), want(column, row)),
                    (call(r, c), want(row, column)),
                    (call(c, c.expand(5, n)), want(column, np.repeat(column, n, 1))),
                    (call(r.expand(5, n), r), want(np.repeat(row[None], 5, 0), row)),
                ):
                    assert np.array_equal(got.numpy(), expected, equal_nan=True), (name, n)
        wide = pycore.zeros(5, n + 2).to(c.dtype)
        wide[:, 1:-1].sub_(c).mul_(r)
        want = np.zeros((5, n + 2), dtype)
        want[:, 1:-1] = -column * row
        assert np.array_equal(wide.numpy(), want, equal_nan=True)


def test_cat_of_many_rows(threads: None) -> None:
    rng = np.random.default_rng(3)
    for width in (1, 5, 60, 250, 5000):
        parts = [rng.standard_normal((90, width + k)).astype("float32") for k in range(3)]
        equal(pycore.cat([pycore.from_numpy(p.copy()) for p in parts], 1), np.concatenate(parts, 1))


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "float64"])
def test_running_extremes_along_rows(dtype: str, threads: None) -> None:
    rng = np.random.default_rng(4)
    for n in (1, 31, 32, 33, 64, 65, 100, 1000):
        x = rng.integers(0, 50, (40, n)).astype(dtype)
        x[1] = np.arange(n)
        x[2] = x[2, 0]
        if dtype.startswith("float"):
            x[3, n // 2] = np.nan
            x[4, 0] = np.nan
        for name, better in (("cummax", np.greater_equal), ("cummin", np.less_equal)):
            values, places = getattr(pycore.from_numpy(x.copy()), name)(1)
            best, at = x[:, 0].copy(), np.zeros(40, "int64")
            for i in range(n):
                new = np.isnan(x[:, i]) | (~np.isnan(best) & better(x[:, i], best))
                best = np.where(new, x[:, i], best)
                at = np.where(new, i, at)
                assert np.array_equal(values[:, i].numpy(), best, equal_nan=dtype[0] == "f")
                assert np.array_equal(places[:, i].numpy(), at)


def test_places_are_checked_before_they_are_read(threads: None) -> None:
    x = pycore.arange(100_000)
    good = pycore.randint(0, 100_000, (70_000,))
    assert bool((x.index_select(0, good) == good).all())
    assert bool((x.gather(0, good) == good).all())
    for bad in (-1, 100_000, 1 << 40, -(1 << 50)):
        for place in (0, 16_384, 69_999):
            index = good.clone()
            index[place] = bad
            with pytest.raises(IndexError, match=f"index_select got index {bad} "):
                x.index_select(0, index)
            with pytest.raises(RuntimeError, match=f"index {bad} is out of bounds"):
                x.gather(0, index)
            rows, at = x[:70_000].reshape(700, 100), good % 100
            at[place] = bad
            for dim in (0, 1):
                with pytest.raises(RuntimeError, match=f"index {bad} is out of bounds"):
                    rows.gather(dim, at.reshape(700, 100))


def test_rows_added_and_picked() -> None:
    rng = np.random.default_rng(5)
    for width in (1, 8, 33, 300):
        x = rng.integers(0, 9, (50, width)).astype("float32")
        index = rng.integers(0, 50, 200)
        source = rng.integers(0, 9, (200, width)).astype("float32")
        want = x.copy()
        np.add.at(want, index, source)
        t, i = pycore.from_numpy(x), pycore.from_numpy(index)
        equal(t.index_add(0, i, pycore.from_numpy(source)), want)
        equal(t.index_select(0, i), x[index])


def test_three_operands_in_every_layout() -> None:
    draw = np.random.default_rng(9)
    shape = (7, 133)

    def array(*size):
        return draw.standard_normal(size)

    layouts = {
        "dense": lambda: array(*shape),
        "row": lambda: array(shape[1]),
        "column": lambda: array(shape[0], 1),
        "transposed": lambda: array(*shape[::-1]).T,
        "every second": lambda: array(shape[0], 2 * shape[1])[:, ::2],
        "every fourth": lambda: array(shape[0], 4 * shape[1])[:, ::4],
    }
    for names in itertools.product(layouts, repeat=3):
        x, y, z = (layouts[name]() for name in names)
        a, b, c = (pycore.from_numpy(v) for v in (x, y, z))
        got = pycore.addcmul(a, b, c, value=0.5).numpy()
        assert np.allclose(got, x + 0.5 * y * z, rtol=1e-13, atol=1e-13), names
        assert np.allclose(pycore.lerp(a, b, c).numpy(), x + z * (y - x), rtol=1e-12, atol=1e-12)
