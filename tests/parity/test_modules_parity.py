"""Every module of torch.nn over PyTorch's own samples.

State, output, gradients, buffers after the call, repr, and PyTorch's error samples.

Needs torch; must not know particular modules beyond the tolerances that a method needs.
"""

from __future__ import annotations

import copy
import os
import pickle
import re
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pycore = pytest.importorskip("pycore")

from from_torch import convert, recorded_constructors, tensors  # noqa: E402
from torch.testing._internal.common_modules import ModuleErrorEnum, module_db  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

MODULES = {info.module_cls.__name__: info for info in module_db}
DTYPES = {"float32": torch.float32, "float64": torch.float64}
# Error relative to the value and to the largest value of the tensor: the libraries add in different
# orders, which leaves an error of the size of the largest terms where a sum cancels. The second of
# float32 is PyTorch's own for it; that of float64 shows that the formulas are the same.
TOLERANCE = {torch.float32: (2e-5, 1e-5), torch.float64: (1e-12, 1e-14)}

# Every sample is run with PYCORE_ALL_SAMPLES=1 (minutes), else at most this many of a module.
ALL_SAMPLES = os.environ.get("PYCORE_ALL_SAMPLES") == "1"
MOST_SAMPLES = 24

# Public modules that PyTorch itself has no samples for, so only their presence is checked here.
REST = sorted(
    name
    for name in torch.nn.modules.__all__
    if name not in MODULES and isinstance(getattr(torch.nn, name), type)
)


def ours_of(name, record_property):
    if not hasattr(pycore.nn, name):
        record_property("missing in modules", name)
        pytest.skip(f"pycore.nn.{name} is missing")
    return getattr(pycore.nn, name)


def samples_of(info, dtype, training):
    torch.manual_seed(1)
    with recorded_constructors():
        return info.module_inputs_func(
            info, device="cpu", dtype=dtype, requires_grad=True, training=training
        )


def make(cls, package, call, dtype, training):
    package.manual_seed(0)
    return cls(*call.args, **call.kwargs).to(dtype).train(training)


