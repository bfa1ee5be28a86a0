"""Index expressions against NumPy: reading, assigning, `+=`, gradients, errors."""

from __future__ import annotations

import random

import numpy as np
import pytest

import pycore
from pycore.autograd import gradcheck, gradgradcheck


def array(*shape: int) -> np.ndarray:
    return np.arange(1.0, 1 + np.prod(shape)).reshape(shape)


def random_index(rng: random.Random, shape: tuple[int, ...]) -> tuple:
    """A tuple of index elements that NumPy and PyTorch read alike (no int beside index arrays)."""
    items: list = []
    dim = 0
    advanced = rng.choice([None, (3,), (2, 1), (1,), ()]) if rng.random() < 0.6 else None
    used_ellipsis = used_mask = False
    while dim < len(shape):
        kind = rng.choice(["slice", "int", "array", "none", "ellipsis", "mask", "stop"])
        if kind == "stop":
            break
        if kind == "none":
            items.append(None)
            continue
        if kind == "ellipsis":
            if used_ellipsis:
                continue
            used_ellipsis = True
            items.append(...)
            # What follows indexes the last dimensions.
            dim = max(dim, len(shape) - rng.randrange(0, 2))
            continue
        size = shape[dim]
        if kind == "slice":
            bounds = [rng.choice([None, *range(-size - 1, size + 2)]) for _ in range(2)]
            items.append(slice(*bounds, rng.choice([None, 1, 2, 3])))
        elif kind == "int" and advanced is None and size:
            items.append(rng.randrange(-size, size))
        elif kind == "array" and advanced is not None and advanced != () and size:
            items.append(
                np.array(
                    [rng.randrange(-size, size) for _ in range(int(np.prod(advanced)))]
                ).reshape(advanced)
            )
        elif kind == "mask" and advanced == () and not used_mask:
            used_mask = True
            width = rng.randrange(1, len(shape) - dim + 1)
            count = int(np.prod(shape[dim : dim + width]))
            items.append(
                np.array([rng.random() < 0.5 for _ in range(count)], dtype=bool).reshape(
                    shape[dim : dim + width]
                )
            )
            dim += width - 1
        else:
            continue
        dim += 1
    return tuple(items)


def consistent(index: tuple, shape: tuple[int, ...]) -> bool:
    try:
        array(*shape)[index]
    except IndexError:
        return False
    return True


def converted(index: tuple, how: int) -> tuple:
    def one(item: object) -> object:
        if isinstance(item, np.ndarray):
            return (
                pycore.from_numpy(item)
                if how == 0
                else item.tolist()
                if how == 1 and item.ndim == 1
                else item
            )
        return item

    return tuple(one(item) for item in index)


CASES = []
_rng = random.Random(7)
while len(CASES) < 400:
    _shape = tuple(
        _rng.randrange(0 if _rng.random() < 0.1 else 1, 5) for _ in range(_rng.randrange(1, 5))
    )
    _index = random_index(_rng, _shape)
    if consistent(_index, _shape):
        CASES.append((_shape, _index))


@pytest.mark.parametrize("how", [0, 1, 2])
def test_reading_like_numpy(how: int) -> None:
    for shape, index in CASES:
        data = array(*shape)
        expected = data[index]
        got = pycore.from_numpy(data)[converted(index, how)]
        assert tuple(got.shape) == expected.shape, (shape, index)
        assert np.array_equal(got.numpy(), expected), (shape, index)


def test_reading_transposed_memory() -> None:
    for shape, index in CASES:
        data = np.ascontiguousarray(array(*shape).T).T
        got = pycore.from_numpy(data)[converted(index, 0)]
        assert np.array_equal(got.numpy(), data[index]), (shape, index)


@pytest.mark.parametrize("kind", ["number", "full", "broadcast", "list"])
def test_assigning_like_numpy(kind: str) -> None:
    for shape, index in CASES:
        expected = array(*shape)
        target = pycore.from_numpy(expected.copy())
        part = expected[index].shape
        if kind == "number":
            value: object = 7.5
        elif kind == "broadcast":
            value = array(*part[-1:])
        else:
            value = -array(*part)
        # With repeated places the order of writes decides; NumPy's last-wins is ours too.
        expected[index] = value
        if kind == "list":
            target[converted(index, 0)] = value.tolist() if part and 0 not in part else value
        else:
            target[converted(index, 0)] = (
                value if kind == "number" else pycore.from_numpy(np.asarray(value))
            )
        assert np.array_equal(target.numpy(), expected), (kind, shape, index)


