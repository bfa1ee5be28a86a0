"""Data loading: datasets, samplers, collation, loaders with and without workers."""

from __future__ import annotations

import os
import time
from collections import namedtuple

import pytest

import pycore
from pycore.utils import data

Point = namedtuple("Point", "x y")


class Squares(data.Dataset):
    def __init__(self, n=10):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return index * index


class Stream(data.IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = data.get_worker_info()
        start, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(start, self.n, step))


def lists(loader):
    return [batch.tolist() for batch in loader]


# ---- datasets ----------------------------------------------------------------------------------


def test_tensor_dataset():
    d = data.TensorDataset(pycore.arange(3), pycore.ones(3, 2))
    assert len(d) == 3 and d[1][0].item() == 1 and d[1][1].shape == (2,)
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        data.TensorDataset(pycore.ones(2), pycore.ones(3))


def test_combined_datasets():
    both = Squares(3) + Squares(2)
    assert len(both) == 5 and [both[i] for i in (0, 2, 3, -1)] == [0, 4, 0, 1]
    with pytest.raises(IndexError):
        both[5]
    assert data.Subset(Squares(), [3, 1])[0] == 9
    assert list(Stream(2) + Stream(3)) == [0, 1, 0, 1, 2]
    stack = data.StackDataset(Squares(3), ["a", "b", "c"])
    assert stack[2] == (4, "c") and stack.__getitems__([0, 1]) == [(0, "a"), (1, "b")]


def test_random_split():
    pycore.manual_seed(0)
    parts = data.random_split(Squares(), [0.5, 0.3, 0.2])
    assert [len(p) for p in parts] == [5, 3, 2]
    assert sorted(i for p in parts for i in p.indices) == list(range(10))
    pycore.manual_seed(0)
    again = data.random_split(Squares(), [5, 3, 2])
    assert [p.indices for p in parts] == [p.indices for p in again]
    with pytest.raises(ValueError, match="Sum of input lengths"):
        data.random_split(Squares(), [3, 3])


# ---- samplers ----------------------------------------------------------------------------------


def test_samplers():
    assert list(data.SequentialSampler("abc")) == [0, 1, 2]
    assert sorted(data.RandomSampler(range(7))) == list(range(7))
    assert len(list(data.RandomSampler(range(7), num_samples=20))) == 20
    drawn = list(data.RandomSampler(range(3), replacement=True, num_samples=40))
    assert len(drawn) == 40 and set(drawn) <= {0, 1, 2}
    assert sorted(data.SubsetRandomSampler([4, 9])) == [4, 9]
    assert list(data.WeightedRandomSampler([0.0, 1.0], 3)) == [1, 1, 1]
    assert list(data.BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]
    assert len(data.BatchSampler(range(5), 2, False)) == 3


def test_shuffles_follow_the_seed():
    orders = []
    for seed in (1, 1, 2):
        pycore.manual_seed(seed)
        orders.append(lists(data.DataLoader(Squares(), 3, shuffle=True)))
    assert orders[0] == orders[1] != orders[2]
    own = [
        lists(data.DataLoader(Squares(), 3, True, generator=pycore.Generator().manual_seed(7)))
        for _ in range(2)
    ]
    assert own[0] == own[1]


def test_recorded_shuffle():
    """The order that the stream of seed 0 gives in PyTorch 2.13."""
    pycore.manual_seed(0)
    order = [int(b) for b in data.DataLoader(range(10), shuffle=True)]
    assert order == [6, 7, 1, 4, 2, 0, 9, 8, 3, 5]


# ---- collation ---------------------------------------------------------------------------------


def test_collate():
    c = data.default_collate
    assert c([1, 2]).dtype == pycore.int64 and c([1.0, 2.0]).dtype == pycore.float64
    assert c([True]).dtype == pycore.bool and c(["a", "b"]) == ["a", "b"]
    batch = c([{"x": 1, "y": (2.0, "t")}, {"x": 3, "y": (4.0, "u")}])
    assert batch["x"].tolist() == [1, 3] and batch["y"][0].tolist() == [2.0, 4.0]
    assert batch["y"][1] == ("t", "u")
    point = c([Point(1, 2), Point(3, 4)])
    assert isinstance(point, Point) and point.y.tolist() == [2, 4]
    assert c([pycore.ones(2), pycore.zeros(2)]).tolist() == [[1.0, 1.0], [0.0, 0.0]]
    with pytest.raises(TypeError, match="batch must contain tensors, numpy arrays"):
        c([object()])
    with pytest.raises(RuntimeError, match="each element in list of batch"):
        c([[1], [1, 2]])


def test_collate_numpy():
    np = pytest.importorskip("numpy")
    assert data.default_collate([np.ones(2), np.zeros(2)]).dtype == pycore.float64
    assert data.default_collate([np.float32(1.5)]).dtype == pycore.float32
    converted = data.default_convert([np.arange(2), "a", {"k": np.ones(1)}])
    assert converted[0].tolist() == [0, 1] and converted[1] == "a"
    assert converted[2]["k"].tolist() == [1.0]


def test_own_collate_function():
    loader = data.DataLoader(Squares(4), 2, collate_fn=lambda batch: sum(batch))
    assert list(loader) == [1, 13]


