"""Reductions over every set of dimensions, of every layout: the sums of integers are exact."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import pycore

ALL = {n: [d for k in range(n + 1) for d in itertools.combinations(range(n), k)] for n in range(6)}
SHAPES = [(17, 15, 65), (64, 3, 16), (2, 18, 33), (40, 16), (2, 3, 17, 18), (16, 2, 1, 20)]
DTYPES = ["float64", "float32", "bfloat16", "float16", "int64", "int32", "int16", "uint8", "bool"]


def layouts(array: np.ndarray, dtype: pycore.dtype):
    """The array as tensors of every order of strides, then cut out and stepped through."""
    n = array.ndim
    for order in list(itertools.permutations(range(n)))[:: 13 if n > 4 else 1]:
        back = [order.index(d) for d in range(n)]
        yield pycore.tensor(array.transpose(order).copy(), dtype=dtype).permute(back)
    wide = pycore.tensor(np.pad(array, [(1, 2)] * n), dtype=dtype)
    yield wide[tuple(slice(1, -2) for _ in range(n))]
    for step in (2, 3, 4):
        yield pycore.tensor(array.repeat(step, axis=n - 1), dtype=dtype)[..., ::step]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_every_layout(shape, dtype, threads):
    array = np.random.default_rng(0).integers(-8, 9, shape)
    for x in layouts(array, getattr(pycore, dtype)):
        for dims in ALL[len(shape)]:
            want = array.sum(dims or None)
            assert np.array_equal(x.sum(dims or None).numpy(), want), (x.stride(), dims)
            if dims:
                assert np.array_equal(x.amax(dims).numpy(), array.max(dims)), (x.stride(), dims)
        assert x.max() == array.max() and bool(x.any())
        assert x.argmin() == array.argmin()
        if dtype != "int64":
            np.testing.assert_allclose(x.var(0).numpy(), array.var(0, ddof=1), rtol=1e-5)
            np.testing.assert_allclose(x.norm().item(), np.sqrt((array**2).sum()), rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5, 3, 9), (300, 4), (4, 300), (2, 3, 2, 3, 5)], ids=str)
def test_every_reduction(shape, dtype, threads):
    array = np.random.default_rng(1).integers(0, 3, shape)
    if dtype == "bool":
        array = (array > 0).astype(np.int64)
    floating = "float" in dtype
    for x in layouts(array, getattr(pycore, dtype)):
        for d in range(len(shape)):
            at = (x.stride(), d)
            value, place = x.max(d)
            assert np.array_equal(value.to(pycore.int64).numpy(), array.max(d)), at
            assert np.array_equal(place.numpy(), array.argmax(d)), at
            if dtype != "bool":
                assert np.array_equal(x.argmin(d).numpy(), array.argmin(d)), at
            assert np.array_equal(x.all(d).numpy(), array.all(d)), at
        for dims in ALL[len(shape)][1:]:
            at = (x.stride(), dims)
            assert np.array_equal(x.any(dims).numpy(), array.any(dims)), at
            count = pycore.count_nonzero(x, dims).numpy()
            assert np.array_equal(count, (array != 0).sum(dims)), at
            total = x.sum(dims)
            if total.max() <= 256:  # exact in every type
                assert np.array_equal(total.to(pycore.int64).numpy(), array.sum(dims)), at
            if floating and dtype != "bfloat16":
                tolerance = 2e-3 if dtype == "float16" else 1e-5
                for got, want in [
                    (x.mean(dims), array.mean(dims)),
                    (x.var(dims, correction=0), array.var(dims)),
                    (x.norm(dim=dims), np.sqrt((array**2.0).sum(dims))),
                    (x.logsumexp(dims), np.log(np.exp(array).sum(dims))),
                ]:
                    got = got.to(pycore.float64).numpy()
                    np.testing.assert_allclose(got, want, rtol=tolerance, err_msg=str(at))
        if dtype != "bool":
            assert x.argmax() == array.argmax()
        assert x.sum().to(pycore.float64).item() == pytest.approx(array.sum(), rel=4e-3)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_threads_give_equal_bits(dtype):
    base = pycore.rand(260, 520).to(getattr(pycore, dtype))
    views = [base, base.t(), base[:, ::2], base[:, 3:300], base.view(20, 13, 520).transpose(0, 1)]
    views += [base.view(20, 13, 520), base.view(260, 8, 65)[:, 1:]]
    views += [base[0].expand(260, 520), base[:, :1].expand(260, 520), base.reshape(-1, 4)]

    def results():
        out = [x.sum() for x in views] + [x.var() for x in views]
        out += [f((0, -1)) for x in views for f in (x.sum, x.amax, x.std, x.logsumexp)]
        for x in views:
            for d in (0, -1):
                out += [x.sum(d), x.prod(d), x.amax(d), x.std(d), x.logsumexp(d), *x.max(d)]
        return out

    before = pycore.get_num_threads()
    try:
        pycore.set_num_threads(1)
        one = results()
        pycore.set_num_threads(2)
        two = results()
    finally:
        pycore.set_num_threads(before)
    assert all(pycore.equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("n", [33, 130, 700, 40_000])
def test_pieces_between_those_of_other_rows(n, dtype, threads):
    """Over the first and the last dimension: pieces are read in the order of memory."""
    array = np.random.default_rng(2).integers(0, 9, (80_000 // n, 2, 3, n)[-4:])
    array[0, 1, 2, n // 2] = 200
    x = pycore.tensor(array, dtype=getattr(pycore, dtype))
    for cut, want in [
        (x, array),
        (x[:, :, 1:], array[:, :, 1:]),
        (x[..., 1:-2], array[..., 1:-2]),
        (x[::2, :, :, 1:], array[::2, :, :, 1:]),
        (x.transpose(0, 1), array.swapaxes(0, 1)),
        (x.transpose(1, 2), array.swapaxes(1, 2)),
    ]:
        for dims in [(0, 3), (1, 3), (0, 2, 3), (0, 1, 3), (2, 3), (0, 1, 2, 3)]:
            assert np.array_equal(cut.sum(dims).numpy(), want.sum(dims)), (cut.stride(), dims)
            assert np.array_equal(cut.amax(dims).numpy(), want.max(dims)), (cut.stride(), dims)
            assert np.array_equal((cut > 2).all(dims).numpy(), (want > 2).all(dims))
            if dtype == "float32":
                var = cut.var(dims, correction=0).numpy()
                np.testing.assert_allclose(var, want.var(dims), rtol=1e-5)
        assert cut.argmax() == want.argmax() and cut.argmin() == want.argmin()


def test_nan_wins_in_gathered_rows():
    x = pycore.rand(40, 60)
    x[7, 20] = float("nan")
    for y in (x[:, ::2], x.to(pycore.bfloat16), x.t().contiguous().t(), x[5:9, 18:24]):
        row, column = (2, 2) if y.shape[0] == 4 else (7, 10 if y.shape[1] == 30 else 20)
        assert y.amax(1)[row].isnan() and y.amin(0)[column].isnan() and y.max().isnan()
        assert y.argmax(1)[row] == column and y.argmin(0)[column] == row
        assert y.argmax() == row * y.shape[1] + column


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("source", ["float32", "float64", "bfloat16", "int32", "uint8"])
def test_elements_are_cast_before_they_are_reduced(source, dtype) -> None:
    numbers = [0.5, 0.75, 1.5, 3.25, 2.0, 1.0]
    x = pycore.tensor(numbers, dtype=pycore.float64).to(getattr(pycore, source))
    target = getattr(pycore, dtype)
    for name in ("sum", "prod"):
        got = getattr(pycore, name)(x, dtype=target)
        assert got.dtype == target
        cast = x.to(target).double().numpy()
        expected = pycore.tensor([getattr(np, name)(cast)]).to(target)
        assert got == expected, name
        assert getattr(pycore, name)(x, 0, dtype=target) == expected, name
