"""Optimizers and schedules side by side with torch: trajectories, state dicts, prints, errors."""

from __future__ import annotations

import copy
import warnings

import pytest

import pycore

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")


def norm(text: str) -> str:
    return text.replace("pycore", "torch")


OPTIMIZERS = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    # Ascent runs away exponentially and with it every rounding difference: small steps.
    ("SGD", {"lr": 0.005, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "amsgrad": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.05, "betas": (0.5, 0.9), "eps": 1e-3, "maximize": True}),
    ("AdamW", {"lr": 0.05}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.3, "amsgrad": True}),
    ("RMSprop", {"lr": 0.02}),
    ("RMSprop", {"lr": 0.02, "momentum": 0.9, "centered": True, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.2}),
    ("Adadelta", {}),
    ("Adadelta", {"rho": 0.5, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {"lr": 0.05}),
    ("Adamax", {"lr": 0.05, "weight_decay": 0.1}),
    ("NAdam", {"lr": 0.05}),
    ("NAdam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {"lr": 0.05}),
    ("RAdam", {"lr": 0.05, "weight_decay": 0.1, "betas": (0.5, 0.7)}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (1e-3, 0.5)}),
    ("ASGD", {"lr": 0.05, "t0": 3, "weight_decay": 0.1}),
]
IDS = [f"{name}-{i}" for i, (name, _) in enumerate(OPTIMIZERS)]


def model_of(t):
    t.manual_seed(3)
    return t.nn.Sequential(t.nn.Linear(3, 8), t.nn.Tanh(), t.nn.Linear(8, 2))


def batch_of(t):
    t.manual_seed(5)
    return t.randn(16, 3), t.randn(16, 2)


def train(t, model, optimizer, steps):
    x, y = batch_of(t)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = t.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def assert_state_equal(ours, theirs, rtol=1e-4):
    assert list(ours) == list(theirs) == ["state", "param_groups"]
    assert norm(repr(ours["param_groups"])) == repr(theirs["param_groups"])
    assert list(ours["state"]) == list(theirs["state"])
    for key, entry in theirs["state"].items():
        assert type(ours["state"][key]) is dict
        assert list(ours["state"][key]) == list(entry)
        for name, value in entry.items():
            mine = ours["state"][key][name]
            if isinstance(value, torch.Tensor):
                assert str(mine.dtype).split(".")[1] == str(value.dtype).split(".")[1]
                assert tuple(mine.shape) == tuple(value.shape)
                np.testing.assert_allclose(mine.numpy(), value.numpy(), rtol=rtol, atol=1e-6)
            else:
                assert mine == value


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS, ids=IDS)
def test_trajectory(name, options):
    a, b = model_of(pycore), model_of(torch)
    ours = getattr(pycore.optim, name)(a.parameters(), **options)
    theirs = getattr(torch.optim, name)(b.parameters(), **options)
    assert repr(ours) == repr(theirs)
    assert_state_equal(ours.state_dict(), theirs.state_dict())
    np.testing.assert_allclose(
        train(pycore, a, ours, 20), train(torch, b, theirs, 20), rtol=1e-4, atol=1e-6
    )
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-3, atol=1e-5)
    assert_state_equal(ours.state_dict(), theirs.state_dict(), rtol=2e-3)


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS, ids=IDS)
def test_resume_from_state_dict(name, options):
    """A fresh optimizer that loads the state goes on as the old one would have."""
    model = model_of(pycore)
    optimizer = getattr(pycore.optim, name)(model.parameters(), **options)
    train(pycore, model, optimizer, 3)
    twin = copy.deepcopy(model)
    again = getattr(pycore.optim, name)(twin.parameters())
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert repr(again) == repr(optimizer)
    assert train(pycore, model, optimizer, 5) == train(pycore, twin, again, 5)


