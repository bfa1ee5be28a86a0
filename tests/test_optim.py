"""Optimizers and schedules: update rules by hand, groups, state, hooks, resuming."""

from __future__ import annotations

import copy
import math
import pickle
from collections import defaultdict

import pytest

import pycore
from pycore import nn, optim
from pycore.optim import lr_scheduler as schedules
from pycore.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

ALL = [
    (optim.SGD, {"lr": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    (optim.Adam, {"lr": 0.1}),
    (optim.Adam, {"lr": 0.1, "amsgrad": True}),
    (optim.AdamW, {"lr": 0.1}),
    (optim.RMSprop, {"lr": 0.05, "momentum": 0.5, "centered": True}),
    (optim.Adagrad, {"lr": 0.5}),
    (optim.Adadelta, {"lr": 20.0}),
    (optim.Adamax, {"lr": 0.1}),
    (optim.NAdam, {"lr": 0.1}),
    (optim.RAdam, {"lr": 0.1}),
    (optim.Rprop, {"lr": 0.1}),
    (optim.ASGD, {"lr": 0.1}),
]
IDS = [f"{kind.__name__}-{i}" for i, (kind, _) in enumerate(ALL)]


def parameter(*values):
    return nn.Parameter(pycore.tensor(list(values)))


def descend(optimizer, p, steps):
    """Minimise the sum of (p - 3)**2; returns the last value."""
    for _ in range(steps):
        optimizer.zero_grad()
        loss = ((p - 3) ** 2).sum()
        loss.backward()
        optimizer.step()
    return loss.item()


@pytest.mark.parametrize(("kind", "options"), ALL, ids=IDS)
def test_every_optimizer_descends(kind, options):
    p = parameter(0.0, 5.0)
    assert descend(kind([p], **options), p, 150) < 0.5


def test_sgd_by_hand():
    p = parameter(1.0)
    optimizer = optim.SGD([p], lr=0.1, momentum=0.5, dampening=0.25, weight_decay=0.2)
    value, momentum = 1.0, None
    for grad in (2.0, -1.0, 0.5):
        p.grad = pycore.tensor([grad])
        optimizer.step()
        g = grad + 0.2 * value
        momentum = g if momentum is None else 0.5 * momentum + 0.75 * g
        value -= 0.1 * momentum
        assert p.item() == pytest.approx(value, rel=1e-6)


def test_adamw_by_hand():
    p = parameter(1.0)
    optimizer = optim.AdamW([p], lr=0.1, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.2)
    value, m, v = 1.0, 0.0, 0.0
    for step, grad in enumerate((2.0, -1.0, 0.5), start=1):
        p.grad = pycore.tensor([grad])
        optimizer.step()
        value *= 1 - 0.1 * 0.2
        m = 0.8 * m + 0.2 * grad
        v = 0.9 * v + 0.1 * grad * grad
        value -= 0.1 * (m / (1 - 0.8**step)) / (math.sqrt(v / (1 - 0.9**step)) + 1e-3)
        assert p.item() == pytest.approx(value, rel=1e-5)


def test_maximize_climbs():
    a, b = parameter(1.0), parameter(1.0)
    for p, flag, sign in ((a, False, 1.0), (b, True, -1.0)):
        p.grad = pycore.tensor([sign])
        optim.Adam([p], maximize=flag).step()
    assert a.item() == b.item()


def test_parameters_without_gradient_are_skipped():
    a, b = parameter(1.0), parameter(2.0)
    optimizer = optim.SGD([a, b], lr=0.5, momentum=0.9)
    a.grad = pycore.tensor([1.0])
    optimizer.step()
    assert a.item() == 0.5 and b.item() == 2.0
    assert list(optimizer.state) == [a]
    b.grad = pycore.tensor([1.0])
    optimizer.step()
    assert b.item() == 1.5 and set(optimizer.state) == {a, b}


def test_zero_grad():
    p = parameter(1.0)
    optimizer = optim.SGD([p], lr=0.1)
    p.grad = pycore.tensor([1.0])
    kept = p.grad
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is kept and kept.item() == 0.0
    optimizer.zero_grad()
    assert p.grad is None


def test_groups_have_their_own_options():
    a, b = parameter(1.0), parameter(1.0)
    optimizer = optim.SGD([{"params": [a], "lr": 0.5}, {"params": b}], lr=0.1)
    for p in (a, b):
        p.grad = pycore.tensor([1.0])
    optimizer.step()
    assert a.item() == 0.5 and b.item() == pytest.approx(0.9)
    optimizer.param_groups[1]["lr"] = 0.2
    optimizer.step()
    assert b.item() == pytest.approx(0.7)


def test_groups_can_grow_while_training():
    a, b = parameter(1.0), parameter(1.0)
    optimizer = optim.Adam([a], lr=0.1)
    descend(optimizer, a, 3)
    optimizer.add_param_group({"params": [b], "lr": 0.3})
    b.grad = pycore.tensor([1.0])
    optimizer.step()
    assert optimizer.state[b]["step"].item() == 1 and b.item() == pytest.approx(0.7, rel=1e-4)
    c = parameter(1.0)
    optimizer.param_groups[1]["params"].append(c)
    c.grad = pycore.tensor([1.0])
    optimizer.step()
    assert optimizer.state[c]["step"].item() == 1 and optimizer.state[b]["step"].item() == 2


def test_named_parameters():
    net = nn.Linear(2, 1)
    optimizer = optim.SGD(net.named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


def test_tensor_lr():
    p = parameter(1.0)
    lr = pycore.tensor(0.5)
    optimizer = optim.SGD([p], lr=lr)
    p.grad = pycore.tensor([1.0])
    optimizer.step()
    assert p.item() == 0.5
    lr.fill_(0.25)
    optimizer.step()
    assert p.item() == 0.25


def test_closure_runs_with_recording_on():
    p = parameter(1.0)
    optimizer = optim.SGD([p], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with pycore.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 1.0 and p.item() == 0.5


# ---- state -------------------------------------------------------------------------------------


def test_state_layout():
    p = parameter(1.0, 2.0)
    optimizer = optim.Adam([p], lr=0.1, amsgrad=True)
    assert isinstance(optimizer.state, defaultdict) and not optimizer.state
    descend(optimizer, p, 2)
    entry = optimizer.state[p]
    assert list(entry) == ["step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"]
    assert entry["step"].item() == 2 and entry["step"].dtype == pycore.float32
    saved = optimizer.state_dict()
    assert list(saved["state"]) == [0] and type(saved["state"][0]) is dict
    assert saved["param_groups"][0]["params"] == [0]
    assert saved["state"][0]["exp_avg"] is entry["exp_avg"]


@pytest.mark.parametrize(("kind", "options"), ALL, ids=IDS)
def test_loading_goes_on_where_it_stopped(kind, options):
    p = parameter(0.0, 5.0)
    optimizer = kind([p], **options)
    descend(optimizer, p, 3)
    q = nn.Parameter(p.detach().clone())
    twin = kind([q])
    twin.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert descend(optimizer, p, 4) == descend(twin, q, 4)
    assert p.tolist() == q.tolist()


def test_loading_replaces_state_in_the_middle():
    p = parameter(1.0)
    optimizer = optim.SGD([p], lr=0.1, momentum=0.9)
    p.grad = pycore.tensor([1.0])
    optimizer.step()
    start = copy.deepcopy(optimizer.state_dict())
    first = p.item()
    optimizer.step()
    second = p.item()
    with pycore.no_grad():
        p.fill_(first)
    optimizer.load_state_dict(start)
    optimizer.step()
    assert p.item() == second


def test_changes_of_state_by_hand_are_noticed():
    p = parameter(1.0)
    optimizer = optim.SGD([p], lr=1.0, momentum=1.0)
    p.grad = pycore.tensor([1.0])
    optimizer.step()  # 1 - 1
    optimizer.state[p]["momentum_buffer"] = pycore.tensor([10.0])
    optimizer.step()  # buffer 11
    assert p.item() == -11.0
    optimizer.state.clear()
    optimizer.step()  # buffer 1 again
    assert p.item() == -12.0
    optimizer.state[p].pop("momentum_buffer")
    optimizer.step()
    assert p.item() == -13.0
    optimizer.state = defaultdict(dict)
    optimizer.__setstate__({"state": defaultdict(dict)})
    optimizer.step()
    assert p.item() == -14.0


def test_state_takes_the_parameters_dtype():
    p = parameter(1.0)
    optimizer = optim.Adam([p], lr=0.1)
    descend(optimizer, p, 1)
    q = nn.Parameter(pycore.zeros(1, dtype=pycore.float64))
    twin = optim.Adam([q])
    twin.load_state_dict(optimizer.state_dict())
    assert twin.state[q]["exp_avg"].dtype == pycore.float64
    assert twin.state[q]["step"].dtype == pycore.float32
    assert twin.param_groups[0]["lr"] == 0.1


def test_deepcopy_and_pickle():
    p = parameter(1.0)
    optimizer = optim.SGD([p], lr=0.1, momentum=0.9)
    p.grad = pycore.tensor([1.0])
    optimizer.step()
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        (q,) = twin.param_groups[0]["params"]
        assert q is not p and list(twin.state) == [q]
        q.grad = pycore.tensor([1.0])
        twin.step()
        assert q.item() == pytest.approx(0.9 - 0.19)
    assert p.item() == pytest.approx(0.9)


# ---- hooks -------------------------------------------------------------------------------------


def test_step_hooks():
    p = parameter(1.0)
    optimizer, log = optim.SGD([p], lr=0.1), []
    p.grad = pycore.tensor([1.0])
    handles = [
        optimizer.register_step_pre_hook(lambda o, a, k: log.append("pre")),
        optimizer.register_step_post_hook(lambda o, a, k: log.append("post")),
        register_optimizer_step_pre_hook(lambda o, a, k: log.append("global pre")),
        register_optimizer_step_post_hook(lambda o, a, k: log.append("global post")),
    ]
    try:
        optimizer.step()
    finally:
        for handle in handles:
            handle.remove()
    assert log == ["global pre", "pre", "post", "global post"]
    optimizer.step()
    assert len(log) == 4


def test_pre_hook_replaces_arguments():
    optimizer = optim.SGD([parameter(1.0)], lr=0.1)
    optimizer.register_step_pre_hook(lambda o, args, kw: (args, {"closure": lambda: 7}))
    assert optimizer.step() == 7
    optimizer.register_step_pre_hook(lambda o, args, kw: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        optimizer.step()


def test_state_dict_hooks():
    optimizer, log = optim.SGD([parameter(1.0)], lr=0.1), []
    optimizer.register_state_dict_pre_hook(lambda o: log.append("pre"))
    optimizer.register_state_dict_post_hook(lambda o, s: {**s, "more": 1})
    optimizer.register_load_state_dict_pre_hook(lambda o, s: log.append(s.pop("more")))
    optimizer.register_load_state_dict_post_hook(lambda o: log.append("loaded"))
    state = optimizer.state_dict()
    optimizer.load_state_dict(state)
    assert log == ["pre", 1, "loaded"] and "more" in state


def test_subclasses_get_their_hooks():
    log = []

    class Mine(optim.SGD):
        def step(self, closure=None):
            log.append("mine")
            return super().step(closure)

    optimizer = Mine([parameter(1.0)], lr=0.1)
    optimizer.register_step_pre_hook(lambda o, a, k: log.append("pre"))
    optimizer.step()
    assert log == ["pre", "mine"]


def test_repr():
    assert repr(optim.SGD([parameter(1.0)], lr=0.1)) == (
        "SGD (\n"
        "Parameter Group 0\n"
        "    dampening: 0\n"
        "    differentiable: False\n"
        "    foreach: None\n"
        "    fused: None\n"
        "    lr: 0.1\n"
        "    maximize: False\n"
        "    momentum: 0\n"
        "    nesterov: False\n"
        "    weight_decay: 0\n"
        ")"
    )


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: optim.SGD([], lr=0.1), ValueError, "optimizer got an empty parameter list"),
        (lambda: optim.SGD([3], lr=0.1), TypeError, "optimizer can only optimize Tensors"),
        (lambda: optim.SGD(parameter(1.0)), TypeError, "should be an iterable of Tensors"),
        (lambda: optim.SGD([parameter(1.0) * 2]), ValueError, "can't optimize a non-leaf Tensor"),
        (lambda: optim.SGD([parameter(1.0)], lr=-1), ValueError, "Invalid learning rate: -1"),
        (lambda: optim.Adam([parameter(1.0)], betas=(1.0, 0.9)), ValueError, "index 0: 1.0"),
        (lambda: optim.SGD([parameter(1.0)], differentiable=True), NotImplementedError, "False"),
        (lambda: optim.Optimizer([parameter(1.0)], {}).step(), NotImplementedError, "^$"),
    ],
)
def test_refusals(make, error, text):
    with pytest.raises(error, match=text):
        make()


# ---- schedules ---------------------------------------------------------------------------------


def sgd(lr=1.0, **options):
    return optim.SGD([parameter(1.0)], lr=lr, **options)


def rates(scheduler, steps):
    seen = [scheduler.get_last_lr()[0]]
    for _ in range(steps):
        scheduler.optimizer.step()
        scheduler.step()
        seen.append(scheduler.get_last_lr()[0])
    return pytest.approx(seen)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda o: schedules.StepLR(o, 2, 0.1), [1, 1, 0.1, 0.1, 0.01]),
        (lambda o: schedules.MultiStepLR(o, [1, 3], 0.5), [1, 0.5, 0.5, 0.25, 0.25]),
        (lambda o: schedules.ExponentialLR(o, 0.5), [1, 0.5, 0.25, 0.125, 0.0625]),
        (lambda o: schedules.LambdaLR(o, lambda e: 1 / (1 + e)), [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]),
        (lambda o: schedules.MultiplicativeLR(o, lambda e: 0.5), [1, 0.5, 0.25, 0.125, 0.0625]),
        (lambda o: schedules.ConstantLR(o, 0.5, 2), [0.5, 0.5, 1, 1, 1]),
        (lambda o: schedules.LinearLR(o, 0.5, 1.0, 4), [0.5, 0.625, 0.75, 0.875, 1]),
        (lambda o: schedules.PolynomialLR(o, 4), [1, 0.75, 0.5, 0.25, 0]),
        (
            lambda o: schedules.CosineAnnealingLR(o, 4),
            [(1 + math.cos(math.pi * k / 4)) / 2 for k in range(5)],
        ),
        (lambda o: schedules.CosineAnnealingWarmRestarts(o, 2), [1, 0.5, 1, 0.5, 1]),
        (
            lambda o: schedules.CyclicLR(o, 0.0, 1.0, 2, cycle_momentum=False),
            [0, 0.5, 1, 0.5, 0],
        ),
        (
            lambda o: schedules.SequentialLR(
                o, [schedules.ConstantLR(o, 0.1, 2), schedules.ExponentialLR(o, 0.5)], [2]
            ),
            [0.1, 0.1, 1, 0.5, 0.25],
        ),
        (
            lambda o: schedules.ChainedScheduler(
                [schedules.ExponentialLR(o, 0.5), schedules.StepLR(o, 2, 0.1)]
            ),
            [1, 0.5, 0.025, 0.0125, 0.000625],
        ),
    ],
)
def test_schedule(make, expected):
    assert rates(make(sgd()), len(expected) - 1) == expected