def own_leaves(value):
    """Tensors become leaves that no other sample has, so that their gradients are this one's."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, torch.nn.utils.rnn.PackedSequence):
        return type(value)(own_leaves(value.data), *value[1:])
    if isinstance(value, dict):
        return {key: own_leaves(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(own_leaves(entry) for entry in value)
    return value


def converted(call):
    return type(call)(*convert(call.args), **convert(call.kwargs))


def plain(value):
    """Values as NumPy; bfloat16 through float32."""
    value = value.detach()
    if "bfloat16" in str(value.dtype):
        value = value.float()
    return value.numpy()


def assert_close(ours, theirs, dtype, what):
    assert tuple(ours.shape) == tuple(theirs.shape), what
    assert str(ours.dtype).split(".")[-1] == str(theirs.dtype).split(".")[-1], what
    rtol, atol = TOLERANCE[dtype]
    expected = plain(theirs)
    finite = expected[np.isfinite(expected)]
    largest = max(1.0, float(np.abs(finite).max())) if finite.size else 1.0
    np.testing.assert_allclose(plain(ours), expected, rtol, atol * largest, err_msg=what)


def same_structure(ours, theirs):
    """Lists, tuples and None at the same places; named tuples by their fields."""
    if isinstance(theirs, (list, tuple)):
        assert isinstance(ours, type(theirs)) or hasattr(theirs, "_fields")
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            same_structure(mine, other)
    elif not isinstance(theirs, torch.Tensor):
        assert ours == theirs or ours is theirs is None


def check_state(ours, theirs, dtype, what):
    state, reference = ours.state_dict(), theirs.state_dict()
    assert list(state) == list(reference), what
    assert dict(state._metadata) == dict(reference._metadata), what
    for key, value in reference.items():
        if isinstance(value, torch.nn.parameter.UninitializedTensorMixin):
            assert repr(state[key]).replace("pycore", "torch") == repr(value)
        elif isinstance(value, torch.Tensor):
            assert_close(state[key], value, dtype, f"{what}: {key}")
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    assert [n for n, _ in ours.named_buffers()] == [n for n, _ in theirs.named_buffers()]
    assert [n for n, _ in ours.named_modules()] == [n for n, _ in theirs.named_modules()]


def check_gradients(ours, theirs, outs, refs, call, reference_call, dtype, what):
    used = [(o, r) for o, r in zip(outs, refs, strict=True) if r.requires_grad]
    assert [o.requires_grad for o in outs] == [r.requires_grad for r in refs], what
    if not used:
        return
    torch.manual_seed(2)
    seeds = [torch.randn(r.shape, dtype=r.dtype) for _, r in used]
    torch.autograd.backward([r for _, r in used], seeds)
    pycore.autograd.backward([o for o, _ in used], convert(seeds))
    pairs = zip(
        tensors([call.args, call.kwargs]),
        tensors([reference_call.args, reference_call.kwargs]),
        strict=True,
    )
    for number, (mine, other) in enumerate(pairs):
        assert mine.requires_grad == other.requires_grad, what
        if other.requires_grad and other.is_leaf:
            assert (mine.grad is None) == (other.grad is None), f"{what}: input {number}"
            if other.grad is not None:
                assert_close(mine.grad, other.grad, dtype, f"{what}: gradient of input {number}")
    for (key, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert (mine.grad is None) == (other.grad is None), f"{what}: gradient of {key}"
        if other.grad is not None:
            assert_close(mine.grad, other.grad, dtype, f"{what}: gradient of {key}")


def check_sample(cls, info, sample, dtype, training, what, copies):
    given = sample.forward_input
    reference_call = type(given)(*own_leaves(given.args), **own_leaves(given.kwargs))
    call = converted(reference_call)
    theirs = make(info.module_cls, torch, sample.constructor_input, dtype, training)
    ours = make(cls, pycore, converted(sample.constructor_input), convert(dtype), training)
    assert re.sub("pycore", "torch", repr(ours)) == repr(theirs), what
    check_state(ours, theirs, dtype, what)
    if not info.is_lazy:
        loaded = ours.load_state_dict(convert(theirs.state_dict()))
        assert not loaded.missing_keys and not loaded.unexpected_keys
    for copied in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))) if copies else ():
        assert repr(copied) == repr(ours) and list(copied.state_dict()) == list(ours.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(3)
        reference = theirs(*reference_call.args, **reference_call.kwargs)
        pycore.manual_seed(3)
        if info.is_lazy:  # the weights were drawn at the first call, which changes the class
            ours(*call.args, **call.kwargs)
            assert type(ours).__name__ == type(theirs).__name__
            check_state(ours, theirs, dtype, f"{what}: after the first call")
            ours.load_state_dict(convert(theirs.state_dict()))
        pycore.manual_seed(3)
        result = ours(*call.args, **call.kwargs)
    same_structure(result, reference)
    outs, refs = tensors(result), tensors(reference)
    for number, (mine, other) in enumerate(zip(outs, refs, strict=True)):
        assert_close(mine, other, dtype, f"{what}: output {number}")
    check_state(ours, theirs, dtype, f"{what}: after the call")
    check_gradients(ours, theirs, outs, refs, call, reference_call, dtype, what)


# Both modes; one is enough in float64 where PyTorch says that they do not differ.
CASES = [
    pytest.param(name, dtype, training, id=f"{name}-{dtype}-{'train' if training else 'eval'}")
    for name, info in MODULES.items()
    for dtype in DTYPES
    for training in (True, False)
    if DTYPES[dtype] in info.dtypes
    and (training or info.train_and_eval_differ or dtype == "float32")
]


@pytest.mark.parametrize(("name", "dtype", "training"), CASES)
def test_samples(name, dtype, training, record_property):
    cls, info = ours_of(name, record_property), MODULES[name]
    samples = samples_of(info, DTYPES[dtype], training)
    # Thousands of samples of a few modules differ in options that combine: a part of them is run.
    step = 1 if ALL_SAMPLES else -(-len(samples) // MOST_SAMPLES)
    record_property("cases of modules", len(samples[::step]))
    if step > 1:
        record_property("left out of modules", len(samples) - len(samples[::step]))
    for number, sample in list(enumerate(samples))[::step]:
        what = f"sample {number} {sample.desc} {sample.constructor_input.args} "
        what += f"{sample.constructor_input.kwargs}"
        check_sample(cls, info, sample, DTYPES[dtype], training, what, copies=number == 0)


@pytest.mark.parametrize("name", [n for n, i in MODULES.items() if i.module_error_inputs_func])
def test_error_samples(name, record_property):
    cls, info = ours_of(name, record_property), MODULES[name]
    samples = info.module_error_inputs_func(
        info, device="cpu", dtype=torch.float32, requires_grad=False, training=True
    )
    record_property("cases of modules", len(samples))
    for sample in samples:
        given = sample.module_error_input
        construct = converted(given.constructor_input)
        if sample.error_on == ModuleErrorEnum.CONSTRUCTION_ERROR:
            with pytest.raises(sample.error_type, match=sample.error_regex):
                cls(*construct.args, **construct.kwargs)
            continue
        ours, call = cls(*construct.args, **construct.kwargs), converted(given.forward_input)
        with pytest.raises(sample.error_type, match=sample.error_regex):
            ours(*call.args, **call.kwargs)


@pytest.mark.parametrize("name", REST)
def test_is_there(name, record_property):
    """A public module that PyTorch has no samples for."""
    cls = ours_of(name, record_property)
    record_property("cases of modules", 1)
    assert issubclass(cls, pycore.nn.Module) == issubclass(getattr(torch.nn, name), torch.nn.Module)
