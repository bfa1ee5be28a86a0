"""Files written here and read by torch, and the other way round."""

from __future__ import annotations

import collections
import io

import pytest

torch = pytest.importorskip("torch")
pycore = pytest.importorskip("pycore")

DTYPES = [
    "float64",
    "float32",
    "float16",
    "bfloat16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "bool",
]
PAIRS = [(pycore, torch), (torch, pycore)]
IDS = ["pycore to torch", "torch to pycore"]


def carry(source, target, obj, **options):
    buffer = io.BytesIO()
    source.save(obj, buffer)
    buffer.seek(0)
    return target.load(buffer, **options)


def equal(a, b):
    assert str(a.dtype).split(".")[1] == str(b.dtype).split(".")[1]
    assert tuple(a.shape) == tuple(b.shape) and tuple(a.stride()) == tuple(b.stride())
    assert a.requires_grad == b.requires_grad
    assert a.tolist() == b.tolist()


@pytest.mark.parametrize("source, target", PAIRS, ids=IDS)
@pytest.mark.parametrize("name", DTYPES)
def test_dtypes(source, target, name):
    x = source.tensor([[0, 1, 1], [1, 0, 1]], dtype=getattr(source, name))
    equal(carry(source, target, x), x)


@pytest.mark.parametrize("source, target", PAIRS, ids=IDS)
@pytest.mark.parametrize(
    "make",
    [
        lambda m: m.tensor(2.5),
        lambda m: m.zeros(0, 3),
        lambda m: m.arange(12.0).reshape(3, 4)[1:, ::2],
        lambda m: m.arange(12.0).reshape(3, 4).t(),
        lambda m: m.ones(3).expand(2, 3),
        lambda m: m.ones(2, requires_grad=True),
        lambda m: m.nn.Parameter(m.ones(2)),
        lambda m: m.nn.Parameter(m.ones(2), requires_grad=False),
    ],
)
def test_tensors(source, target, make):
    x = make(source)
    y = carry(source, target, x)
    equal(y, x)
    assert type(y).__name__ == type(x).__name__


@pytest.mark.parametrize("source, target", PAIRS, ids=IDS)
def test_mixed_objects(source, target):
    obj = {
        "x": [1, 2.5, None, "s", b"b", True, 1 + 2j],
        "o": collections.OrderedDict(a=(1, 2)),
        "set": {1, 2},
    }
    assert carry(source, target, obj) == obj
    size, dtype, device = carry(
        source, target, [source.ones(2, 3).shape, source.float16, source.device("cpu")]
    )
    assert isinstance(size, target.Size) and tuple(size) == (2, 3)
    assert dtype == target.float16 and device == target.device("cpu")


@pytest.mark.parametrize("source, target", PAIRS, ids=IDS)
def test_sharing(source, target):
    base = source.arange(12.0)
    a, b = carry(source, target, [base, base[3:]])
    a.zero_()
    assert b.tolist() == [0.0] * 9


@pytest.mark.parametrize("source, target", PAIRS, ids=IDS)
def test_state_dicts(source, target):
    def build(m):
        return m.nn.Sequential(
            m.nn.Conv2d(1, 3, 3), m.nn.BatchNorm2d(3), m.nn.Flatten(), m.nn.Linear(12, 2)
        )

    theirs, ours = build(source), build(target)
    ours.load_state_dict(carry(source, target, theirs.state_dict()))
    for a, b in zip(theirs.state_dict().values(), ours.state_dict().values(), strict=True):
        assert a.tolist() == b.tolist()


@pytest.mark.parametrize("source, target", PAIRS, ids=IDS)
def test_optimizer_state(source, target):
    def build(m):
        p = m.nn.Parameter(m.arange(3.0))
        return p, m.optim.Adam([p], lr=0.1)

    p, optimizer = build(source)
    (p * p).sum().backward()
    optimizer.step()
    _, other = build(target)
    other.load_state_dict(carry(source, target, optimizer.state_dict()))
    state = other.state_dict()["state"][0]
    for key, value in optimizer.state_dict()["state"][0].items():
        assert float(value.sum()) == pytest.approx(float(state[key].sum()), abs=1e-7)


@pytest.mark.parametrize("source, target", PAIRS, ids=IDS)
@pytest.mark.parametrize("mmap", [False, True])
def test_files(source, target, mmap, tmp_path):
    path = tmp_path / "weights.pt"
    x = source.arange(5000.0)
    source.save({"x": x}, path)
    assert target.load(path, mmap=mmap)["x"].tolist() == x.tolist()


@pytest.mark.parametrize("source, target", PAIRS, ids=IDS)
def test_whole_modules(source, target):
    net = source.nn.Sequential(source.nn.Linear(3, 2), source.nn.ReLU())
    again = carry(source, target, net, weights_only=False)
    assert repr(again) == repr(net)
    x = [1.0, 2.0, 3.0]
    assert again(target.tensor(x)).tolist() == pytest.approx(net(source.tensor(x)).tolist())


def test_the_format_before_version_1_6():
    base = torch.arange(6.0)
    obj = {"a": base, "b": base[2:], "p": torch.nn.Parameter(torch.ones(2)), "n": 3}
    buffer = io.BytesIO()
    torch.save(obj, buffer, _use_new_zipfile_serialization=False)
    buffer.seek(0)
    loaded = pycore.load(buffer)
    for key in "abp":
        equal(loaded[key], obj[key])
    loaded["a"].zero_()
    assert loaded["b"].tolist() == [0.0] * 4 and loaded["n"] == 3


def test_attributes_of_tensors():
    for source, target in PAIRS:
        x = source.ones(2)
        x.note = [1, "two"]
        assert carry(source, target, x).note == [1, "two"]


def test_rng_state_travels():
    for source, target in PAIRS:
        source.manual_seed(3)
        source.rand(100)
        target.set_rng_state(carry(source, target, source.get_rng_state()))
        assert source.rand(5).tolist() == target.rand(5).tolist()