def test_one_cycle_rises_and_falls():
    optimizer = sgd(momentum=0.9)
    scheduler = schedules.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    seen, momenta = [], []
    for _ in range(10):
        seen.append(scheduler.get_last_lr()[0])
        momenta.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        if len(seen) < 10:
            scheduler.step()
    assert seen[0] == pytest.approx(0.04) and max(seen) == seen[2] == pytest.approx(1.0)
    assert seen[-1] == pytest.approx(4e-6) and momenta[2] == min(momenta) == pytest.approx(0.85)
    scheduler.step()
    with pytest.raises(ValueError, match="Tried to step 11 times"):
        scheduler.step()


def test_plateau():
    optimizer = sgd()
    scheduler = schedules.ReduceLROnPlateau(optimizer, factor=0.1, patience=1)
    for value in (1.0, 0.5, 0.5, pycore.tensor(0.5)):
        scheduler.step(value)
    assert scheduler.get_last_lr() == [0.1] == [optimizer.param_groups[0]["lr"]]


def test_schedule_state_round_trip():
    a, b = sgd(), sgd()
    first = schedules.StepLR(a, 2, 0.5)
    rates(first, 3)
    second = schedules.StepLR(b, 2, 0.5)
    second.load_state_dict(first.state_dict())
    b.load_state_dict(a.state_dict())
    assert rates(first, 3) == [0.5, 0.25, 0.25, 0.125]
    assert rates(second, 3) == [0.5, 0.25, 0.25, 0.125]
    assert "optimizer" not in first.state_dict()


