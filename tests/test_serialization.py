"""save and load without torch: round trips, shared memory, damaged and hostile files."""

from __future__ import annotations

import collections
import io
import os
import pickle

import pytest

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


def round_trip(obj, **options):
    buffer = io.BytesIO()
    pycore.save(obj, buffer)
    buffer.seek(0)
    return pycore.load(buffer, **options)


@pytest.mark.parametrize("name", DTYPES)
def test_dtypes(name):
    x = pycore.tensor([0, 1, 1], dtype=getattr(pycore, name))
    y = round_trip(x)
    assert y.dtype == x.dtype and y.tolist() == x.tolist()


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (2, 3), (1, 1, 5)])
def test_shapes(shape):
    x = pycore.ones(shape)
    y = round_trip(x)
    assert y.shape == x.shape and y.tolist() == x.tolist()


def test_containers_and_plain_objects():
    obj = {
        "a": [1, 2.5, None, "x", b"y", True],
        "t": (1, (2,)),
        "s": {1, 2},
        "c": 1 + 2j,
        "o": collections.OrderedDict(a=1),
        "n": collections.Counter("aab"),
    }
    assert round_trip(obj) == obj


def test_names_of_the_library():
    x = pycore.ones(2, 3)
    size, dtype, device = round_trip([x.shape, x.dtype, x.device])
    assert type(size) is type(x.shape) and size == x.shape
    assert dtype == x.dtype and device == x.device


def test_views_keep_sharing():
    base = pycore.arange(12.0).reshape(3, 4)
    a, b, c = round_trip([base, base[1:], base.t()])
    assert c.stride() == base.t().stride()
    a.zero_()
    assert b.tolist() == [[0.0] * 4] * 2 and c.tolist() == [[0.0] * 3] * 4


def test_a_view_alone_is_right():
    base = pycore.arange(12.0).reshape(3, 4)
    assert round_trip(base[1:, ::2]).tolist() == base[1:, ::2].tolist()


def test_requires_grad_and_parameters():
    x, p, frozen = round_trip(
        [
            pycore.ones(2, requires_grad=True),
            pycore.nn.Parameter(pycore.ones(3)),
            pycore.nn.Parameter(pycore.ones(3), requires_grad=False),
        ]
    )
    assert x.requires_grad and x.is_leaf
    assert type(p) is pycore.nn.Parameter and p.requires_grad and p.is_leaf
    assert type(frozen) is pycore.nn.Parameter and not frozen.requires_grad


def test_loaded_parameters_train():
    p = round_trip(pycore.nn.Parameter(pycore.ones(3)))
    (p * 2).sum().backward()
    with pycore.no_grad():
        p.sub_(p.grad)
    assert p.tolist() == [-1.0] * 3


def test_state_dict(tmp_path):
    net = pycore.nn.Sequential(pycore.nn.Linear(3, 4), pycore.nn.BatchNorm1d(4))
    pycore.save(net.state_dict(), tmp_path / "net.pt")
    other = pycore.nn.Sequential(pycore.nn.Linear(3, 4), pycore.nn.BatchNorm1d(4))
    other.load_state_dict(pycore.load(tmp_path / "net.pt"))
    for a, b in zip(net.state_dict().values(), other.state_dict().values(), strict=True):
        assert a.tolist() == b.tolist()


def test_whole_module_needs_weights_only_off(tmp_path):
    net = pycore.nn.Sequential(pycore.nn.Linear(3, 4), pycore.nn.ReLU())
    pycore.save(net, tmp_path / "net.pt")
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        pycore.load(tmp_path / "net.pt")
    again = pycore.load(tmp_path / "net.pt", weights_only=False)
    x = pycore.ones(2, 3)
    assert again(x).tolist() == net(x).tolist()


def test_map_location():
    x = pycore.ones(2)
    for where in ("cpu", pycore.device("cpu"), {"cpu": "cpu"}, lambda storage, location: storage):
        assert round_trip(x, map_location=where).tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="CUDA"):
        round_trip(x, map_location="cuda:0")