def test_accumulating_like_numpy() -> None:
    for shape, index in CASES:
        if not any(isinstance(item, np.ndarray) for item in index):
            continue
        if any(not isinstance(item, np.ndarray) for item in index):
            continue
        expected = array(*shape)
        values = array(*expected[index].shape)
        got = pycore.index_put(
            pycore.from_numpy(expected.copy()),
            converted(index, 0),
            pycore.from_numpy(values),
            accumulate=True,
        )
        np.add.at(expected, index, values)
        assert np.array_equal(got.numpy(), expected)


def test_add_through_index() -> None:
    for shape, index in CASES:
        expected = array(*shape)
        target = pycore.from_numpy(expected.copy())
        expected[index] += 2
        target[converted(index, 0)] += 2
        assert np.array_equal(target.numpy(), expected), (shape, index)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "bool"]
)
def test_dtypes(dtype: str) -> None:
    data = (array(3, 4) % 3).astype(dtype)
    t = pycore.from_numpy(data.copy())
    rows, columns = np.array([2, 0, 2]), np.array([1, 3, 1])
    assert np.array_equal(
        t[pycore.from_numpy(rows), pycore.from_numpy(columns)].numpy(), data[rows, columns]
    )
    assert np.array_equal(t[pycore.from_numpy(data > 0)].numpy(), data[data > 0])
    added = pycore.index_put(
        pycore.zeros(3, dtype=t.dtype),
        (pycore.tensor([1, 1, 0]),),
        pycore.ones(3, dtype=t.dtype),
        accumulate=True,
    )
    assert added.tolist() == ([True, True, False] if dtype == "bool" else [1, 2, 0])


def test_views_share_memory_and_copies_do_not() -> None:
    t = pycore.zeros(3, 4)
    t[1][2] = 5
    assert t[1, 2].item() == 5
    t[0:2, ::2].fill_(3)
    assert t.tolist() == [[3, 0, 3, 0], [3, 0, 3, 0], [0, 0, 0, 0]]
    t[[0, 1]].fill_(9)
    assert t.tolist()[0] == [3, 0, 3, 0]
    assert t[...].data_ptr() == t.data_ptr()
    assert t[()].data_ptr() == t.data_ptr()
    assert t[pycore.tensor(1)].data_ptr() == t[1].data_ptr()


def test_bool_scalars() -> None:
    t = pycore.arange(3)
    assert t[True].shape == (1, 3)
    assert t[False].shape == (0, 3)
    assert t[pycore.tensor(True)].tolist() == [[0, 1, 2]]
    assert t[np.bool_(False)].shape == (0, 3)
    assert pycore.tensor(4)[True].tolist() == [4]
    t[True] = 1
    assert t.tolist() == [1, 1, 1]
    t[False] = 5
    assert t.tolist() == [1, 1, 1]


def test_int_beside_index_array_is_taken_first() -> None:
    """PyTorch's reading, in which NumPy differs: the int selects before the arrays count."""
    t = pycore.arange(24).reshape(2, 3, 4)
    assert t[0, :, [1, 2]].shape == (3, 2)
    assert t[pycore.tensor([[0]]), :, pycore.tensor([1, 2])].shape == (1, 2, 3)


def test_short_lists_of_sequences_act_as_tuples() -> None:
    t = pycore.arange(9).reshape(3, 3)
    with pytest.warns(UserWarning, match="non-tuple sequence"):
        assert t[[[0, 1], [1, 2]]].tolist() == [1, 5]


def test_last_of_repeated_writes_stays() -> None:
    t = pycore.zeros(2, 100)
    t[[0] * 50] = pycore.arange(50.0).unsqueeze(1).expand(50, 100)
    assert t[0].tolist() == [49.0] * 100
    big = pycore.zeros(4)
    index = pycore.zeros(100_000, dtype=pycore.int64)
    big[index] = pycore.arange(100_000.0)
    assert big.tolist() == [99_999.0, 0, 0, 0]


def test_value_from_the_same_memory() -> None:
    t = pycore.arange(6.0)
    t[[0, 1, 2]] = t[[2, 1, 0]]
    assert t.tolist() == [2, 1, 0, 3, 4, 5]
    t[[3, 4, 5]] = t[0:3]
    assert t.tolist() == [2, 1, 0, 2, 1, 0]
    t[1:6] = t[0:5]
    assert t.tolist() == [2, 2, 1, 0, 2, 1]
    i = pycore.tensor([1, 2, 0])
    i[i] = i
    assert i.tolist() == [0, 1, 2]


