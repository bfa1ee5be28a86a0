"""Every optimizer of torch.optim over PyTorch's own option samples.

Trajectories of parameters and state, with all options and under the flags foreach, fused and
capturable; groups, schedulers' rates, state dicts both ways, prints, and PyTorch's error samples.

Needs torch; must not know update rules.
"""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pycore = pytest.importorskip("pycore")

from from_torch import convert, tensors  # noqa: E402
from torch.testing._internal.common_optimizers import OptimizerErrorEnum, optim_db  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

OPTIMIZERS = {info.name: info for info in optim_db}
STEPS = 6
# Optimizers that take matrices only.
MATRICES = {"Muon"}
DTYPES = {"float32": torch.float32, "float64": torch.float64}
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-11}


def tolerance(name, dtype, flags=()):
    if name == "LBFGS":  # quotients of differences near the minimum amplify every rounding
        return 1e-2 if dtype == torch.float32 else 1e-6
    if name == "ASGD" and flags:  # torch's foreach form keeps its rates in float32
        return max(TOLERANCE[dtype], 1e-7)
    return TOLERANCE[dtype]


def ours_of(name, record_property):
    if not hasattr(pycore.optim, name):
        record_property("missing in optimizers", name)
        pytest.skip(f"pycore.optim.{name} is missing")
    return getattr(pycore.optim, name)


def samples_of(info):
    return list(info.optim_inputs_func(device="cpu", dtype=torch.float32))


def shapes_of(name):
    return [(4, 3), (5, 2)] if name in MATRICES else [(4, 3), (3,), (), (2, 1, 2)]


def values(shape, number, dtype):
    rng = np.random.default_rng(number)
    return torch.tensor(rng.standard_normal(shape), dtype=dtype)


def parameters(package, name, dtype):
    made = [values(shape, n, dtype) for n, shape in enumerate(shapes_of(name))]
    if package is pycore:
        made = convert(made)
    return [package.nn.Parameter(value) for value in made]


def loss_of(package, params, step):
    """Curved and different at every step, so that mistakes in the state show."""
    total = 0.0
    for number, parameter in enumerate(params):
        target = values(tuple(parameter.shape), 100 * step + number, torch.float64)
        target = (convert(target) if package is pycore else target).to(parameter.dtype)
        total = total + ((parameter - target) ** 2).sum() + (parameter.sin() * 0.5).sum()
    return total


def run(package, optimizer, params, first, steps):
    for step in range(first, first + steps):

        def closure(step=step):
            optimizer.zero_grad()
            loss = loss_of(package, params, step)
            loss.backward()
            return loss

        if type(optimizer).__name__ == "LBFGS":
            optimizer.step(closure)
        else:
            closure()
            if step == first + 2 and len(params) > 2:
                params[1].grad = None  # a parameter that sits one step out
            optimizer.step()


def assert_same(ours, theirs, tol, what):
    if isinstance(theirs, dict):
        assert list(map(str, ours)) == list(map(str, theirs)), what
        for (key, mine), other in zip(ours.items(), theirs.values(), strict=True):
            assert_same(mine, other, tol, f"{what}.{key}")
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs), what
        for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            assert_same(mine, other, tol, f"{what}[{number}]")
    elif isinstance(theirs, torch.Tensor):
        assert tuple(ours.shape) == tuple(theirs.shape), what
        assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1], what
        np.testing.assert_allclose(
            ours.detach().numpy(), theirs.detach().numpy(), tol, tol, err_msg=what
        )
    elif isinstance(theirs, float):
        assert ours == pytest.approx(theirs, rel=tol, abs=tol, nan_ok=True), what
    else:
        assert ours == theirs, what


def compare(optimizers, params, tol, what):
    (theirs, ours), (reference, mine) = optimizers, params
    assert_same(mine, reference, tol, f"{what}: parameters")
    if what.startswith("LBFGS") and mine[0].dtype == pycore.float32:
        # Steps are taken until float32 cannot tell better from worse: their number is chance.
        states = [o.state_dict()["state"][0] for o in (ours, theirs)]
        assert list(states[0]) == list(states[1])
        return
    assert_same(ours.state_dict(), theirs.state_dict(), tol, f"{what}: state")
    assert repr(ours).replace("pycore", "torch") == repr(theirs), what


