"""Datasets, samplers and loaders side by side with torch: orders by seed, batches, errors."""

from __future__ import annotations

import collections
import os
import random
import warnings

import pytest

import pycore

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

Point = collections.namedtuple("Point", "x y")


def norm(text: str) -> str:
    return text.replace("pycore", "torch")


def plain(value):
    """Structure and numbers of a batch, with tensors told apart from lists by their dtype."""
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return (str(value.dtype).split(".")[-1], value.tolist())
    if isinstance(value, dict):
        return (type(value), {k: plain(v) for k, v in value.items()})
    if isinstance(value, (list, tuple)):
        return (type(value), [plain(v) for v in value])
    return value


def both(make, seed=0):
    results = []
    for t in (pycore, torch):
        t.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        results.append(make(t))
    return results


ORDERS = [
    lambda t, D: list(D.RandomSampler(range(10))),
    lambda t, D: list(D.RandomSampler(range(10), num_samples=25)),
    lambda t, D: list(D.RandomSampler(range(10), replacement=True, num_samples=75)),
    lambda t, D: list(D.RandomSampler(range(10), generator=t.Generator().manual_seed(5))),
    lambda t, D: list(D.SubsetRandomSampler([5, 6, 7, 8])),
    lambda t, D: list(D.WeightedRandomSampler([0.1, 0.5, 0.2], 9)),
    lambda t, D: list(D.WeightedRandomSampler([0.1, 0.5, 0.2], 3, False)),
    lambda t, D: list(D.BatchSampler(D.RandomSampler(range(10)), 3, True)),
    lambda t, D: [s.indices for s in D.random_split(range(10), [3, 7])],
    lambda t, D: [s.indices for s in D.random_split(range(10), [0.35, 0.35, 0.3])],
    lambda t, D: [
        s.indices for s in D.random_split(range(10), [5, 5], t.Generator().manual_seed(42))
    ],
    lambda t, D: [
        list(D.DistributedSampler(range(10), 3, rank, seed=4, drop_last=drop))
        for rank in range(3)
        for drop in (False, True)
    ],
    lambda t, D: list(D.DistributedSampler(range(2), 5, 4, shuffle=False)),
    lambda t, D: plain(list(D.DataLoader(range(10), 3, shuffle=True))),
    lambda t, D: plain([list(x) for x in [D.DataLoader(range(10), 3, shuffle=True)] * 3]),
    lambda t, D: plain(
        list(D.DataLoader(range(9), 4, True, generator=t.Generator().manual_seed(1)))
    ),
    lambda t, D: plain(list(D.DataLoader(range(9), 4, sampler=D.SubsetRandomSampler([3, 1])))),
    lambda t, D: plain(list(D.DataLoader(range(9), batch_size=None, shuffle=True))),
    lambda t, D: plain(list(D.DataLoader(range(9), batch_sampler=[[1, 2], [3]]))),
    lambda t, D: plain([list(D.DataLoader(range(10), 3)), t.rand(2)]),
    lambda t, D: plain([list(D.DataLoader(range(10), 3, True, num_workers=2)), t.rand(2)]),
    lambda t, D: plain([iter(D.DataLoader(range(10), 3, True)), t.rand(2)][1:]),
]


@pytest.mark.parametrize("number", range(len(ORDERS)))
@pytest.mark.parametrize("seed", [0, 1234])
def test_order(number, seed):
    ours, theirs = both(lambda t: ORDERS[number](t, t.utils.data), seed)
    assert ours == theirs


class Seeds:
    def __init__(self, t):
        self.t = t

    def __len__(self):
        return 6

    def __getitem__(self, index):
        info = self.t.utils.data.get_worker_info()
        text = None if info is None else (info.id, info.num_workers, info.seed)
        return [
            text,
            self.t.initial_seed(),
            random.random(),
            float(np.random.rand()),
            self.t.rand(1).item(),
            self.t.get_num_threads() if text else 1,
        ]


@pytest.mark.parametrize("workers", [1, 2])
def test_worker_seeds(workers):
    ours, theirs = both(
        lambda t: list(t.utils.data.DataLoader(Seeds(t), batch_size=None, num_workers=workers))
    )
    assert ours == theirs


def test_persistent_workers_keep_their_streams():
    def run(t):
        loader = t.utils.data.DataLoader(
            Seeds(t), 2, True, num_workers=2, persistent_workers=True, collate_fn=list
        )
        return [list(loader), list(loader), t.rand(1).item()]

    ours, theirs = both(run)
    assert ours == theirs


