"""Weights that stay packed between calls: never seen in a result, gone when their values change."""

import ctypes
import gc

import numpy
import pytest

import pycore
import pycore.nn.functional as F
from pycore import nn

ROWS = 40  # more than are multiplied without packing at any level


def kept_bytes():
    return pycore._C._memory_stats()["kept_bytes"]


@pytest.fixture(autouse=True)
def without_gradients():
    pycore.manual_seed(0)
    with pycore.no_grad():
        yield


def used(weight):
    """The weight after so many products that it is kept."""
    x = pycore.randn(ROWS, weight.shape[1])
    before = kept_bytes()
    for _ in range(3):
        F.linear(x, weight)
    assert kept_bytes() > before
    return weight


def right(weight):
    """Whether products use the weight's values of now."""
    x = pycore.randn(ROWS, weight.shape[1])
    return pycore.equal(F.linear(x, weight), F.linear(x, weight.clone()))


@pytest.mark.parametrize(
    "dtype", [pycore.float32, pycore.float64, pycore.bfloat16, pycore.float16], ids=str
)
@pytest.mark.parametrize("out", [1, 31, 64, 1100])  # several blocks of columns
@pytest.mark.parametrize("width", [64, 300, 1700])  # several blocks along k
def test_the_same_bits(threads, dtype, out, width):
    layer = nn.Linear(width, out, dtype=dtype)
    for rows in (25, 40, 200):
        x = pycore.randn(rows, width, dtype=dtype)
        first = layer(x)
        with pycore.enable_grad():
            recorded = layer(x)
        assert all(pycore.equal(layer(x), first) for _ in range(3))
        assert pycore.equal(recorded, first)


def test_parts_and_transposes_of_one_weight():
    weight = pycore.randn(96, 64)
    parts = [
        weight,
        weight[:32],
        weight[32:],
        weight[:, :32],
        weight[::2],
        weight.t(),
        weight[:64].t(),
    ]
    for _ in range(4):
        for part in parts:
            assert right(part)


