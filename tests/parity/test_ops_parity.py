"""Every operator beside PyTorch.

The samples of ops_samples.py give the same values, dtypes, shapes and gradients.

Needs torch; must not hold samples of its own beyond dtypes and bad input.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pycore = pytest.importorskip("pycore")

from op_sample import as_numpy, build, datas, flat, resolve, run, tensor  # noqa: E402
from ops_samples import T  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
NAMES = {(o["space"] + "." if o["space"] else "") + o["name"] for o in pycore._C._ops()}
DTYPES = [
    "float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool",
]  # fmt: skip


def in_torch(op):
    try:
        resolve(torch, op)
    except AttributeError:
        return False
    return True


SAMPLES = [s for s in T.all() if s.op in NAMES and s.torch and in_torch(s.op)]


def samples(keep=lambda s: True):
    return pytest.mark.parametrize("sample", [s for s in SAMPLES if keep(s)], ids=str)


def dtype_name(x):
    return str(x.dtype).rpartition(".")[2] if hasattr(x, "dtype") else type(x).__name__


def assert_equal_results(ours, theirs, rtol=2e-6, atol=2e-6):
    ours, theirs = flat(ours), flat(theirs)
    assert len(ours) == len(theirs)
    for a, t in zip(ours, theirs, strict=True):
        assert dtype_name(a) == dtype_name(t)
        x, y = as_numpy(a), as_numpy(t)
        assert x.shape == y.shape
        if y.dtype.kind == "f":
            np.testing.assert_allclose(x, y, rtol=rtol, atol=atol)
        else:
            np.testing.assert_array_equal(x, y)


@samples(lambda s: not s.random and not s.op.startswith("empty"))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_forward(sample, dtype):
    ours, theirs = run(pycore, sample, dtype), run(torch, sample, dtype)
    size = 2e-6 if dtype == "float32" else 1e-12
    assert_equal_results(ours, theirs, size * 5 * sample.tol, size * 5 * sample.tol)


def recorded(m, sample):
    """The results of a sample in float64, and the inputs that record."""
    leaves = []

    def make(d):
        t = tensor(m, d, "float64", grad=sample.grad)
        if t.requires_grad:
            leaves.append(t)
        return t

    args, kwargs = build(m, sample, make=make)
    return flat(resolve(m, sample.op)(*args, **kwargs)), leaves


def gradients(m, sample):
    results, leaves = recorded(m, sample)
    results = [r for r in results if hasattr(r, "requires_grad")]
    wanted = [r for r in results if r.requires_grad]
    total = None
    for k, r in enumerate(wanted):
        weights = m.tensor(np.cos(np.arange(r.numel()) + k).tolist(), dtype=r.dtype).reshape(
            r.shape
        )
        term = (r * weights).sum()
        total = term if total is None else total + term
    names = [type(r.grad_fn).__name__ if r.grad_fn is not None else None for r in results]
    if total is None:
        return names, []
    total.backward()
    return names, [leaf.grad for leaf in leaves]


# PyTorch's own backward of vander fails: its powers were written in place.
BROKEN_THERE = {"vander"}


@samples(
    lambda s: (
        s.grad
        and not s.random
        and s.op not in BROKEN_THERE
        and any(d.kind == "f" and d.grad for d in datas(s))
    )
)
def test_gradients(sample):
    our_names, ours = gradients(pycore, sample)
    their_names, theirs = gradients(torch, sample)
    assert [n is None for n in our_names] == [n is None for n in their_names]
    assert len(ours) == len(theirs)
    for a, t in zip(ours, theirs, strict=True):
        if t is None:
            assert a is None or not as_numpy(a).any()
        elif a is None:
            assert not as_numpy(t).any()
        else:
            np.testing.assert_allclose(as_numpy(a), as_numpy(t), rtol=1e-7, atol=1e-8)


def second_derivatives(m, sample):
    """Of every input by every input, None for absent ones; None if there is no first derivative."""
    results, leaves = recorded(m, sample)
    results = [r for r in results if hasattr(r, "sum")]
    results = [r.sum() * (k + 1) for k, r in enumerate(results) if r.requires_grad]
    first = m.autograd.grad(sum(results), leaves, create_graph=True, allow_unused=True)
    second = []
    for g in first:
        if g is None or not g.requires_grad:
            second.append(None)
            continue
        weights = m.tensor(np.cos(np.arange(g.numel())).tolist(), dtype=m.float64)
        total = (g * weights.reshape(g.shape)).sum()
        second.append(m.autograd.grad(total, leaves, retain_graph=True, allow_unused=True))
    return second


# Fused operators without a second derivative there.
ONCE_THERE = {"nn.scaled_dot_product_attention", "nn.hardsigmoid"}
# Absent for one of several inputs here, where PyTorch's one node for all gives zeros.
ABSENT_HERE = {"grid_sampler", "copysign", "nn.prelu", "prelu"}


@samples(
    lambda s: (
        s.grad
        and not s.random
        and s.op not in BROKEN_THERE | ONCE_THERE
        and any(d.kind == "f" and d.grad for d in datas(s))
    )
)
def test_second_derivatives(sample):
    """Equal, and present or absent alike: a missing one is an error where PyTorch gives zeros."""
    ours, theirs = second_derivatives(pycore, sample), second_derivatives(torch, sample)
    for our_row, their_row in zip(ours, theirs, strict=True):
        if our_row is None or their_row is None:
            for h in our_row or their_row or []:
                assert h is None or sample.op in ABSENT_HERE
            continue
        for a, t in zip(our_row, their_row, strict=True):
            if a is None or t is None:
                assert (a is None and t is None) or sample.op in ABSENT_HERE
            else:
                np.testing.assert_allclose(as_numpy(a), as_numpy(t), rtol=1e-7, atol=1e-8)


def outcome(m, call):
    """The result's dtype, or the exception type."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [dtype_name(r) for r in flat(call(m))]
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        return type(error)