@pytest.mark.parametrize("options", [{}, {"line_search_fn": "strong_wolfe"}, {"history_size": 2}])
def test_lbfgs(options):
    results = []
    for t in (pycore, torch):
        model = model_of(t)
        x, y = batch_of(t)
        optimizer = t.optim.LBFGS(model.parameters(), lr=0.5, max_iter=6, **options)
        losses = []

        def closure(model=model, optimizer=optimizer, x=x, y=y, t=t, losses=losses):
            optimizer.zero_grad()
            loss = t.nn.functional.mse_loss(model(x), y)
            loss.backward()
            losses.append(loss.item())
            return loss

        for _ in range(4):
            optimizer.step(closure)
        results.append((losses, repr(optimizer), optimizer.state_dict()["state"][0]))
    (ours, text, state), (theirs, reference, state_ref) = results
    assert text == reference
    assert len(ours) == len(theirs)
    np.testing.assert_allclose(ours, theirs, rtol=2e-3)
    assert state["func_evals"] == state_ref["func_evals"]
    assert state["n_iter"] == state_ref["n_iter"]
    assert list(state) == list(state_ref)


def test_groups_named_parameters_and_tensor_lr():
    results = []
    for t in (pycore, torch):
        model = model_of(t)
        groups = [
            {"params": model[0].named_parameters(), "lr": t.tensor(0.1)},
            {"params": model[2].named_parameters(), "momentum": 0.5, "extra": "x"},
        ]
        optimizer = t.optim.SGD(groups, lr=0.01)
        losses = train(t, model, optimizer, 4)
        results.append((losses, repr(optimizer), optimizer.state_dict()))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-5)
    assert norm(results[0][1]) == results[1][1]
    assert_state_equal(results[0][2], results[1][2])


def test_torch_checkpoint_loads():
    b = model_of(torch)
    theirs = torch.optim.Adam(b.parameters(), lr=0.05)
    train(torch, b, theirs, 3)
    a = model_of(pycore)
    a.load_state_dict({k: pycore.tensor(v.tolist()) for k, v in b.state_dict().items()})
    ours = pycore.optim.Adam(a.parameters())
    saved = theirs.state_dict()
    saved["state"] = {
        key: {name: pycore.tensor(value.tolist()) for name, value in entry.items()}
        for key, entry in saved["state"].items()
    }
    ours.load_state_dict(saved)
    np.testing.assert_allclose(
        train(pycore, a, ours, 5), train(torch, b, theirs, 5), rtol=1e-4, atol=1e-6
    )


def p_of(t):
    return t.nn.Parameter(t.ones(2))


def sgd_of(t, **options):
    return t.optim.SGD([p_of(t)], **options)