WRITES = {
    "mul_": lambda w: w.mul_(2),
    "zero_": lambda w: w.zero_(),
    "normal_": lambda w: w.normal_(),
    "init": lambda w: nn.init.xavier_uniform_(w),
    "copy_": lambda w: w.copy_(pycore.randn(w.shape)),
    "setitem": lambda w: w.__setitem__((3, slice(None)), 7.0),
    "mask": lambda w: w.__setitem__(w > 0, 7.0),
    "index_add_": lambda w: w.index_add_(0, pycore.tensor([1]), pycore.ones(1, w.shape[1])),
    "out": lambda w: pycore.add(w, 1.0, out=w),
    "a view": lambda w: w.view(-1)[5:9].add_(1),
    "the transpose": lambda w: w.t().add_(1),
    "data": lambda w: w.data.add_(1),
    "detach": lambda w: w.detach().add_(1),
    "set data": lambda w: setattr(w, "data", pycore.randn(w.shape)),
    "addmm_": lambda w: w.addmm_(pycore.ones(w.shape[0], 2), pycore.ones(2, w.shape[1])),
    "apply_": lambda w: w.apply_(lambda value: value + 1),
    "numpy": lambda w: w.numpy().fill(3),
    "memoryview": lambda w: memoryview(w).cast("B").__setitem__(slice(0, 4), b"abcd"),
    "address": lambda w: ctypes.memset(w.data_ptr(), 0, 16),
    "storage address": lambda w: ctypes.memset(w.untyped_storage().data_ptr(), 0, 16),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_writes(write):
    weight = used(pycore.randn(48, 64))
    write(weight)
    assert right(weight)
    for _ in range(3):
        assert right(weight)


def test_an_array_taken_earlier():
    weight = pycore.randn(48, 64)
    array = weight.numpy()
    for _ in range(3):
        assert right(weight)
        array += 1
    weight = pycore.from_numpy(numpy.ones((48, 64), numpy.float32))
    for _ in range(3):
        assert right(weight)
        weight.numpy()[:] += 1


OPTIMIZERS = [
    name
    for name, kind in vars(pycore.optim).items()
    if isinstance(kind, type) and name not in ("Optimizer", "SparseAdam")  # sparse gradients only
]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    layer = nn.Linear(64, 48, bias=False)
    optimizer = getattr(pycore.optim, name)(layer.parameters(), lr=0.1)
    x = pycore.randn(ROWS, 64)

    @pycore.enable_grad()
    def loss():
        optimizer.zero_grad()
        result = layer(x).square().mean()
        result.backward()
        return result

    for _ in range(3):
        used(layer.weight)
        before = layer.weight.clone()
        optimizer.step(loss)
        assert not pycore.equal(layer.weight, before)
        assert right(layer.weight)


def test_load_state_dict():
    layer = nn.Linear(64, 48)
    used(layer.weight)
    layer.load_state_dict(nn.Linear(64, 48).state_dict())
    assert right(layer.weight)


def test_memory_is_given_back():
    gc.collect()
    before = kept_bytes()
    weight = used(pycore.randn(48, 64))
    assert kept_bytes() >= before + weight.nbytes
    weight.add_(1)
    assert kept_bytes() == before
    used(weight)
    del weight
    assert kept_bytes() == before


def test_training_keeps_nothing():
    before = kept_bytes()
    layer = nn.Linear(64, 48)
    with pycore.enable_grad():
        for _ in range(4):
            layer(pycore.randn(ROWS, 64)).sum().backward()
    assert kept_bytes() == before


def test_memory_is_bounded():
    before = kept_bytes()
    weights = [pycore.zeros(4096, 2048) for _ in range(5)]  # 32 MiB each
    x = pycore.zeros(25, 2048)
    for weight in weights:
        for _ in range(3):
            F.linear(x, weight)
    assert before < kept_bytes() <= 128 << 20


def test_explain():
    weight = used(pycore.randn(48, 64))
    with pycore.explain() as report:
        F.linear(pycore.randn(ROWS, 64), weight)
    assert "B kept" in str(report)


# Batch, channels in and out, size, kernel, stride and groups: the forms of a convolution, with edges.
CONVOLUTIONS = {
    "weights as they lie": (1, 512, 512, 7, 3, 1, 1),  # 49 positions: one stands alone
    "four alone": (1, 256, 128, 27, 3, 2, 1),  # 14 x 14 positions
    "three alone": (1, 160, 96, 5, 5, 1, 1),
    "rows that do not fill panels": (1, 257, 90, 6, 3, 2, 1),
    "many positions": (2, 160, 300, 35, 3, 2, 1),
    "1x1 of one image": (1, 512, 512, 14, 1, 2, 1),
    "1x1 of several images": (3, 64, 90, 7, 1, 1, 1),
    "direct": (1, 3, 30, 40, 7, 2, 1),
    "direct, groups": (2, 64, 90, 9, 3, 2, 2),
    "Winograd, few tiles": (1, 200, 150, 14, 3, 1, 1),
    "Winograd, chunks": (1, 300, 40, 28, 3, 1, 1),
    "Winograd, groups": (1, 64, 64, 15, 3, 1, 2),
    "Winograd, many tiles": (3, 32, 40, 30, 3, 1, 1),
}


def convolved(x, weight, bias, shape):
    return F.conv2d(x, weight, bias, stride=shape[5], padding=shape[4] // 2, groups=shape[6])


@pytest.mark.parametrize("dtype", [pycore.float32, pycore.float64], ids=str)
@pytest.mark.parametrize("shape", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_convolutions_the_same_bits(dtype, shape):
    batch, channels, rows, size, kernel, _, groups = shape
    x = pycore.randn(batch, channels, size, size, dtype=dtype)
    weight = pycore.randn(rows, channels // groups, kernel, kernel, dtype=dtype)
    bias = pycore.randn(rows, dtype=dtype)
    threads = pycore.get_num_threads()
    results = []
    try:
        for count in (1, 2, 5):
            pycore.set_num_threads(count)
            with pycore.enable_grad():  # never kept
                tracked = weight.clone().requires_grad_()
                results.append(convolved(x, tracked, bias, shape).detach())
            mine = weight.clone()
            before = kept_bytes()
            results += [convolved(x, mine, bias, shape) for _ in range(3)]
            assert kept_bytes() > before
        with pycore.explain() as report:
            convolved(x, mine, bias, shape)
        assert "weights kept" in str(report)
        x[:, :, 1, 1] = float("inf")  # where the Winograd form gives way to another one
        results.append(convolved(x, weight.clone(), bias, shape))
        results += [convolved(x, mine, bias, shape) for _ in range(3)]
    finally:
        pycore.set_num_threads(threads)
    for result in results[:12]:
        assert pycore.equal(result, results[0])
    for result in results[12:]:
        numpy.testing.assert_array_equal(result.numpy(), results[12].numpy())


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("kernel", [(40, 32, 3, 3), (32, 3, 5, 5)], ids=["Winograd", "direct"])
def test_writes_to_weights_of_convolutions(write, kernel):
    matrix = pycore.randn(kernel[0], kernel[1] * kernel[2] * kernel[3])
    weight = matrix.view(kernel)
    x = pycore.randn(1, kernel[1], 16, 16)

    def correct():
        fresh = F.conv2d(x, weight.clone())
        return pycore.equal(F.conv2d(x, weight), fresh)

    before = kept_bytes()
    for _ in range(3):
        assert correct()
    assert kept_bytes() > before
    write(matrix)
    if matrix.data_ptr() != weight.data_ptr():  # `data` was replaced
        weight = matrix.view(kernel)
    for _ in range(3):
        assert correct()


def test_one_weight_in_several_convolutions():
    weight = pycore.randn(64, 32, 3, 3)
    whole, halves = pycore.randn(1, 32, 16, 16), pycore.randn(1, 64, 16, 16)
    for _ in range(4):
        for x, w, groups in (
            (whole, weight, 1),
            (halves, weight, 2),
            (whole, weight[:32], 1),
            (whole, weight[32:], 1),
            (pycore.randn(1, 96, 16, 16), weight.view(64, 96, 3, 1), 1),
        ):
            fresh = F.conv2d(x, w.clone(), groups=groups)
            assert pycore.equal(F.conv2d(x, w, groups=groups), fresh)
        x = pycore.randn(40, 288)
        assert pycore.equal(
            F.linear(x, weight.view(64, 288)), F.linear(x, weight.clone().view(64, 288))
        )


def test_training_convolutions_keeps_nothing():
    before = kept_bytes()
    layer = nn.Conv2d(32, 32, 3)
    with pycore.enable_grad():
        for _ in range(4):
            layer(pycore.randn(1, 32, 16, 16)).sum().backward()
    assert kept_bytes() == before