def test_mmap(tmp_path):
    path = tmp_path / "x.pt"
    pycore.save({"a": pycore.arange(1000.0), "b": pycore.arange(3)}, path)
    before = path.read_bytes()
    loaded = pycore.load(path, mmap=True)
    assert loaded["a"].tolist() == list(range(1000)) and loaded["b"].tolist() == [0, 1, 2]
    loaded["a"].zero_()
    assert path.read_bytes() == before


def test_storages_are_aligned(tmp_path):
    import zipfile

    path = tmp_path / "x.pt"
    pycore.save([pycore.ones(n) for n in (1, 3, 100)], path)
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for info in archive.infolist():
            lengths = data[info.header_offset + 26 : info.header_offset + 30]
            begin = info.header_offset + 30 + int.from_bytes(lengths[:2], "little")
            begin += int.from_bytes(lengths[2:], "little")
            assert begin % 64 == 0, info.filename


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.pt"
    pycore.save(pycore.ones(2), path)
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        pycore.save([pycore.ones(3), lambda: None], path)
    assert pycore.load(path).tolist() == [1.0, 1.0]
    assert os.listdir(tmp_path) == ["x.pt"]


def _file(obj):
    buffer = io.BytesIO()
    pycore.save(obj, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("cut", [0, 3, 10, 100, -10, -200])
def test_cut_files(cut):
    data = _file({"x": pycore.ones(100)})[:cut]
    with pytest.raises((RuntimeError, pickle.UnpicklingError, EOFError)):
        pycore.load(io.BytesIO(data))


def test_damaged_storage_is_noticed():
    data = bytearray(_file(pycore.arange(1000.0)))
    at = data.find(bytes(pycore.arange(1000.0).numpy().tobytes()[400:420]))
    data[at] ^= 255
    with pytest.raises(RuntimeError, match="failed reading"):
        pycore.load(io.BytesIO(data))


@pytest.mark.parametrize("data", [b"", b"hello", b"\x80\x02}q\x00.", b"PK\x03\x04garbage"])
def test_other_files(data):
    with pytest.raises((RuntimeError, pickle.UnpicklingError, EOFError)):
        pycore.load(io.BytesIO(data))


class Evil:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


def test_code_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pickle.UnpicklingError, match=r"GLOBAL (posix|os|nt)\.mkdir"):
        round_trip(Evil())
    assert not os.path.exists("pwned")


@pytest.mark.parametrize(
    "name",
    [
        b"torch._utils\n_rebuild_tensor_v2",
        b"collections\nCounter",
        b"torch\nSize",
        b"torch\nFloatStorage",
    ],
)
def test_a_pickle_cannot_modify_what_it_names(name):
    from pycore._pickle_reader import StorageUnpickler

    stream = b"\x80\x02c" + name + b"\nN}X\x01\x00\x00\x00aK\x01s\x86b."
    with pytest.raises(pickle.UnpicklingError, match="modifies"):
        StorageUnpickler(io.BytesIO(stream), None, {}).load()


def test_tensors_outside_their_storage_are_refused():
    from pycore._pickle_reader import _rebuild_tensor

    base = pycore.ones(4)
    for args in (
        (0, (5,), (1,)),
        (1, (4,), (1,)),
        (-1, (2,), (1,)),
        (0, (2,), (-1,)),
        (0, (2, 2), (1,)),
        (0, (2**40,), (1,)),
    ):
        with pytest.raises(pickle.UnpicklingError):
            _rebuild_tensor(base, *args)


class Mine:
    def __init__(self):
        self.x = 1


def test_safe_globals():
    with pytest.raises(pickle.UnpicklingError):
        round_trip(Mine())
    with pycore.serialization.safe_globals([Mine]):
        assert round_trip(Mine()).x == 1
    with pytest.raises(pickle.UnpicklingError):
        round_trip(Mine())


def test_one_memory_as_two_dtypes_is_an_error():
    x = pycore.ones(4)
    with pytest.raises(RuntimeError, match="different types"):
        round_trip([x, x.view(pycore.int32)])


def test_wrong_targets():
    with pytest.raises((TypeError, AttributeError)):
        pycore.save(1, 5)
    with pytest.raises((TypeError, AttributeError)):
        pycore.load(5)
    with pytest.raises(FileNotFoundError):
        pycore.load("there is no such file.pt")