BATCHES = [
    [1, 2],
    [1.0, 2.0],
    [True, False],
    ["a", "b"],
    [b"a", b"b"],
    [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
    [(1, 2.0), (3, 4.0)],
    [[1, 2], [3, 4]],
    [Point(1, 2.0), Point(3, 4.0)],
    [np.zeros(2), np.ones(2)],
    [np.float32(2), np.float32(3)],
    [np.int64(2), np.int64(3)],
    [np.bool_(True)],
    [np.array(3), np.array(4)],
    [collections.OrderedDict(a=1), collections.OrderedDict(a=2)],
    [collections.defaultdict(int, a=1)] * 2,
    [range(2), range(2)],
    [{"a": [1, (2.0, "s")]}] * 2,
]


@pytest.mark.parametrize("number", range(len(BATCHES)))
def test_collate(number):
    ours = pycore.utils.data.default_collate(BATCHES[number])
    theirs = torch.utils.data.default_collate(BATCHES[number])
    assert plain(ours) == plain(theirs)
    ours = pycore.utils.data.default_convert(BATCHES[number])
    theirs = torch.utils.data.default_convert(BATCHES[number])
    assert plain(ours) == plain(theirs)


def test_collate_tensors():
    def run(t):
        return plain(t.utils.data.default_collate([(t.arange(3), t.ones(2))] * 2))

    ours, theirs = both(run)
    assert ours == theirs


def stream_of(t):
    class Stream(t.utils.data.IterableDataset):
        def __init__(self, n):
            self.n = n

        def __iter__(self):
            info = t.utils.data.get_worker_info()
            start, step = (0, 1) if info is None else (info.id, info.num_workers)
            return iter(range(start, self.n, step))

    return Stream


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [0, 1, 2, 3])
@pytest.mark.parametrize(
    "options", [{"batch_size": 3}, {"batch_size": 3, "drop_last": True}, {"batch_size": None}]
)
def test_streams(workers, options):
    def run(t):
        dataset = stream_of(t)(11)
        loader = t.utils.data.DataLoader(dataset, num_workers=workers, **options)
        return plain([list(loader), list(loader)])

    ours, theirs = both(run)
    assert ours == theirs


def test_stream_operators():
    def run(t):
        a, b = stream_of(t)(3), stream_of(t)(2)
        return list(a + b), list(t.utils.data.ChainDataset([b, a]))

    ours, theirs = both(run)
    assert ours == theirs


class Bad:
    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == 2:
            raise self.error
        return index


@pytest.mark.parametrize(
    "error", [KeyError("boo"), ValueError("boo"), UnicodeDecodeError("utf-8", b"", 0, 1, "x")]
)
def test_worker_errors(error):
    texts = []
    for t in (pycore, torch):
        with pytest.raises(Exception) as seen:
            list(t.utils.data.DataLoader(Bad(error), num_workers=1))
        text = str(seen.value)
        first, *_, last = text.strip().split("\n")
        assert "raise self.error" in text
        texts.append((type(seen.value), first, last))
    assert texts[0] == texts[1]


def ds_of(t):
    return t.utils.data.TensorDataset(t.arange(10))