def test_wrong_order_warns():
    scheduler = schedules.StepLR(sgd(), 1)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        scheduler.step()


def test_clipping():
    p = parameter(0.0, 0.0)
    p.grad = pycore.tensor([3.0, 4.0])
    assert nn.utils.clip_grad_norm_([p], 10.0).item() == 5.0 and p.grad.tolist() == [3.0, 4.0]
    nn.utils.clip_grad_norm_(iter([p]), 1.0)
    assert p.grad.tolist() == pytest.approx([0.6, 0.8], rel=1e-5)
    assert nn.utils.clip_grad_norm_(p, 1.0, norm_type=float("inf")).item() == pytest.approx(0.8)
    nn.utils.clip_grad_value_(p, 0.7)
    assert p.grad.tolist() == pytest.approx([0.6, 0.7], rel=1e-5)
    p.grad = pycore.tensor([float("nan"), 1.0])
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)


def test_parameters_as_a_vector():
    net = nn.Linear(2, 1)
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.shape == (3,)
    nn.utils.vector_to_parameters(pycore.tensor([1.0, 2.0, 3.0]), net.parameters())
    assert net.weight.tolist() == [[1.0, 2.0]] and net.bias.tolist() == [3.0]


def test_groups_may_hold_options_of_other_optimizers():
    for name in ("Rprop", "Adam", "SGD", "Adamax"):
        values = []
        for extra in ({}, {"momentum_of_another": 3}):
            p = pycore.nn.Parameter(pycore.ones(3))
            optimizer = getattr(pycore.optim, name)([{"params": [p], **extra}], lr=0.1)
            p.grad = pycore.tensor([1.0, -2.0, 0.5])
            optimizer.step()
            values.append(p.detach().clone())
        assert values[0].equal(values[1])
    p = pycore.nn.Parameter(pycore.ones(1))
    optimizer = pycore.optim.Rprop([{"params": [p], "weight_decay": 100.0}], lr=0.1)
    p.grad = pycore.tensor([-1.0])
    optimizer.step()
    assert p.item() > 1  # Rprop has no weight decay