def test_large_masks_and_gathers() -> None:
    data = np.random.default_rng(0).standard_normal((300, 700))
    t = pycore.from_numpy(data)
    assert np.array_equal(t[t > 0].numpy(), data[data > 0])
    assert np.array_equal(pycore.masked_select(t, t > 1).numpy(), data[data > 1])
    rows = np.random.default_rng(1).integers(-300, 300, 1000)
    assert np.array_equal(t[pycore.from_numpy(rows)].numpy(), data[rows])
    assert np.array_equal(t[:, pycore.from_numpy(rows)].numpy(), data[:, rows])
    assert np.array_equal(t.t()[pycore.from_numpy(rows)].numpy(), data.T[rows])
    copy = pycore.from_numpy(data.copy())
    copy[copy > 0] = 0
    assert np.array_equal(copy.numpy(), np.where(data > 0, 0, data))
    copy[pycore.from_numpy(rows)] = 1
    expected = np.where(data > 0, 0, data)
    expected[rows] = 1
    assert np.array_equal(copy.numpy(), expected)


# --- gradients -----------------------------------------------------------------------------------


def leaf(*shape: int) -> pycore.Tensor:
    return (pycore.from_numpy(array(*shape)) * 0.37).requires_grad_()


READS = [
    1,
    slice(0, 2),
    (slice(None), slice(None, None, 2)),
    ([0, 2, 0],),
    ([0, 2, 0], [1, 1, 1]),
    (slice(None), [3, 0, 3]),
    ([[0, 1], [2, 2]], slice(1, 3)),
    (None, ..., [0, 0]),
    "mask",
    True,
]


def resolved(index: object, t: pycore.Tensor) -> object:
    return t.detach() > 1.5 if index == "mask" else index


@pytest.mark.parametrize("index", READS, ids=str)
def test_gradients_of_reading(index: object) -> None:
    x = leaf(3, 4)
    assert gradcheck(lambda x: x[resolved(index, x)] ** 2, (x,))
    assert gradgradcheck(lambda x: x[resolved(index, x)] ** 2, (x,))


# Places named once: of repeated ones the last write stays, while all get a gradient, as in PyTorch.
WRITES = [
    1,
    (slice(None), slice(None, None, 2)),
    ([2, 0],),
    ([0, 2, 1], [1, 1, 3]),
    (slice(None), [3, 0]),
    ([[0, 1]], slice(1, 3)),
    (None, ..., [0, 2]),
    "mask",
    True,
]


@pytest.mark.parametrize("index", WRITES, ids=str)
def test_gradients_of_assigning(index: object) -> None:
    x = leaf(3, 4)
    # A value of one element works for every part.
    v = leaf(1)

    def f(x: pycore.Tensor, v: pycore.Tensor) -> pycore.Tensor:
        y = x * 2
        z = y * y
        z[resolved(index, x)] = v * 3
        return z * y

    assert gradcheck(f, (x, v))
    assert gradgradcheck(f, (x, v))


def test_gradients_of_index_put() -> None:
    x, v = leaf(3, 4), leaf(3, 4)
    places = (pycore.tensor([0, 2, 0]),)

    def accumulated(x: pycore.Tensor, v: pycore.Tensor) -> pycore.Tensor:
        return pycore.index_put(x * x, places, v * v, accumulate=True) ** 2

    assert gradcheck(accumulated, (x, v))
    assert gradgradcheck(accumulated, (x, v))


def test_history_through_views() -> None:
    x = leaf(4, 3)
    y = x * 1
    row = y[1]
    row[[0, 0]] = 5.0
    row[2] *= 3
    y[2:][:, 1] += x[0, 0]
    y.sum().backward()
    expected = np.ones((4, 3))
    expected[1, 0] = 0
    expected[1, 2] = 3
    expected[0, 0] = 3
    assert x.grad.tolist() == expected.tolist()
    assert row.grad_fn is not None


def test_node_names() -> None:
    x = leaf(3, 4)
    assert x[[0]].grad_fn.name() == "IndexBackward0"
    assert x[0].grad_fn.name() == "SelectBackward0"
    assert x[0:1].grad_fn.name() == "SliceBackward0"
    y = x * 1
    y[[0]] = 1.0
    assert y.grad_fn.name() == "IndexPutBackward0"
    y[0] = 1.0
    assert y.grad_fn.name() == "CopySlices"


def test_leaf_and_version_errors() -> None:
    x = leaf(3)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        x[[0]] = 1.0
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
        x[0] = 1.0
    i = pycore.tensor([0, 1])
    y = x[i]
    i[0] = 2
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


# --- errors --------------------------------------------------------------------------------------

T = pycore.tensor