# ---- loaders -----------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_batches(workers):
    loader = data.DataLoader(Squares(5), 2, num_workers=workers)
    assert lists(loader) == [[0, 1], [4, 9], [16]] and len(loader) == 3
    loader = data.DataLoader(Squares(5), 2, drop_last=True, num_workers=workers)
    assert lists(loader) == [[0, 1], [4, 9]] and len(loader) == 2
    loader = data.DataLoader(Squares(3), batch_size=None, num_workers=workers)
    assert list(loader) == [0, 1, 4]
    loader = data.DataLoader(Squares(5), batch_sampler=[[4, 0], [1]], num_workers=workers)
    assert lists(loader) == [[16, 0], [1]]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_streams(workers):
    loader = data.DataLoader(Stream(8), 2, num_workers=workers)
    for _ in range(2):
        assert sorted(x for batch in lists(loader) for x in batch) == list(range(8))


def test_empty_dataset():
    assert list(data.DataLoader([])) == []
    assert list(data.DataLoader([], num_workers=1)) == []


def test_same_order_with_and_without_workers():
    results = []
    for workers in (0, 2):
        pycore.manual_seed(3)
        loader = data.DataLoader(Squares(20), 3, shuffle=True, num_workers=workers)
        results.append([lists(loader), lists(loader), pycore.rand(1).item()])
    assert results[0] == results[1]


class Who(Squares):
    def __getitem__(self, index):
        info = data.get_worker_info()
        return (os.getpid(), info.id, info.num_workers, info.seed, pycore.rand(1).item())


def test_worker_processes():
    loader = data.DataLoader(Who(4), None, num_workers=2, persistent_workers=True)
    first, second = list(loader), list(loader)
    assert {entry[1] for entry in first} == {0, 1} and {entry[2] for entry in first} == {2}
    assert first[1][3] == first[0][3] + 1
    assert len({entry[4] for entry in first}) == 4
    assert {entry[0] for entry in first} == {entry[0] for entry in second}
    assert os.getpid() not in {entry[0] for entry in first}
    assert data.get_worker_info() is None


def test_worker_init_and_its_errors():
    def init(number):
        if number == 1:
            raise ValueError("bad start")

    loader = data.DataLoader(Squares(4), None, num_workers=2, worker_init_fn=init)
    with pytest.raises(ValueError, match="Caught ValueError in DataLoader worker process 1"):
        list(loader)


class Failing(Squares):
    def __getitem__(self, index):
        if index == 2:
            raise KeyError("boo")
        return index


def test_worker_errors_carry_the_traceback():
    iterator = iter(data.DataLoader(Failing(5), None, num_workers=1))
    assert [next(iterator), next(iterator)] == [0, 1]
    with pytest.raises(KeyError) as error:
        next(iterator)
    text = str(error.value)
    assert text.startswith("Caught KeyError in DataLoader worker process 0.\nOriginal Traceback")
    assert 'raise KeyError("boo")' in text
    assert [next(iterator), next(iterator)] == [3, 4]
    with pytest.raises(StopIteration):
        next(iterator)


class Unpicklable(Squares):
    def __getitem__(self, index):
        return lambda: index


def test_samples_that_cannot_be_pickled():
    loader = data.DataLoader(Unpicklable(1), None, num_workers=1)
    with pytest.raises(RuntimeError, match=r"Caught .* in DataLoader worker process 0"):
        list(loader)


class Big(Squares):
    def __getitem__(self, index):
        return pycore.full((100_000,), float(index))


def test_large_batches_and_an_abandoned_pass():
    loader = data.DataLoader(Big(12), 2, num_workers=2, prefetch_factor=3)
    for number, batch in enumerate(loader):
        assert batch.shape == (2, 100_000) and batch[0, 0].item() == 2 * number
    start = time.monotonic()
    for _ in loader:
        break
    assert time.monotonic() - start < 4


class Dying(Squares):
    def __getitem__(self, index):
        os._exit(3)


class Sleepy(Squares):
    def __getitem__(self, index):
        time.sleep(1.0)


def test_dead_and_slow_workers():
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(data.DataLoader(Dying(2), num_workers=1))
    with pytest.raises(RuntimeError, match=r"DataLoader timed out after 0.2 seconds"):
        list(data.DataLoader(Sleepy(2), num_workers=1, timeout=0.2))


def test_spawned_workers():
    loader = data.DataLoader(range(3), 2, num_workers=1, multiprocessing_context="spawn")
    assert lists(loader) == [[0, 1], [2]]


def test_out_of_order():
    loader = data.DataLoader(Squares(6), 2, num_workers=2, in_order=False)
    assert sorted(x for b in lists(loader) for x in b) == [0, 1, 4, 9, 16, 25]


def test_training_inside_the_main_process_after_workers():
    loader = data.DataLoader(data.TensorDataset(pycore.rand(8, 3)), 4, num_workers=1)
    weight = pycore.ones(3, requires_grad=True)
    for (x,) in loader:
        (x * weight).sum().backward()
    assert weight.grad.shape == (3,)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_workers": -1}, "num_workers option should be non-negative"),
        ({"timeout": -1}, "timeout option should be non-negative"),
        ({"prefetch_factor": 2}, "prefetch_factor option could only be specified"),
        ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
        ({"sampler": [1], "shuffle": True}, "sampler option is mutually exclusive with shuffle"),
        ({"batch_sampler": [[1]], "shuffle": True}, "batch_sampler option is mutually exclusive"),
        ({"batch_size": None, "drop_last": True}, "disables auto-batching"),
        ({"batch_size": 0}, "batch_size should be a positive integer value"),
    ],
)
def test_refusals(options, text):
    with pytest.raises(ValueError, match=text):
        data.DataLoader(Squares(), **options)


def test_fixed_attributes():
    loader = data.DataLoader(Squares())
    with pytest.raises(ValueError, match="batch_size attribute should not be set after"):
        loader.batch_size = 4