def test_muon_steps_are_orthogonal():
    p = pycore.nn.Parameter(pycore.zeros(6, 4))
    optimizer = pycore.optim.Muon([p], lr=1.0, weight_decay=0.0, ns_steps=10)
    p.grad = pycore.randn(6, 4)
    optimizer.step()
    spread = (p.detach().T @ p.detach()).diagonal()
    assert bool((spread > 0.3).all()) and bool((spread < 2.5).all())


def test_addmm_of_reduced_floats_is_rounded_once():
    for dtype in (pycore.bfloat16, pycore.float16):
        a, b, c = (pycore.randn(5, 5).to(dtype) for _ in range(3))
        exact = (3.4 * c.double() + 2.1 * (a.double() @ b.double())).to(dtype)
        assert pycore.addmm(c, a, b, beta=3.4, alpha=2.1).equal(exact)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("size", [1, 31, 512, 1000, 70_001])
def test_short_floats_step_by_blocks(dtype, size):
    """A step of 16-bit parameters is one of float32 copies whose results are rounded once."""
    short = getattr(pycore, dtype)
    for kind, options in (
        (pycore.optim.SGD, {"lr": 0.1, "weight_decay": 0.01}),
        (pycore.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        (pycore.optim.AdamW, {"lr": 0.01, "amsgrad": True}),
    ):
        pycore.manual_seed(0)
        p = pycore.nn.Parameter(pycore.randn(size).to(short))
        q = pycore.nn.Parameter(p.detach().float())
        a, b = kind([p], **options), kind([q], **options)
        for _ in range(3):
            p.grad = pycore.randn(size).to(short)
            q.grad = p.grad.float()
            before = p.grad.clone()
            a.step()
            b.step()
            assert p.grad.equal(before) and p.detach().equal(q.detach().to(short))
            q.data.copy_(p.data)
            for name, value in a.state[p].items():
                if pycore.is_tensor(value) and value.dim():
                    assert value.dtype == short
                    assert value.equal(b.state[q][name].to(short))
                    b.state[q][name].copy_(value)


def test_short_floats_with_wide_state():
    """State of another dtype, or out of order in memory, takes part as it is."""
    p = pycore.nn.Parameter(pycore.ones(64, 3, dtype=pycore.bfloat16).t())
    optimizer = pycore.optim.SGD([p], lr=0.5, momentum=0.5)
    p.grad = pycore.full((3, 64), 2.0, dtype=pycore.bfloat16)
    optimizer.step()
    optimizer.state[p]["momentum_buffer"] = pycore.full((3, 64), 2.0)
    optimizer.step()
    assert (p == 1 - 1 - 1.5).all() and (optimizer.state[p]["momentum_buffer"] == 3).all()
