"""Averaged models and the SWA schedule side by side with torch."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pycore = pytest.importorskip("pycore")

FUNCTIONS = {
    "default": lambda u: {},
    "ema": lambda u: {"multi_avg_fn": u.get_ema_multi_avg_fn(0.9)},
    "ema one by one": lambda u: {"avg_fn": u.get_ema_avg_fn(0.9)},
    "swa one by one": lambda u: {"avg_fn": u.get_swa_avg_fn()},
    "swa lists": lambda u: {"multi_avg_fn": u.get_swa_multi_avg_fn()},
}


def train(t, kind, use_buffers):
    """An averaged model after some steps, and what it predicts."""
    t.manual_seed(1)
    net = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.BatchNorm1d(4), t.nn.Linear(4, 1))
    u = t.optim.swa_utils
    average = u.AveragedModel(net, use_buffers=use_buffers, **FUNCTIONS[kind](u))
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)
    x = t.randn(8, 3)
    for _ in range(4):
        optimizer.zero_grad()
        net(x).square().mean().backward()
        optimizer.step()
        average.update_parameters(net)
    u.update_bn([x, (x * 2, None)], average)
    return average, average.eval()(x)


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize("kind", FUNCTIONS)
def test_averaged_model(kind, use_buffers):
    if kind == "swa lists" and use_buffers:
        pytest.skip("torch raises for integer buffers")
    (ours, out), (theirs, reference) = (train(t, kind, use_buffers) for t in (pycore, torch))
    assert repr(ours) == repr(theirs)
    state, expected = ours.state_dict(), theirs.state_dict()
    assert list(state) == list(expected)
    for key, value in expected.items():
        np.testing.assert_allclose(state[key].numpy(), value.numpy(), 1e-5, 1e-6, err_msg=key)
    np.testing.assert_allclose(out.detach().numpy(), reference.detach().numpy(), 1e-5, 1e-5)
    copy.deepcopy(ours).load_state_dict(state)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"anneal_epochs": 3, "anneal_strategy": "linear"},
        {"anneal_epochs": 4, "anneal_strategy": "cos"},
        {"anneal_epochs": 0},
        {"swa_lr": [0.01, 0.02], "anneal_epochs": 2},
    ],
)
def test_schedule(options):
    rates = []
    for t in (pycore, torch):
        groups = [{"params": [t.nn.Parameter(t.zeros(1))], "lr": lr} for lr in (0.5, 0.1)]
        optimizer = t.optim.SGD(groups, lr=0.3)
        schedule = t.optim.swa_utils.SWALR(optimizer, **{"swa_lr": 0.05, **options})
        seen = []
        for step in range(8):
            seen += schedule.get_last_lr()
            optimizer.step()
            schedule.step()
            if step == 3:
                state = copy.deepcopy(schedule.state_dict())
                schedule = t.optim.swa_utils.SWALR(optimizer, 0.05)
                schedule.load_state_dict(state)
                for group in optimizer.param_groups:
                    group["swa_lr"] = 0.03
        rates.append(
            (seen, schedule.state_dict(), [dict(g, params=0) for g in optimizer.param_groups])
        )
    assert rates[0][0] == pytest.approx(rates[1][0], rel=1e-12)
    assert list(rates[0][1]) == list(rates[1][1])
    assert [list(g) for g in rates[0][2]] == [list(g) for g in rates[1][2]]


def test_errors():
    for t in (pycore, torch):
        u = t.optim.swa_utils
        optimizer = t.optim.SGD([t.nn.Parameter(t.zeros(1))], lr=0.3)
        for call in (
            lambda u=u, o=optimizer: u.SWALR(o, 0.1, anneal_strategy="other"),
            lambda u=u, o=optimizer: u.SWALR(o, 0.1, anneal_epochs=-1),
            lambda u=u, o=optimizer: u.SWALR(o, [0.1, 0.2]),
            lambda u=u: u.get_ema_avg_fn(1.5),
            lambda u=u: u.get_ema_multi_avg_fn(-0.5),
        ):
            with pytest.raises(ValueError):
                call()
        with pytest.raises(AssertionError, match="Only one of"):
            u.AveragedModel(t.nn.ReLU(), avg_fn=print, multi_avg_fn=print)