def flags_of(info):
    """The flags that change how torch computes, which must change nothing here."""
    flags = [{}]
    if "foreach" in info.supported_impls:
        flags += [{"foreach": True}, {"foreach": False}]
    if "fused" in info.supported_impls and "cpu" in info.supports_fused_on:
        flags += [{"fused": True}]
    return flags


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_samples(name, dtype, record_property):
    cls, info = ours_of(name, record_property), OPTIMIZERS[name]
    if info.only_supports_sparse_grads:
        pytest.skip("takes sparse gradients only; see test_sparse_adam")
    torch_dtype = DTYPES[dtype]
    for sample in samples_of(info):
        for flags in flags_of(info):
            if isinstance(sample.kwargs.get("lr"), torch.Tensor) and flags.get("foreach"):
                continue  # refused, see the error samples
            options = {**sample.kwargs, **flags}
            what = f"{name} {options}"
            params = [parameters(t, name, torch_dtype) for t in (torch, pycore)]
            both = (
                info.optim_cls(params[0], **copy.deepcopy(options)),
                cls(params[1], **convert(copy.deepcopy(options))),
            )
            for package, optimizer, own in zip((torch, pycore), both, params, strict=True):
                run(package, optimizer, own, 0, STEPS)
            compare(both, params, tolerance(name, torch_dtype, flags), what)
            record_property("cases of optimizers", 1)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_dicts_go_both_ways(name, record_property):
    """Torch's state goes on here, and ours goes on in torch."""
    cls, info = ours_of(name, record_property), OPTIMIZERS[name]
    if info.only_supports_sparse_grads:
        pytest.skip("takes sparse gradients only; see test_sparse_adam")
    for sample in samples_of(info)[:4]:
        params = [parameters(t, name, torch.float64) for t in (torch, pycore)]
        before = info.optim_cls(params[0], **copy.deepcopy(sample.kwargs))
        run(torch, before, params[0], 0, 3)
        theirs = info.optim_cls(params[0], **copy.deepcopy(sample.kwargs))
        theirs.load_state_dict(copy.deepcopy(before.state_dict()))
        with pycore.no_grad():
            for mine, other in zip(params[1], params[0], strict=True):
                mine.copy_(convert(other.detach()))
        ours = cls(params[1], **convert(copy.deepcopy(sample.kwargs)))
        ours.load_state_dict(convert(copy.deepcopy(before.state_dict())))
        for package, optimizer, own in ((torch, theirs, params[0]), (pycore, ours, params[1])):
            run(package, optimizer, own, 3, 3)
        tol = tolerance(name, torch.float64)
        compare((theirs, ours), params, tol, f"{name} {sample.kwargs}")
        copied = copy.deepcopy(ours)
        assert_same(copied.state_dict(), theirs.state_dict(), tol, "copy")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_groups_with_own_options(name, record_property):
    cls, info = ours_of(name, record_property), OPTIMIZERS[name]
    if info.only_supports_sparse_grads or not info.supports_param_groups:
        pytest.skip("no groups of dense parameters")
    for sample in samples_of(info)[:3]:
        params = [parameters(t, name, torch.float64) for t in (torch, pycore)]
        both = []
        for package, own in zip((torch, pycore), params, strict=True):
            options = copy.deepcopy(sample.kwargs)
            if package is pycore:
                options = convert(options)
            groups = [
                {"params": [(str(n), p) for n, p in enumerate(own[:1])], "lr": 0.03},
                {"params": [(str(n), p) for n, p in enumerate(own[1:], 1)], "weight_decay": 0.02},
            ]
            kind = info.optim_cls if package is torch else cls
            optimizer = kind(groups, **options)
            both.append(optimizer)
            run(package, optimizer, own, 0, STEPS)
        compare(tuple(both), params, tolerance(name, torch.float64), f"{name} {sample.kwargs}")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_error_samples(name, record_property):
    cls, info = ours_of(name, record_property), OPTIMIZERS[name]
    for sample in info.optim_error_inputs_func(device="cpu", dtype=torch.float32):
        given = sample.optimizer_error_input
        if any(t.is_complex() or t.is_sparse for t in tensors(given.params)):
            continue  # there are no complex or sparse tensors
        params, options = convert(given.params), convert(given.kwargs)
        if params is None:
            params = parameters(pycore, name, torch.float32)
        assert sample.error_on == OptimizerErrorEnum.CONSTRUCTION_ERROR
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(sample.error_type, match=sample.error_regex):
                cls(params, **options)
        record_property("cases of optimizers", 1)


def test_all_names_are_there(record_property):
    names = [n for n in torch.optim.__all__ if n not in OPTIMIZERS]
    for name in names:
        if not hasattr(pycore.optim, name):
            record_property("missing in optimizers", name)
    for name in torch.optim.lr_scheduler.__all__:
        if not hasattr(pycore.optim.lr_scheduler, name):
            record_property("missing in optimizers", f"lr_scheduler.{name}")
    for name in torch.optim.swa_utils.__all__:
        if not hasattr(pycore.optim.swa_utils, name):
            record_property("missing in optimizers", f"swa_utils.{name}")