ERRORS = [
    lambda t: t.optim.SGD([]),
    lambda t: t.optim.SGD(p_of(t)),
    lambda t: t.optim.SGD([1]),
    lambda t: t.optim.SGD(3),
    lambda t: t.optim.SGD([p_of(t) * 2]),
    lambda t: t.optim.SGD([{"parms": [p_of(t)]}]),
    lambda t: t.optim.SGD([{"params": {p_of(t)}}]),
    lambda t: t.optim.SGD([{"params": p} for p in [p_of(t)] * 2]),
    lambda t: t.optim.SGD([("a", p_of(t)), p_of(t)]),
    lambda t: sgd_of(t, lr=-1),
    lambda t: sgd_of(t, lr=t.ones(2)),
    lambda t: sgd_of(t, momentum=-1),
    lambda t: sgd_of(t, weight_decay=-1),
    lambda t: sgd_of(t, nesterov=True),
    lambda t: sgd_of(t, fused=True, foreach=True),
    lambda t: sgd_of(t, fused=True, differentiable=True),
    lambda t: t.optim.Adam([p_of(t)], lr=-1),
    lambda t: t.optim.Adam([p_of(t)], eps=-1),
    lambda t: t.optim.Adam([p_of(t)], betas=(1, 0)),
    lambda t: t.optim.Adam([p_of(t)], betas=(0, 1.5)),
    lambda t: t.optim.Adam([p_of(t)], weight_decay=-1),
    lambda t: t.optim.Adam([p_of(t)], lr=t.tensor(0.1), foreach=True),
    lambda t: t.optim.Adam([p_of(t)], fused=True, foreach=True),
    lambda t: t.optim.RMSprop([p_of(t)], alpha=-1),
    lambda t: t.optim.RMSprop([p_of(t)], momentum=-1),
    lambda t: t.optim.Adagrad([p_of(t)], lr_decay=-1),
    lambda t: t.optim.Adagrad([p_of(t)], initial_accumulator_value=-1),
    lambda t: t.optim.Adadelta([p_of(t)], rho=2),
    lambda t: t.optim.Adamax([p_of(t)], betas=(2, 0)),
    lambda t: t.optim.NAdam([p_of(t)], momentum_decay=-1),
    lambda t: t.optim.RAdam([p_of(t)], weight_decay=-1),
    lambda t: t.optim.Rprop([p_of(t)], etas=(2, 3)),
    lambda t: t.optim.LBFGS([{"params": p_of(t)}, {"params": p_of(t)}]),
    lambda t: sgd_of(t).add_param_group(3),
    lambda t: sgd_of(t).load_state_dict({"state": {}, "param_groups": []}),
    lambda t: sgd_of(t).load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]}),
    lambda t: t.optim.SGD([("w", p_of(t))]).add_param_group({"params": [p_of(t)]}),
    lambda t: t.optim.lr_scheduler.StepLR(3, 3),
    lambda t: t.optim.lr_scheduler.StepLR(sgd_of(t), 3, last_epoch=2),
    lambda t: t.optim.lr_scheduler.LambdaLR(sgd_of(t), [lambda e: 1] * 3),
    lambda t: t.optim.lr_scheduler.OneCycleLR(sgd_of(t), 0.1),
    lambda t: t.optim.lr_scheduler.OneCycleLR(sgd_of(t), 0.1, -1),
    lambda t: t.optim.lr_scheduler.OneCycleLR(sgd_of(t), 0.1, 10, pct_start=3),
    lambda t: t.optim.lr_scheduler.OneCycleLR(sgd_of(t), 0.1, 10, anneal_strategy="q"),
    lambda t: t.optim.lr_scheduler.OneCycleLR(sgd_of(t), [0.1, 0.2], 10),
    lambda t: t.optim.lr_scheduler.OneCycleLR(t.optim.Adagrad([p_of(t)]), 0.1, 10),
    lambda t: t.optim.lr_scheduler.SequentialLR(sgd_of(t), [], []),
    lambda t: t.optim.lr_scheduler.ChainedScheduler([]),
    lambda t: t.optim.lr_scheduler.ReduceLROnPlateau(sgd_of(t), factor=2),
    lambda t: t.optim.lr_scheduler.ReduceLROnPlateau(sgd_of(t), mode="x"),
    lambda t: t.optim.lr_scheduler.ReduceLROnPlateau(sgd_of(t), threshold_mode="x"),
    lambda t: t.optim.lr_scheduler.ReduceLROnPlateau(sgd_of(t), min_lr=[1, 2, 3]),
    lambda t: t.optim.lr_scheduler.ConstantLR(sgd_of(t), factor=3),
    lambda t: t.optim.lr_scheduler.LinearLR(sgd_of(t), start_factor=3),
    lambda t: t.optim.lr_scheduler.LinearLR(sgd_of(t), end_factor=3),
    lambda t: t.optim.lr_scheduler.CosineAnnealingWarmRestarts(sgd_of(t), 0),
    lambda t: t.optim.lr_scheduler.CosineAnnealingWarmRestarts(sgd_of(t), 1, 0.5),
    lambda t: t.optim.lr_scheduler.CosineAnnealingWarmRestarts(sgd_of(t), 3).step(-1),
    lambda t: t.optim.lr_scheduler.CyclicLR(sgd_of(t), 0.1, 0.2, mode="q", cycle_momentum=False),
    lambda t: t.optim.lr_scheduler.CyclicLR(t.optim.Adagrad([p_of(t)]), 0.1, 0.2),
]


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_error_texts(number):
    with pytest.raises(Exception) as theirs:
        ERRORS[number](torch)
    with pytest.raises(type(theirs.value)) as ours:
        ERRORS[number](pycore)
    assert type(ours.value) is type(theirs.value)
    assert norm(str(ours.value)) == str(theirs.value)


