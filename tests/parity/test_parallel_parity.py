"""SyncBatchNorm, DataParallel and deprecated layers side by side with torch."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pycore = pytest.importorskip("pycore")

BOTH = (torch, pycore)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("momentum", [0.2, None])
def test_sync_batchnorm(training, momentum):
    results = []
    for t in BOTH:
        t.manual_seed(2)
        net = t.nn.Sequential(t.nn.Conv1d(2, 3, 2), t.nn.BatchNorm1d(3, momentum=momentum))
        net = t.nn.SyncBatchNorm.convert_sync_batchnorm(net).train(training)
        out = net(t.randn(4, 2, 6))
        results.append((repr(net), list(net.state_dict()), out, net[1].running_var))
    (text, keys, out, var), (own_text, own_keys, own, own_var) = results
    assert own_text == text and own_keys == keys
    np.testing.assert_allclose(own.detach().numpy(), out.detach().numpy(), 1e-5, 1e-5)
    np.testing.assert_allclose(own_var.numpy(), var.numpy(), 1e-5)
    for t in BOTH:
        with pytest.raises(ValueError, match="expected at least 2D input"):
            t.nn.SyncBatchNorm(3)(t.zeros(3))
        with pytest.raises(ValueError, match="input channels should be non-zero"):
            t.nn.SyncBatchNorm(3)(t.zeros(2, 0))


def test_data_parallel():
    for t in BOTH:
        net = t.nn.DataParallel(t.nn.Linear(2, 3))
        assert list(net.state_dict()) == ["module.weight", "module.bias"]
        assert net(t.zeros(4, 2)).shape == (4, 3) and net.device_ids == []
    assert repr(t.nn.DataParallel(t.nn.ReLU())) == repr(torch.nn.DataParallel(torch.nn.ReLU()))


def test_deprecated_layers():
    for t in BOTH:
        with pytest.warns(FutureWarning, match="`nn.Container` is deprecated"):
            made = t.nn.Container(a=t.nn.ReLU())
        assert repr(made) == "Container(\n  (a): ReLU()\n)"
        with pytest.warns(FutureWarning, match="`NLLLoss2d` has been deprecated"):
            assert isinstance(t.nn.NLLLoss2d(), t.nn.NLLLoss)


def test_helpers_of_modules():
    for t in BOTH:
        u = t.nn.modules.utils
        assert u._pair(3) == (3, 3) and u._triple([1, 2, 3]) == (1, 2, 3)
        assert u._reverse_repeat_tuple((1, 2), 2) == (2, 2, 1, 1)
        state = t.nn.DataParallel(t.nn.Linear(2, 3)).state_dict()
        u.consume_prefix_in_state_dict_if_present(state, "module.")
        assert list(state) == ["weight", "bias"] and list(state._metadata) == [""] * 1 + [
            key for key in state._metadata if key
        ]
        t.nn.Linear(2, 3).load_state_dict(state)


@pytest.mark.parametrize("kind", ["BatchNorm1d", "BatchNorm2d"])
def test_own_checks_of_subclasses_are_asked(kind):
    for t in BOTH:
        base = getattr(t.nn, kind)

        class Own(base):
            def _check_input_dim(self, input):
                raise ValueError("own check")

        with pytest.raises(ValueError, match="own check"):
            Own(3)(t.zeros(2, 3, 4, 4)[:, :, 0, 0] if kind[-2] == "1" else t.zeros(2, 3, 4, 4))

        class Any(t.nn.modules.batchnorm._BatchNorm):
            def _check_input_dim(self, input):
                pass

        assert Any(3)(t.ones(2, 3, 1, 1, 1, 1)).shape == (2, 3, 1, 1, 1, 1)
