"""Lazy modules: their first call, copies, state dicts, and what uninitialized tensors refuse."""

from __future__ import annotations

import copy
import io
import pickle

import pytest

import pycore
from pycore import nn


def test_first_call_makes_an_ordinary_module():
    net = nn.Sequential(nn.LazyConv1d(3, 2), nn.LazyBatchNorm1d(), nn.Flatten(), nn.LazyLinear(2))
    pycore.manual_seed(1)
    assert net(pycore.ones(2, 2, 5)).shape == (2, 2)
    assert [type(m) for m in net] == [nn.Conv1d, nn.BatchNorm1d, nn.Flatten, nn.Linear]
    assert all(type(p) is nn.Parameter for p in net.parameters())
    assert all(type(b) is pycore.Tensor for b in net.buffers())
    assert not net[0]._forward_pre_hooks and not net[0]._load_state_dict_pre_hooks
    pycore.manual_seed(1)
    eager = nn.Sequential(nn.Conv1d(2, 3, 2), nn.BatchNorm1d(3), nn.Flatten(), nn.Linear(12, 2))
    for key, value in eager.state_dict().items():
        if "running" not in key and "num_batches" not in key:
            assert net.state_dict()[key].equal(value)


@pytest.mark.parametrize("make", [nn.UninitializedParameter, nn.UninitializedBuffer])
def test_uninitialized(make):
    value = make(dtype=pycore.float64)
    for use in (
        lambda: value + 1,
        lambda: value == value,
        lambda: value[0],
        lambda: len(value),
        lambda: list(value),
        lambda: value.numel(),
        lambda: value.tolist(),
        lambda: bool(value),
        lambda: nn.init.ones_(value),
    ):
        with pytest.raises(ValueError, match="Attempted to use an uninitialized parameter"):
            use()
    with pytest.raises(RuntimeError, match="Can't access the shape"):
        value.shape  # noqa: B018
    with pytest.raises(RuntimeError, match="Can't share memory"):
        value.share_memory_()
    assert value.dtype == pycore.float64 and value.to(pycore.float32).dtype == pycore.float32
    file = io.BytesIO()
    pycore.save({"value": value}, file)
    file.seek(0)
    loaded = pycore.load(file)["value"]
    for other in (copy.deepcopy(value), pickle.loads(pickle.dumps(value)), loaded):
        assert type(other) is make and other.dtype == pycore.float64
        assert other.requires_grad == value.requires_grad
    value.materialize((2, 3))
    assert type(value) is make.cls_to_become and value.shape == (2, 3)
    assert value.dtype == pycore.float64


def test_state_dicts():
    lazy, eager = nn.LazyLinear(3), nn.Linear(4, 3)
    nn.LazyLinear(3).load_state_dict(lazy.state_dict())
    with pytest.raises(RuntimeError, match="Can't access the shape"):
        eager.load_state_dict(lazy.state_dict())
    lazy.load_state_dict(eager.state_dict())
    assert not lazy.has_uninitialized_params() and type(lazy) is nn.LazyLinear
    with pytest.raises(AssertionError, match="inferred from input: 5 is not equal"):
        lazy(pycore.zeros(2, 5))
    x = pycore.randn(2, 4)
    assert lazy(x).equal(eager(x)) and type(lazy) is nn.Linear and lazy.in_features == 4
    conv = nn.LazyConv2d(4, 3, groups=2)
    conv.load_state_dict(nn.Conv2d(6, 4, 3, groups=2).state_dict())
    conv(pycore.zeros(1, 6, 5, 5))
    assert conv.in_channels == 6


def test_copies_stay_lazy():
    for make in (copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))):
        first = nn.LazyLinear(3)
        second = make(first)
        second(pycore.zeros(1, 2))
        assert type(second) is nn.Linear and type(first) is nn.LazyLinear
        first(pycore.zeros(1, 7))
        assert first.in_features == 7


def test_hooks_see_the_order_of_registration():
    seen = []
    m = nn.LazyLinear(3)
    m.register_forward_pre_hook(lambda m, _: seen.append(type(m).__name__), prepend=True)
    m.register_forward_pre_hook(lambda m, _: seen.append(type(m).__name__))
    m.register_forward_hook(lambda m, _, out: seen.append(tuple(out.shape)))
    m(pycore.zeros(1, 2))
    assert seen == ["LazyLinear", "Linear", (1, 3)]


class Own(nn.modules.lazy.LazyModuleMixin, nn.Module):
    def __init__(self):
        super().__init__()
        self.p = nn.UninitializedParameter()

    def forward(self, x):
        return x * self.p


def test_own_lazy_modules():
    with pytest.raises(NotImplementedError, match="not implemented for Own"):
        Own()(pycore.zeros(1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Own, "initialize_parameters", lambda self, x: None)
        with pytest.raises(RuntimeError, match="Own has not been fully initialized"):
            Own()(pycore.zeros(1))
        patch.setattr(Own, "initialize_parameters", lambda self, x: self.p.materialize(x.shape))
        m = Own()
        m(pycore.zeros(4))
        assert type(m) is Own and m.p.shape == (4,)


def test_wrong_inputs():
    with pytest.raises(RuntimeError, match=r"Expected 3D \(unbatched\) or 4D \(batched\) input"):
        nn.LazyConv2d(4, 3)(pycore.zeros(3, 3))
    with pytest.raises(ValueError, match="in_channels must be divisible by groups"):
        nn.LazyConv2d(4, 3, groups=2)(pycore.zeros(1, 3, 5, 5))
    with pytest.raises(ValueError, match='Only "zeros" padding mode'):
        nn.LazyConvTranspose2d(4, 3, padding_mode="circular")