def step_of(e):
    return 0.9**e


SCHEDULES = [
    lambda L, o: L.LambdaLR(o, step_of),
    lambda L, o: L.LambdaLR(o, [step_of, lambda e: 1 / (1 + e)]),
    lambda L, o: L.MultiplicativeLR(o, lambda e: 0.9),
    lambda L, o: L.StepLR(o, 3, 0.5),
    lambda L, o: L.MultiStepLR(o, [2, 5, 5, 9], 0.5),
    lambda L, o: L.ConstantLR(o, 0.25, 4),
    lambda L, o: L.LinearLR(o, 0.2, 0.9, 6),
    lambda L, o: L.ExponentialLR(o, 0.9),
    lambda L, o: L.PolynomialLR(o, 7, 2.0),
    lambda L, o: L.CosineAnnealingLR(o, 5, 0.01),
    lambda L, o: L.CosineAnnealingWarmRestarts(o, 3),
    lambda L, o: L.CosineAnnealingWarmRestarts(o, 2, 2, 0.01),
    lambda L, o: L.CyclicLR(o, 0.01, 0.2, 3),
    lambda L, o: L.CyclicLR(o, [0.01, 0.02], 0.2, 3, 2, mode="triangular2"),
    lambda L, o: L.CyclicLR(o, 0.01, 0.2, 3, mode="exp_range", gamma=0.9),
    lambda L, o: L.CyclicLR(o, 0.01, 0.2, 3, scale_fn=lambda x: 1 / x, cycle_momentum=False),
    lambda L, o: L.OneCycleLR(o, 0.5, 20),
    lambda L, o: L.OneCycleLR(o, [0.5, 0.2], epochs=5, steps_per_epoch=4, pct_start=0.4),
    lambda L, o: L.OneCycleLR(o, 0.5, 20, anneal_strategy="linear", three_phase=True),
    lambda L, o: L.SequentialLR(
        o, [L.LinearLR(o, 0.1, 1.0, 4), L.CosineAnnealingLR(o, 6), L.ExponentialLR(o, 0.5)], [4, 10]
    ),
    lambda L, o: L.SequentialLR(o, [L.ConstantLR(o, 0.1, 2), L.StepLR(o, 3)], [2]),
    lambda L, o: L.ChainedScheduler([L.ExponentialLR(o, 0.9), L.StepLR(o, 4, 0.5)]),
]


def two_groups(t, kind="SGD", **options):
    options = {"momentum": 0.9, **options} if kind == "SGD" else options
    groups = [{"params": [p_of(t)]}, {"params": [p_of(t)], "lr": 0.3}]
    optimizer = getattr(t.optim, kind)(groups, lr=0.1, **options)
    for group in optimizer.param_groups:
        group["params"][0].grad = t.zeros(2)
    return optimizer


def clean(state):
    if isinstance(state, dict):
        return {key: clean(value) for key, value in state.items()}
    if isinstance(state, list):
        return [clean(value) for value in state]
    return state


