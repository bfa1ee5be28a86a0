"""Operators that read and write along a dimension, against NumPy and against plain loops."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import pycore
from pycore.autograd import gradcheck, gradgradcheck

F = pycore._C._nn  # what pycore.nn.functional offers
T = pycore.tensor


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def leaf(*shape: int) -> pycore.Tensor:
    # Distinct values, none near another: the extremes are differentiable.
    n = int(np.prod(shape))
    return T(rng().permutation(n).astype(float).reshape(shape) * 0.3 + 0.5).requires_grad_()


def check_both(f: Any, *inputs: pycore.Tensor) -> None:
    assert gradcheck(f, inputs)
    assert gradgradcheck(f, inputs)


def index_for(shape: tuple[int, ...], limit: int) -> pycore.Tensor:
    return T(rng().integers(0, limit, shape))


SHAPES = [
    ((5,), (7,), 0),
    ((3, 4), (2, 4), 1),
    ((3, 4), (5, 3), 0),
    ((2, 3, 4), (2, 6, 3), 1),
    ((2, 3, 4), (1, 3, 2), -1),
]


@pytest.mark.parametrize(("shape", "index_shape", "dim"), SHAPES)
def test_gather(shape: tuple[int, ...], index_shape: tuple[int, ...], dim: int) -> None:
    x, index = leaf(*shape), index_for(index_shape, shape[dim])
    trimmed = x.detach().numpy()[
        tuple(
            slice(None) if d == dim % len(shape) else slice(0, n) for d, n in enumerate(index_shape)
        )
    ]
    expected = np.take_along_axis(trimmed, index.numpy(), dim)
    assert np.array_equal(pycore.gather(x.detach(), dim, index).numpy(), expected)
    assert np.array_equal(pycore.gather(x.detach(), dim, index.int()).numpy(), expected)
    strided = x.detach().t().contiguous().t() if x.dim() == 2 else x.detach()
    assert np.array_equal(pycore.gather(strided, dim, index).numpy(), expected)
    check_both(lambda x: pycore.gather(x, dim, index) ** 2, x)


def loop_scatter(
    x: np.ndarray, dim: int, index: np.ndarray, src: np.ndarray, combine: Any
) -> np.ndarray:
    out = x.copy()
    for at in itertools.product(*map(range, index.shape)):
        to = list(at)
        to[dim] = index[at]
        out[tuple(to)] = combine(out[tuple(to)], src[at])
    return out


@pytest.mark.parametrize(("shape", "index_shape", "dim"), SHAPES)
def test_scatter(shape: tuple[int, ...], index_shape: tuple[int, ...], dim: int) -> None:
    x, src = leaf(*shape), leaf(*index_shape)
    index = index_for(index_shape, shape[dim])
    a, i, s = x.detach().numpy(), index.numpy(), src.detach().numpy()
    combine = {
        None: lambda old, new: new,
        "add": lambda old, new: old + new,
        "multiply": lambda old, new: old * new,
    }
    expected = loop_scatter(a, dim, i, s, combine[None])
    assert np.array_equal(pycore.scatter(x.detach(), dim, index, src.detach()).numpy(), expected)
    assert np.array_equal(x.detach().clone().scatter_(dim, index, src.detach()).numpy(), expected)
    expected = loop_scatter(a, dim, i, np.full_like(s, 9.0), combine[None])
    assert np.array_equal(pycore.scatter(x.detach(), dim, index, 9).numpy(), expected)
    expected = loop_scatter(a, dim, i, s, combine["add"])
    assert np.allclose(x.detach().scatter_add(dim, index, src.detach()).numpy(), expected)
    assert np.allclose(x.detach().clone().scatter_add_(dim, index, src.detach()).numpy(), expected)
    for name in ("add", "multiply"):
        expected = loop_scatter(a, dim, i, s, combine[name])
        assert np.allclose(
            x.detach().scatter(dim, index, src.detach(), reduce=name).numpy(), expected
        )
        assert np.allclose(
            x.detach().clone().scatter_(dim, index, src.detach(), reduce=name).numpy(), expected
        )
    # Of repeated places the last value stays, while all get a gradient: check a permutation.
    own = T(rng().permutation(5))
    y, v = leaf(5), leaf(5)
    check_both(lambda y, v: pycore.scatter(y * y, 0, own[:3], v[:3] * 2) ** 2, y, v)
    check_both(lambda x: pycore.scatter(x * x, dim, index, 1.5) ** 2, x)
    check_both(lambda x, src: pycore.scatter_add(x * x, dim, index, src * src) ** 2, x, src)


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
def test_scatter_reduce(reduce: str, include_self: bool) -> None:
    x, src = leaf(3, 4), leaf(5, 3)
    index = index_for((5, 3), 3)
    places: dict[tuple[int, ...], list[float]] = {}
    a, s = x.detach().numpy(), src.detach().numpy()
    for (r, c), to in np.ndenumerate(index.numpy()):
        places.setdefault((to, c), [a[to, c]] if include_self else []).append(s[r, c])
    function = {"sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min}[
        reduce
    ]
    expected = a.copy()
    for at, values in places.items():
        expected[at] = function(values)
    got = pycore.scatter_reduce(
        x.detach(), 0, index, src.detach(), reduce, include_self=include_self
    )
    assert np.allclose(got.numpy(), expected)
    got = (
        x.detach()
        .clone()
        .scatter_reduce_(0, index, src.detach(), reduce, include_self=include_self)
    )
    assert np.allclose(got.numpy(), expected)
    check_both(
        lambda x, s: (
            pycore.scatter_reduce(x * 1.5, 0, index, s * 2, reduce, include_self=include_self) ** 2
        ),
        x,
        src,
    )


def test_scatter_reduce_product_with_zeros() -> None:
    x = T([2.0, 0.0, 5.0, 0.0], dtype=pycore.float64, requires_grad=True)
    src = T([0.0, 3.0, 4.0, 0.0, 7.0], dtype=pycore.float64, requires_grad=True)
    index = T([0, 0, 1, 2, 3])
    out = x.scatter_reduce(0, index, src, "prod")
    assert out.tolist() == [0, 0, 0, 0]
    gx, gs = pycore.autograd.grad(out.sum(), (x, src))
    assert gx.tolist() == [0, 4, 0, 7]
    assert gs.tolist() == [6, 0, 0, 5, 0]


def test_scatter_reduce_integers() -> None:
    i = T([0, 0, 1])
    assert pycore.zeros(2, dtype=pycore.int64).scatter_reduce(
        0, i, T([-5, 2, 7]), "mean"
    ).tolist() == [-1, 3]
    for reduce, expected in (("amax", [2, 7]), ("amin", [-5, 7]), ("prod", [-10, 7])):
        start = T([100, 100])
        assert (
            start.scatter_reduce(0, i, T([-5, 2, 7]), reduce, include_self=False).tolist()
            == expected
        )


def test_take_and_put() -> None:
    x, v = leaf(3, 4), leaf(2, 2)
    index = T([[0, -1], [5, 7]])
    assert np.array_equal(
        x.detach().take(index).numpy(), np.take(x.detach().numpy(), index.numpy())
    )
    expected = x.detach().numpy().copy()
    np.put(expected, index.numpy(), v.detach().numpy())
    assert np.array_equal(x.detach().put(index, v.detach()).numpy(), expected)
    assert np.array_equal(x.detach().clone().put_(index, v.detach()).numpy(), expected)
    check_both(lambda x: x.take(T([0, 0, -1])) ** 2, x)
    check_both(lambda x, v: (x * 2).put(index, v * v) ** 2, x, v)
    check_both(lambda x, v: (x * 2).put(T([1, 1, 2, 3]), v * v, accumulate=True) ** 2, x, v)


def test_take_along_dim() -> None:
    x = leaf(3, 4)
    order = np.argsort(x.detach().numpy(), 1)
    assert np.array_equal(
        pycore.take_along_dim(x.detach(), T(order), 1).numpy(), np.sort(x.detach().numpy(), 1)
    )
    assert pycore.take_along_dim(x.detach(), T([0, -1])).tolist() == [
        x[0, 0].item(),
        x[2, 3].item(),
    ]
    assert np.array_equal(
        pycore.take_along_dim(x.detach(), T([[-1]]), 1).numpy(), x.detach().numpy()[:, -1:]
    )
    check_both(lambda x: pycore.take_along_dim(x, T([[0, -1]]), 1) ** 2, x)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_index_operators(dim: int) -> None:
    x = leaf(3, 4, 2)
    n = x.shape[dim]
    index = T([0, n - 1, 0])
    shape = list(x.shape)
    shape[dim] = 3
    s = leaf(*shape)
    a, v = x.detach().numpy(), s.detach().numpy()
    at = [slice(None)] * 3
    at[dim] = index.numpy()
    where = tuple(at)
    assert np.array_equal(
        x.detach().index_select(dim, index).numpy(), np.take(a, index.numpy(), dim)
    )
    expected = a.copy()
    np.add.at(expected, where, 2 * v)
    assert np.allclose(x.detach().index_add(dim, index, s.detach(), alpha=2).numpy(), expected)
    assert np.allclose(
        x.detach().clone().index_add_(dim, index, s.detach(), alpha=2).numpy(), expected
    )
    expected = a.copy()
    expected[where] = v
    assert np.array_equal(x.detach().index_copy(dim, index, s.detach()).numpy(), expected)
    expected[where] = 3
    assert np.array_equal(x.detach().index_fill(dim, index, 3).numpy(), expected)
    assert np.array_equal(x.detach().clone().index_fill_(dim, T([0, -1]), T(3.0)).numpy(), expected)
    expected = a.copy()
    np.multiply.at(expected, where, v)
    assert np.allclose(x.detach().index_reduce(dim, index, s.detach(), "prod").numpy(), expected)
    expected = a.copy()
    np.maximum.at(expected, where, v)
    assert np.allclose(x.detach().index_reduce(dim, index, s.detach(), "amax").numpy(), expected)
    check_both(lambda x: x.index_select(dim, index) ** 2, x)
    check_both(lambda x, s: (x * 2).index_add(dim, index, s * s, alpha=0.5) ** 2, x, s)
    once = T([n - 1, 0])
    part = s.detach().index_select(dim, T([0, 1])).requires_grad_()
    check_both(lambda x, s: (x * 2).index_copy(dim, once, s * s) ** 2, x, part)
    check_both(lambda x: (x * 2).index_fill(dim, index, 1.0) ** 2, x)
    check_both(
        lambda x, v: (x * 2).index_fill(dim, once, v) ** 2,
        x,
        leaf(1).detach().squeeze().requires_grad_(),
    )
    check_both(lambda x, s: (x * 2).index_reduce(dim, index, s, "mean") ** 2, x, s)


def test_masks() -> None:
    x, v = leaf(3, 4), leaf(12)
    mask = x.detach() > 2
    a, m = x.detach().numpy(), mask.numpy()
    assert np.array_equal(x.detach().masked_select(mask).numpy(), a[m])
    assert np.array_equal(
        x.detach().masked_select(mask[0]).numpy(), a[np.broadcast_to(m[0], a.shape)]
    )
    assert np.array_equal(
        x.detach()[0].masked_select(mask).numpy(), np.broadcast_to(a[0], a.shape)[m]
    )
    expected = a.copy()
    expected[m] = v.detach().numpy()[: m.sum()]
    assert np.array_equal(x.detach().masked_scatter(mask, v.detach()).numpy(), expected)
    assert np.array_equal(x.detach().clone().masked_scatter_(mask, v.detach()).numpy(), expected)
    check_both(lambda x: x.masked_select(mask) ** 2, x)
    check_both(lambda x: x[0].masked_select(mask) ** 2, x)
    check_both(lambda x, v: (x * 2).masked_scatter(mask, v * v) ** 2, x, v)


def test_replacing_parts() -> None:
    x = leaf(3, 4)
    a = x.detach().numpy()
    cases = [
        (lambda x, s: x.select_scatter(s, 1, -1), (slice(None), -1), (3,)),
        (lambda x, s: x.slice_scatter(s, 0, 1, step=2), (slice(1, None, 2),), (1, 4)),
        (lambda x, s: x.slice_scatter(s, 1, -3, 2), (slice(None), slice(-3, 2)), (3, 1)),
    ]
    for f, where, shape in cases:
        s = leaf(*shape)
        expected = a.copy()
        expected[where] = s.detach().numpy()
        assert np.array_equal(f(x.detach(), s.detach()).numpy(), expected)
        check_both(lambda x, s, f=f: f(x * 2, s * s) ** 2, x, s)
    s = leaf(3)
    got = x.detach().diagonal_scatter(s.detach(), 1).numpy()
    expected = a.copy()
    for k in range(3):
        expected[k, k + 1] = s[k].item()
    assert np.array_equal(got, expected)
    check_both(lambda x, s: (x * 2).diagonal_scatter(s * s, 1) ** 2, x, s)


# --- embedding -----------------------------------------------------------------------------------


def test_embedding() -> None:
    w = leaf(5, 3)
    index = T([[0, 2, 2], [4, 0, 2]])
    assert np.array_equal(F.embedding(index, w.detach()).numpy(), w.detach().numpy()[index.numpy()])
    out = F.embedding(index, w)
    assert out.grad_fn.name() == "EmbeddingBackward0"
    g = rng().standard_normal((2, 3, 3))
    out.backward(T(g))
    expected = np.zeros((5, 3))
    np.add.at(expected, index.numpy(), g)
    assert np.allclose(w.grad.numpy(), expected)
    check_both(lambda w: F.embedding(index, w) ** 2, w)


def test_embedding_options() -> None:
    index = T([0, 2, 2, -1 + 5])
    w = leaf(5, 3)
    F.embedding(index, w, padding_idx=-1).sum().backward()
    assert w.grad.tolist() == [[1] * 3, [0] * 3, [2] * 3, [0] * 3, [0] * 3]
    for create in (False, True):
        v = leaf(5, 3)
        (g,) = pycore.autograd.grad(
            F.embedding(index, v, scale_grad_by_freq=True).sum(), v, create_graph=create
        )
        assert np.allclose(g.detach().numpy(), [[1] * 3, [0] * 3, [1] * 3, [0] * 3, [1] * 3])
    big = T([[3.0, 4.0], [0.3, 0.4], [30.0, 40.0]])
    out = F.embedding(T([0, 1]), big, max_norm=1.0)
    assert np.allclose(out.numpy(), [[0.6, 0.8], [0.3, 0.4]], atol=1e-6)
    assert np.allclose(big.numpy(), [[0.6, 0.8], [0.3, 0.4], [30, 40]], atol=1e-6)


def test_embedding_gradient_of_a_large_table_does_not_depend_on_threads() -> None:
    w = pycore.ones(2000, 64, requires_grad=True)
    index = T(rng().integers(0, 2000, 5000))
    g = T(rng().standard_normal((5000, 64)).astype(np.float32))
    results = []
    before = pycore.get_num_threads()
    for threads in (1, 2):
        pycore.set_num_threads(threads)
        (grad,) = pycore.autograd.grad(F.embedding(index, w), w, g)
        results.append(grad.numpy())
    pycore.set_num_threads(before)
    assert np.array_equal(*results)
    expected = np.zeros((2000, 64))
    np.add.at(expected, index.numpy(), g.numpy().astype(float))
    assert np.allclose(results[0], expected, atol=1e-5)


def test_one_hot() -> None:
    assert F.one_hot(T([0, 2])).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert F.one_hot(T([[1]]), 4).tolist() == [[[0, 1, 0, 0]]]
    assert F.one_hot(pycore.zeros(0, dtype=pycore.int64), 3).shape == (0, 3)


# --- errors --------------------------------------------------------------------------------------

X = pycore.zeros(3, 4)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: X.gather(1, T([0, 1])),
            RuntimeError,
            "Index tensor must have the same number of dimensions",
        ),
        (
            lambda: X.gather(1, T([[0, 9]])),
            RuntimeError,
            "index 9 is out of bounds for dimension 1 with size 4",
        ),
        (
            lambda: X.gather(1, T([[-1]])),
            RuntimeError,
            "index -1 is out of bounds for dimension 1 with size 4",
        ),
        (
            lambda: X.gather(1, T([[0.0]])),
            RuntimeError,
            r"gather\(\): Expected dtype int32/int64 for index",
        ),
        (
            lambda: X.gather(1, pycore.zeros(4, 1).long()),
            RuntimeError,
            "Size does not match at dimension 0",
        ),
        (lambda: X.gather(5, T([[0]])), IndexError, "Dimension out of range"),
        (
            lambda: X.scatter(1, T([[9]]), pycore.ones(1, 1)),
            RuntimeError,
            "index 9 is out of bounds",
        ),
        (
            lambda: X.scatter(1, T([[0, 1]]), pycore.ones(1, 1)),
            RuntimeError,
            "Expected index .* to be no larger than self",
        ),
        (
            lambda: X.scatter(1, T([[0]]), pycore.ones(1, 1).double()),
            RuntimeError,
            "Expected self.dtype to be equal",
        ),
        (
            lambda: X.scatter(1, T([[0]]), 1.0, reduce="bad"),
            RuntimeError,
            "reduce argument must be either add or multiply",
        ),
        (
            lambda: X.scatter_(1, T([0]), 1.0),
            RuntimeError,
            "Index tensor must have the same number of dimensions",
        ),
        (
            lambda: X.scatter_add(1, T([[0]]), T([[1]])),
            RuntimeError,
            "Expected self.dtype to be equal",
        ),
        (
            lambda: X.scatter_reduce(1, T([[0]]), X, "bad"),
            RuntimeError,
            "reduce argument must be either sum, prod",
        ),
        (lambda: X.index_select(0, T([5])), IndexError, "index out of range in self"),
        (lambda: X.index_select(0, T([-1])), IndexError, "index out of range in self"),
        (lambda: X.index_select(0, T([[0]])), IndexError, "Index is supposed to be a vector"),
        (
            lambda: T(1.0).index_select(0, T([0, 0])),
            RuntimeError,
            "Index to scalar can have only 1 value",
        ),
        (
            lambda: X.index_add(0, T([5]), pycore.ones(1, 4)),
            RuntimeError,
            "index 5 is out of bounds",
        ),
        (
            lambda: X.index_add(0, T([0, 1]), pycore.ones(1, 4)),
            RuntimeError,
            "Number of indices .2. should be equal",
        ),
        (
            lambda: X.index_add(0, T([0]), pycore.ones(1, 3)),
            RuntimeError,
            "source tensor shape must match self",
        ),
        (
            lambda: X.index_add(0, T([0]), pycore.ones(4)),
            RuntimeError,
            "Number of indices|source tensor shape",
        ),
        (
            lambda: X.index_copy(0, T([5]), pycore.ones(1, 4)),
            IndexError,
            "index 5 is out of bounds",
        ),
        (
            lambda: X.index_copy(0, T([0]), pycore.ones(1, 3)),
            RuntimeError,
            "must have same slice shapes",
        ),
        (lambda: X.index_fill(0, T([7]), 3.0), IndexError, "index 7 is out of bounds"),
        (
            lambda: X.index_fill(0, T([0]), pycore.ones(2)),
            RuntimeError,
            "only supports a 0-dimensional value tensor",
        ),
        (
            lambda: X.index_reduce(0, T([0]), X[:1], "sum"),
            RuntimeError,
            "Expected reduce to be one of",
        ),
        (
            lambda: X.take(T([99])),
            IndexError,
            "out of range: tried to access index 99 on a tensor of 12",
        ),
        (lambda: X.take(T([0.0])), RuntimeError, "Expected a long tensor for index"),
        (lambda: pycore.zeros(0).take(T([0])), IndexError, "tried to take from an empty tensor"),
        (lambda: X.put(T([0, 1]), pycore.ones(3)), IndexError, "same number of elements"),
        (
            lambda: X.put(T([99]), pycore.ones(1)),
            IndexError,
            "out of range: tried to access index 99",
        ),
        (
            lambda: X.masked_select(T([True, False])),
            RuntimeError,
            "must match the size of tensor b",
        ),
        (lambda: X.masked_select(X), RuntimeError, "masked_select: expected BoolTensor for mask"),
        (
            lambda: X.masked_scatter(X == 0, pycore.ones(3)),
            RuntimeError,
            "Number of elements of source < number of ones",
        ),
        (
            lambda: X.select_scatter(pycore.ones(3), 0, 1),
            RuntimeError,
            "expected src to have a size equal to the slice",
        ),
        (lambda: X.select_scatter(pycore.ones(4), 0, 9), IndexError, "index 9"),
        (
            lambda: X.slice_scatter(pycore.ones(1, 4), 0, 1),
            RuntimeError,
            "expected src to have a size equal to the slice",
        ),
        (lambda: F.embedding(T([7]), X), IndexError, "index out of range in self"),
        (lambda: F.embedding(T([-1]), X), IndexError, "index out of range in self"),
        (
            lambda: F.embedding(T([0.0]), X),
            RuntimeError,
            "Expected tensor for argument #1 'indices'",
        ),
        (lambda: F.embedding(T([0]), X[0]), RuntimeError, "'weight' must be 2-D"),
        (
            lambda: F.one_hot(T([0, 2]), 2),
            RuntimeError,
            "Class values must be smaller than num_classes",
        ),
        (lambda: F.one_hot(T([-1])), RuntimeError, "Class values must be non-negative"),
        (
            lambda: F.one_hot(pycore.zeros(0).long()),
            RuntimeError,
            "Can not infer total number of classes",
        ),
        (
            lambda: X.index_put((T([0]),), pycore.ones(7)),
            RuntimeError,
            "shape mismatch: value tensor of shape",
        ),
        (lambda: X.index_put((), pycore.ones(1)), IndexError, "at least one index tensor"),
    ],
)
def test_errors(call: Any, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        call()


def test_empty_and_scalar_forms() -> None:
    none = pycore.zeros(0, dtype=pycore.int64)
    assert pycore.zeros(0).gather(0, none).shape == (0,)
    assert X.gather(0, pycore.zeros(0, 4).long()).shape == (0, 4)
    assert X.index_select(0, none).shape == (0, 4)
    assert X.scatter(0, pycore.zeros(0, 4).long(), pycore.zeros(0, 4)).tolist() == X.tolist()
    assert X.index_add(0, none, pycore.zeros(0, 4)).tolist() == X.tolist()
    s = T(2.0)
    assert s.gather(0, T(0)).item() == 2
    assert s.gather(0, T([0, 0])).tolist() == [2, 2]
    assert T([2.0]).gather(0, T(0)).item() == 2
    assert s.scatter(0, T(0), T(5.0)).item() == 5
    assert s.scatter_add(0, T([0]), T([5.0])).item() == 7
    assert s.index_select(0, T([0])).shape == ()
    assert s.index_add(0, T(0), T(1.0)).item() == 3
    assert s.index_fill(0, T(0), 9).item() == 9
    assert s.take(T(0)).item() == 2
    assert F.embedding(none, X).shape == (0, 4)
    assert X.scatter_add(1, T([[0]]), pycore.ones(2, 3)).tolist()[0] == [1, 0, 0, 0]


def test_large_lines_and_pieces():
    """Sizes at which loops are cut for the cache and for threads, with every kind of stride."""
    r = rng()
    shapes = ((300, 700), 0), ((300, 700), 1), ((1500, 300), 0), ((70_001,), 0), ((4, 300, 90), 1)
    for shape, dim in shapes:
        x = r.standard_normal(shape)
        index = r.integers(0, shape[dim], shape)
        want = np.take_along_axis(x, index, dim)
        assert (pycore.gather(T(x), dim, T(index)).numpy() == want).all()
        across = T(x.T.copy()).permute(*range(len(shape) - 1, -1, -1))
        assert (pycore.gather(across, dim, T(index)).numpy() == want).all()
        unique = np.argsort(r.standard_normal(shape), dim)
        put = np.zeros(shape)
        np.put_along_axis(put, unique, x, dim)
        assert (pycore.zeros(shape).double().scatter(dim, T(unique), T(x)).numpy() == put).all()
        flat = r.integers(-x.size, x.size, 50_000)
        assert (pycore.take(T(x), T(flat)).numpy() == x.ravel()[flat]).all()
        some = r.integers(0, shape[dim], 37)
        assert (T(x).index_select(dim, T(some)).numpy() == np.take(x, some, dim)).all()
    one_each = r.integers(0, 5, (20_000, 1))
    x = r.standard_normal((20_000, 5))
    want = np.take_along_axis(x, one_each, 1)
    assert (pycore.gather(T(x), 1, T(one_each)).numpy() == want).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
def test_adding_rows(dtype):
    x, rows = np.zeros((50, 130), dtype), rng().integers(0, 50, 400)
    source = (rng().integers(0, 3, (400, 130))).astype(dtype)
    want = x.copy()
    for i, row in enumerate(rows):
        want[row] += source[i]
    assert (T(x).index_add(0, T(rows), T(source)).numpy() == want).all()
    across = T(x.T.copy()).index_add(1, T(rows), T(source.T.copy()))
    assert (want == across.numpy().T).all()


def test_index_that_is_written():
    """An index in the memory that is written is read as it was before."""
    x = T([3, 2, 1, 0])
    assert x.scatter_(0, x, T([10**12, 10**13, 10**14, 10**15])).tolist() == [
        10**15,
        10**14,
        10**13,
        10**12,
    ]
    x = T([3, 2, 1, 0])
    assert x.index_put_((x,), T([10**12, 10**13, 10**14, 10**15])).tolist()[0] == 10**15
    x = T([3, 2, 1, 0])
    assert x.put_(x, T([10**12, 10**13, 10**14, 10**15])).tolist()[0] == 10**15


def test_index_range_is_checked_everywhere():
    """One bad index among many, at every place of a vector register and beyond."""
    x = pycore.arange(10)
    for n in (1, 7, 33, 70_000):
        for at in {0, n // 2, n - 1}:
            for bad in (10, -11, 2**62, -(2**62)):
                index = pycore.zeros(n, dtype=pycore.int64)
                index[at] = bad
                for call in (
                    lambda i: x[i],
                    lambda i: x.gather(0, i),
                    lambda i: x.take(i),
                    lambda i: x.index_select(0, i),
                    lambda i: pycore.zeros(10, dtype=pycore.int64).scatter_(0, i, 1),
                    lambda i: F.embedding(i, pycore.zeros(10, 3)),
                ):
                    with pytest.raises((RuntimeError, IndexError)):
                        call(index)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int64", "uint8", "bool"])
@pytest.mark.parametrize("layout", ["rows", "middle", "part", "transposed"])
def test_expanded_indices(dtype, layout):
    """An index expanded from a vector moves whole rows; a copy of it goes element by element."""
    pycore.manual_seed(0)
    shape, dim = ((6, 5, 4), 1) if layout == "middle" else ((7, 20), 0)
    draw = (lambda s: pycore.randint(0, 2, s)) if dtype == "bool" else (
        lambda s: pycore.randint(0, 5, s) if dtype in ("int64", "uint8") else pycore.randn(s)
    )  # fmt: skip
    target = draw(shape).to(getattr(pycore, dtype))
    if layout == "transposed":
        target = target.t().contiguous().t()
    sizes = list(shape)
    sizes[dim] = 11
    if layout == "part":
        sizes[1] = 9
    line = pycore.randint(0, shape[dim], (11,))
    view = [1] * len(shape)
    view[dim] = 11
    expanded = line.view(view).expand(sizes)
    dense = expanded.contiguous()
    src = draw(sizes).to(target.dtype)
    assert target.gather(dim, expanded).equal(target.gather(dim, dense))
    assert target.scatter(dim, expanded, src).equal(target.scatter(dim, dense, src))
    assert target.scatter(dim, expanded, 1).equal(target.scatter(dim, dense, 1))
    tolerance = 0.05 if dtype == "bfloat16" else 1e-5  # which rounds at other places
    for reduce in ("sum", "prod", "mean", "amax", "amin"):
        for keep in (True, False):
            a, b = (target.scatter_reduce(dim, i, src, reduce, include_self=keep)
                    for i in (expanded, dense))  # fmt: skip
            assert a.dtype == b.dtype and (a.double() - b.double()).abs().max() <= tolerance
    if target.is_floating_point():
        for i in (expanded, dense):
            x, y = target.detach().requires_grad_(), src.detach().requires_grad_()
            (x.scatter_reduce(dim, i, y, "mean").square().sum() + x.gather(dim, i).sum()).backward()
            if i is expanded:
                want = x.grad, y.grad
        for a, b in zip(want, (x.grad, y.grad), strict=True):
            assert (a - b).abs().max() <= 10 * tolerance
    with pytest.raises(RuntimeError, match="out of bounds"):
        target.gather(dim, (expanded[:1] + shape[dim]).expand(sizes))
    with pytest.raises(RuntimeError, match="out of bounds"):
        target.scatter_add(dim, (line - 1 - line.min()).view(view).expand(sizes), src)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_sums_of_many_short_floats(dtype):
    """Many values to a place are summed in float32 and rounded once."""
    t = getattr(pycore, dtype)
    index = pycore.arange(4096) % 3
    total = pycore.zeros(3, dtype=t).scatter_add(0, index, pycore.full((4096,), 0.125, dtype=t))
    assert (total.float() - 4096 / 3 * 0.125).abs().max() <= 1
    rows = pycore.zeros(5, 16, dtype=t).index_add(0, index, pycore.ones(4096, 16, dtype=t))
    assert (rows[:3].float() - 4096 / 3).abs().max() <= 8 and not rows[3:].any()
    mean = pycore.zeros(9000, dtype=t).scatter_reduce(
        0, pycore.zeros(3000, dtype=pycore.int64), pycore.ones(3000, dtype=t), "mean",
        include_self=False,
    )  # fmt: skip
    assert mean.tolist() == [1.0] + [0.0] * 8999