ERRORS = [
    lambda t, D: D.TensorDataset(t.zeros(2), t.zeros(3)),
    lambda t, D: D.ConcatDataset([]),
    lambda t, D: D.ConcatDataset([stream_of(t)(2)]),
    lambda t, D: D.ConcatDataset([ds_of(t)])[-11],
    lambda t, D: D.ConcatDataset([ds_of(t)])[10],
    lambda t, D: list(D.ChainDataset([ds_of(t)])),
    lambda t, D: D.random_split(ds_of(t), [3, 3]),
    lambda t, D: D.random_split(ds_of(t), [-0.5, 1.5]),
    lambda t, D: D.random_split(ds_of(t), [0.5, 0.6]),
    lambda t, D: D.StackDataset(),
    lambda t, D: D.StackDataset(ds_of(t), a=ds_of(t)),
    lambda t, D: D.StackDataset(ds_of(t), [1]),
    lambda t, D: D.StackDataset(a=[1], b=[2, 3]),
    lambda t, D: D.Dataset()[0],
    lambda t, D: stream_of(t)(2)[0],
    lambda t, D: D.IterableDataset(),
    lambda t, D: D.DataLoader(ds_of(t), num_workers=-1),
    lambda t, D: D.DataLoader(ds_of(t), timeout=-1),
    lambda t, D: D.DataLoader(ds_of(t), prefetch_factor=2),
    lambda t, D: D.DataLoader(ds_of(t), num_workers=1, prefetch_factor=-2),
    lambda t, D: D.DataLoader(ds_of(t), persistent_workers=True),
    lambda t, D: D.DataLoader(stream_of(t)(2), shuffle=True),
    lambda t, D: D.DataLoader(stream_of(t)(2), sampler=[1]),
    lambda t, D: D.DataLoader(stream_of(t)(2), batch_sampler=[1]),
    lambda t, D: len(D.DataLoader(stream_of(t)(2))),
    lambda t, D: D.DataLoader(ds_of(t), sampler=[1], shuffle=True),
    lambda t, D: D.DataLoader(ds_of(t), batch_sampler=[1], shuffle=True),
    lambda t, D: D.DataLoader(ds_of(t), batch_size=None, drop_last=True),
    lambda t, D: D.DataLoader(ds_of(t), batch_size=0),
    lambda t, D: D.DataLoader(ds_of(t), batch_size=2.0),
    lambda t, D: D.DataLoader(ds_of(t), multiprocessing_context="fork"),
    lambda t, D: D.DataLoader(ds_of(t), num_workers=1, multiprocessing_context="foo"),
    lambda t, D: D.DataLoader(ds_of(t), num_workers=1, multiprocessing_context=3),
    lambda t, D: D.DataLoader([], shuffle=True),
    lambda t, D: setattr(D.DataLoader(ds_of(t)), "batch_size", 3),
    lambda t, D: D.RandomSampler([]),
    lambda t, D: D.DistributedSampler([1], 2, 2),
    lambda t, D: D.RandomSampler([1], replacement=3),
    lambda t, D: D.RandomSampler([1], num_samples=-1),
    lambda t, D: D.RandomSampler([1], num_samples=2.0),
    lambda t, D: D.WeightedRandomSampler([1], -1),
    lambda t, D: D.WeightedRandomSampler([1], 1, 3),
    lambda t, D: D.WeightedRandomSampler([[1]], 1),
    lambda t, D: list(D.WeightedRandomSampler([1.0], 2, False)),
    lambda t, D: D.BatchSampler([1], -1, False),
    lambda t, D: D.BatchSampler([1], True, False),
    lambda t, D: D.BatchSampler([1], 1, 3),
    lambda t, D: D.default_collate([[1, 2], [3]]),
    lambda t, D: D.default_collate([None]),
    lambda t, D: D.default_collate([np.array(["a"])]),
    lambda t, D: D.default_collate([object()]),
    lambda t, D: D.default_collate([{1, 2}]),
    lambda t, D: D.default_collate([t.zeros(2), t.zeros(3)]),
    lambda t, D: D.default_collate([{"a": 1}, {"b": 2}]),
]


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_error_texts(number):
    with pytest.raises(Exception) as theirs:
        ERRORS[number](torch, torch.utils.data)
    with pytest.raises(type(theirs.value)) as ours:
        ERRORS[number](pycore, pycore.utils.data)
    assert type(ours.value) is type(theirs.value)
    assert norm(str(ours.value)) == str(theirs.value)


def test_empty_split_warns_alike():
    texts = []
    for t in (pycore, torch):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            t.utils.data.random_split(range(10), [0.0, 1.0])
        texts.append([str(entry.message) for entry in seen])
    assert texts[0] == texts[1] != []


class Sleepy:
    def __len__(self):
        return 2

    def __getitem__(self, index):
        import time

        time.sleep(5)


class Dying:
    def __len__(self):
        return 2

    def __getitem__(self, index):
        os._exit(3)


def test_timeout_and_death():
    loader = pycore.utils.data.DataLoader(Sleepy(), num_workers=1, timeout=0.3)
    with pytest.raises(RuntimeError, match=r"DataLoader timed out after 0.3 seconds"):
        next(iter(loader))
    loader = pycore.utils.data.DataLoader(Dying(), num_workers=2)
    with pytest.raises(RuntimeError, match=r"worker \(pid\(s\) .*\) exited unexpectedly"):
        list(loader)