BINARY = [
    "add", "sub", "mul", "div", "floor_divide", "remainder", "pow", "maximum", "fmin", "eq", "lt",
    "logical_or",
    "bitwise_and", "atan2", "hypot", "copysign", "xlogy", "where", "float_power", "lcm",
]  # fmt: skip


@pytest.mark.parametrize("op", BINARY)
def test_dtypes_of_binary_operators(op):
    different = []
    for a in DTYPES:
        for b in DTYPES:
            for scalar in (False, True):

                def call(m, a=a, b=b, scalar=scalar):
                    x = m.ones(2, dtype=getattr(m, a))
                    y = (
                        m.ones((), dtype=getattr(m, b))
                        if scalar
                        else m.ones(2, dtype=getattr(m, b))
                    )
                    if op == "where":
                        return m.where(m.tensor([True, False]), x, y)
                    return getattr(m, op)(x, y)

                ours, theirs = outcome(pycore, call), outcome(torch, call)
                if isinstance(theirs, type):
                    continue  # to take more than PyTorch is allowed
                if ours != theirs:
                    different.append((a, b, "0-d" if scalar else "", ours, theirs))
    assert not different, different[:8]


UNARY = [
    "neg", "abs", "exp", "sqrt", "sigmoid", "sign", "floor", "round", "isnan", "logical_not",
    "bitwise_not", "square",
    "reciprocal", "sum", "prod", "mean", "amax", "cumsum", "all", "relu", "tril", "flip", "argmax",
    "std", "digamma",
    "nan_to_num", "trunc", "count_nonzero", "logsumexp", "sort", "unique",
]  # fmt: skip
ARGUMENTS = {"cumsum": (0,), "flip": ((0,),), "logsumexp": (0,)}


@pytest.mark.parametrize("op", UNARY)
def test_dtypes_of_unary_operators(op):
    different = []
    for a in DTYPES:

        def call(m, a=a):
            return getattr(m, op)(m.ones((2, 2), dtype=getattr(m, a)), *ARGUMENTS.get(op, ()))

        ours, theirs = outcome(pycore, call), outcome(torch, call)
        if isinstance(theirs, type):
            continue  # to take more than PyTorch is allowed
        if ours != theirs:
            different.append((a, ours, theirs))
    assert not different, different


SCALARS = [True, 2, 2.5]


@pytest.mark.parametrize(
    "op", ["add", "mul", "div", "pow", "eq", "remainder", "clamp", "fill_", "bitwise_or"]
)
def test_dtypes_with_numbers(op):
    different = []
    for a in DTYPES:
        for s in SCALARS:
            call = lambda m, a=a, s=s: getattr(m.ones(2, dtype=getattr(m, a)), op)(s)  # noqa: E731
            ours, theirs = outcome(pycore, call), outcome(torch, call)
            if isinstance(theirs, type):
                continue
            if ours != theirs:
                different.append((a, s, ours, theirs))
    assert not different, different[:8]


def emptied(d):
    """The same tensor with nothing in its first dimension."""
    from dataclasses import replace

    if not d.shape:
        return d
    return replace(d, shape=(0, *d.shape[1:]), values=[] if d.values is not None else None)


# PyTorch leaves the channels of nothing where they are.
NO_EMPTY = {"pixel_shuffle", "pixel_unshuffle"}


@samples(
    lambda s: (
        not s.random and s.number == 0 and s.op not in NO_EMPTY and any(d.shape for d in datas(s))
    )
)
def test_empty_input(sample):
    def attempt(m):
        try:
            return run(m, sample, make=lambda d: tensor(m, emptied(d)))
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            return error

    theirs = attempt(torch)
    ours = attempt(pycore)
    if isinstance(theirs, Exception):
        return
    assert not isinstance(ours, Exception), f"{type(ours).__name__}: {ours}"
    assert [tuple(r.shape) for r in flat(ours) if hasattr(r, "shape")] == [
        tuple(r.shape) for r in flat(theirs) if hasattr(r, "shape")
    ]


# --- bad input: the same exception type ----------------------------------------------------------

BAD = {
    "too many arguments": lambda m, f, a: f(*a, 1, 2, 3, 4, 5, 6, 7),
    "no arguments": lambda m, f, a: f(),
    "a string": lambda m, f, a: f("x", *a[1:]),
    "None": lambda m, f, a: f(None, *a[1:]),
    "unknown keyword": lambda m, f, a: f(*a, nonsense=1),
}
TYPED = [s for s in SAMPLES if s.number == 0 and not s.op.endswith("_")]


# These take their list of numbers one by one as well.
LISTS = {"squeeze", "tensor_split", "hsplit", "vsplit", "dsplit"}


@pytest.mark.parametrize("kind", BAD)
def test_type_errors(kind):
    different = []
    for sample in TYPED:
        found = []
        for m in (pycore, torch):
            args, _ = build(m, sample)
            try:
                BAD[kind](m, resolve(m, sample.op), args)
                found.append(None)
            except Exception as error:
                found.append(type(error))
        if found[1] is TypeError and found[0] is not TypeError and sample.op not in LISTS:
            different.append((sample.op, *found))
    assert not different, different