@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence")
@pytest.mark.parametrize(
    ("index", "error", "words"),
    [
        (5, IndexError, "index 5 is out of bounds for dimension 0 with size 2"),
        ((0, -4), IndexError, "index -4 is out of bounds for dimension"),
        ([5], IndexError, "index 5 is out of bounds for dimension 0 with size 2"),
        (
            (slice(None), [0, -4]),
            IndexError,
            "index -4 is out of bounds for dimension 1 with size 3",
        ),
        ((0, 0, 0, 0), IndexError, "too many indices for tensor of dimension 3"),
        (([0], [0], [0], [0]), IndexError, "too many indices for tensor of dimension 3"),
        (
            ([0, 1], [0, 1, 2]),
            IndexError,
            r"shape mismatch: indexing tensors could not be broadcast together",
        ),
        (slice(None, None, -1), ValueError, "step must be greater than zero"),
        (slice(None, None, 0), ValueError, "slice step cannot be zero"),
        (slice(0, 1.5), TypeError, "slice indices must be integers"),
        (0.5, IndexError, "only integers, slices"),
        ([0.5], IndexError, "tensors used as indices must be long, int, byte or bool tensors"),
        ("a", TypeError, "invalid data type 'str'"),
        (["a"], TypeError, "invalid data type 'str'"),
        ({}, IndexError, "only integers, slices"),
        (1j, IndexError, "only integers, slices"),
        pytest.param(object(), IndexError, "only integers, slices", id="object"),
        (np.float32(1), IndexError, "only integers, slices"),
        (2**70, ValueError, "Overflow when unpacking long long"),
        ([2**70], ValueError, "Overflow when unpacking long long"),
        ([[0], [1, 2, 3], "x"], TypeError, "str"),
        ((None,) * 100, IndexError, "too many indices"),
    ],
    ids=str,
)
def test_bad_indices(index: object, error: type, words: str) -> None:
    t = pycore.zeros(2, 3, 4)
    with pytest.raises(error, match=words):
        t[index]
    with pytest.raises(error, match=words):
        t[index] = 1


def test_bad_masks_and_dtypes() -> None:
    t = pycore.zeros(2, 3)
    with pytest.raises(IndexError, match=r"The shape of the mask \[3\] at index 0 does not match"):
        t[T([True, False, True])]
    with pytest.raises(IndexError, match="tensors used as indices must be long"):
        t[T([0.0])]
    with pytest.raises(IndexError, match="tensors used as indices must be long"):
        t[T([0], dtype=pycore.int16)]
    with pytest.raises(IndexError, match="index is out of bounds for dimension with size 0"):
        pycore.zeros(0, 3)[T([0])]
    with pytest.raises(IndexError, match="invalid index of a 0-dim tensor"):
        T(1.0)[0]
    with pytest.raises(IndexError, match="slice\\(\\) cannot be applied to a 0-dim tensor"):
        T(1.0)[:]
    with pytest.raises(IndexError, match="too many indices"):
        T(1.0)[[0]]


def test_bad_assignments() -> None:
    t = pycore.zeros(2, 3)
    with pytest.raises(
        RuntimeError, match=r"shape mismatch: value tensor of shape \[7\] cannot be broadcast"
    ):
        t[[0, 1]] = pycore.ones(7)
    with pytest.raises(
        RuntimeError,
        match=r"The expanded size of the tensor \(3\) must match the existing size \(7\)",
    ):
        t[0] = pycore.ones(7)
    with pytest.raises(
        RuntimeError, match="Index put requires the source and destination dtypes match"
    ):
        t[[0]] = pycore.ones(3, dtype=pycore.int64)
    for bad in ("a", None, {}):
        with pytest.raises(TypeError, match="can't assign a"):
            t[0] = bad
    with pytest.raises(TypeError, match="does not support deleting"):
        del t[0]
    i = pycore.zeros(2, dtype=pycore.int64)
    with pytest.raises(RuntimeError, match="value cannot be converted to type"):
        i[0] = float("nan")
    with pytest.raises(RuntimeError, match="value cannot be converted to type"):
        pycore.zeros(2, dtype=pycore.int8)[0] = 1000
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        pycore.zeros(1).expand(3)[:] = 1
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        pycore.zeros(1).expand(3)[[0]] = 1
    i[0] = 2.7
    assert i.tolist() == [2, 0]


def test_huge_slices() -> None:
    t = pycore.arange(5)
    big = 2**62
    assert t[::big].tolist() == [0]
    assert t[-big:big].tolist() == [0, 1, 2, 3, 4]
    assert t[3 : 2**70 : 2**70].tolist() == [3]
    assert t[big:].tolist() == []