@pytest.mark.parametrize("number", range(len(SCHEDULES)))
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_schedule(number, kind):
    a, b = two_groups(pycore, kind), two_groups(torch, kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = SCHEDULES[number](pycore.optim.lr_scheduler, a)
        theirs = SCHEDULES[number](torch.optim.lr_scheduler, b)
        for _ in range(19):
            assert ours.get_last_lr() == theirs.get_last_lr()
            for mine, reference in zip(a.param_groups, b.param_groups, strict=True):
                assert {k: v for k, v in mine.items() if k != "params"} == {
                    k: v for k, v in reference.items() if k != "params"
                }
            assert clean(ours.state_dict()) == clean(theirs.state_dict())
            assert list(ours.state_dict()) == list(theirs.state_dict())
            a.step(), b.step()
            ours.step(), theirs.step()


@pytest.mark.parametrize("number", [0, 2, 3, 4, 5, 6, 7, 8, 9, 11])
def test_resumed_schedule(number):
    """`last_epoch` and `load_state_dict` go on where the schedule stood."""
    rates = []
    for t in (pycore, torch):
        optimizer = two_groups(t)
        scheduler = SCHEDULES[number](t.optim.lr_scheduler, optimizer)
        for _ in range(4):
            optimizer.step()
            scheduler.step()
        state = copy.deepcopy(scheduler.state_dict())
        other = two_groups(t)
        other.load_state_dict(optimizer.state_dict())
        loaded = SCHEDULES[number](t.optim.lr_scheduler, other)
        loaded.load_state_dict(state)
        seen = []
        for _ in range(5):
            other.step()
            loaded.step()
            seen.append(loaded.get_last_lr())
        rates.append(seen)
    assert rates[0] == rates[1]


RESUMED = [
    lambda L, o: L.StepLR(o, 3, 0.5, last_epoch=4),
    lambda L, o: L.StepLR(o, 3, 0.5, last_epoch=5),
    lambda L, o: L.MultiStepLR(o, [2, 5], 0.5, last_epoch=4),
    lambda L, o: L.ConstantLR(o, 0.25, 4, last_epoch=3),
    lambda L, o: L.LinearLR(o, 0.2, 0.9, 6, last_epoch=3),
    lambda L, o: L.ExponentialLR(o, 0.9, last_epoch=3),
    lambda L, o: L.PolynomialLR(o, 7, 2.0, last_epoch=3),
    lambda L, o: L.CosineAnnealingLR(o, 5, 0.01, last_epoch=3),
    lambda L, o: L.CosineAnnealingWarmRestarts(o, 5, last_epoch=3),
    lambda L, o: L.MultiplicativeLR(o, lambda e: 0.9, last_epoch=3),
    lambda L, o: L.LambdaLR(o, step_of, last_epoch=3),
]


@pytest.mark.parametrize("number", range(len(RESUMED)))
def test_last_epoch(number):
    rates = []
    for t in (pycore, torch):
        optimizer = two_groups(t)
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
        scheduler = RESUMED[number](t.optim.lr_scheduler, optimizer)
        seen = [scheduler.get_last_lr()]
        for _ in range(6):
            optimizer.step()
            scheduler.step()
            seen.append(scheduler.get_last_lr())
        rates.append(seen)
    assert rates[0] == rates[1]


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 1},
        {"mode": "max", "patience": 0, "factor": 0.5, "cooldown": 2},
        {"threshold_mode": "abs", "threshold": 0.2, "patience": 0, "min_lr": [0.01, 0.02]},
    ],
)
def test_plateau(options):
    values = [1.0, 0.9, 0.95, 0.91, 0.92, 0.85, 0.8501, 0.86, 0.87, 0.9, 0.8, 0.8, 0.8, 0.8]
    a, b = two_groups(pycore), two_groups(torch)
    ours = pycore.optim.lr_scheduler.ReduceLROnPlateau(a, **options)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(b, **options)
    for value in values:
        ours.step(value), theirs.step(value)
        assert ours.get_last_lr() == theirs.get_last_lr()
        assert ours.state_dict() == theirs.state_dict()


def test_order_warning():
    texts = []
    for t in (pycore, torch):
        scheduler = t.optim.lr_scheduler.ExponentialLR(two_groups(t), 0.9)
        with pytest.warns(UserWarning) as seen:
            scheduler.step()
        texts.append(str(seen[0].message))
    assert texts[0] == texts[1]


def test_tensor_lr_is_filled_in_place():
    for t in (pycore, torch):
        lr = t.tensor(0.5)
        optimizer = t.optim.SGD([p_of(t)], lr=lr)
        scheduler = t.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        optimizer.step()
        scheduler.step()
        assert optimizer.param_groups[0]["lr"] is lr
        assert lr.item() == 0.25
