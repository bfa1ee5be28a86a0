"""Every operator, driven by the table in ops_samples.py.

Values, gradients, strides, dtypes, out=, in-place, examples.

Compares with NumPy only (parity/test_ops_parity.py asks PyTorch); must not hold samples of its
own.
"""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from op_sample import as_numpy, build, datas, flat, reference, resolve, run, scattered, tensor
from ops_samples import T

import pycore
from pycore.autograd.gradcheck import gradcheck, gradgradcheck

OPS = pycore._C._ops()
BY_NAME: dict[str, list[dict]] = {}
for _op in OPS:
    BY_NAME.setdefault((_op["space"] + "." if _op["space"] else "") + _op["name"], []).append(_op)
SAMPLES = [s for s in T.all() if s.op in BY_NAME]
TOLERANCE = {"float32": 2e-6, "float64": 1e-12, "float16": 2e-3, "bfloat16": 2e-2}


def samples(keep=lambda s: True):
    chosen = [s for s in SAMPLES if keep(s)]
    return pytest.mark.parametrize("sample", chosen, ids=str)


def has(sample, flag):
    return any(op[flag] for op in BY_NAME[sample.op])


def assert_same(results, expected, sample, dtype="float32"):
    results = flat(results)
    assert len(results) == len(expected), f"{len(results)} results, expected {len(expected)}"
    for got, want in zip(results, expected, strict=True):
        own = str(got.dtype).rpartition(".")[2] if hasattr(got, "dtype") else dtype
        tolerance = max(TOLERANCE[dtype], TOLERANCE.get(own, 0)) * sample.tol
        got = as_numpy(got)
        assert got.shape == np.shape(want)
        if want.dtype.kind in "fc" or got.dtype.kind == "f":
            np.testing.assert_allclose(got, want, rtol=tolerance * 10, atol=tolerance * 10)
        else:
            np.testing.assert_array_equal(got, want)


def values_of(result):
    return [as_numpy(r) for r in flat(result)]


# --- the table is complete ------------------------------------------------------------------------


def test_every_operator_has_a_sample():
    missing = sorted(name for name in BY_NAME if name not in T.samples)
    assert not missing, f"no line in tests/ops_samples.py: {missing}"


def test_every_sample_has_an_operator():
    stray = sorted({s.op for s in T.all() if s.op not in BY_NAME})
    assert not stray, f"samples of operators that do not exist: {stray}"


def test_every_sample_has_a_reference():
    without = sorted({s.op for s in SAMPLES if s.ref is None and not s.random})
    assert not without, f"no NumPy reference: {without}"


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_doc_string_and_example(name):
    docs = [op["doc"] for op in BY_NAME[name] if op["doc"].strip()]
    if name.rpartition(".")[2].startswith("_"):
        return
    assert docs, "no overload has a doc string"
    for doc in docs:
        examples = doctest.DocTestParser().get_doctest(doc, {"pycore": pycore}, name, None, 0)
        output: list[str] = []
        runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
        runner.run(examples, out=output.append)
        assert runner.failures == 0, "".join(output)


# The method takes its arguments in another order, or not all of the function's forms.
OTHER_ORDER = {"where", "repeat_interleave", "bucketize"}

# --- values ---------------------------------------------------------------------------------------


@samples(lambda s: s.ref is not None)
def test_forward(sample):
    expected = reference(sample)
    assert_same(run(pycore, sample), expected, sample)
    wide = run(pycore, sample, "float64")
    assert_same(wide, expected, sample, "float32" if sample.tol > 1 else "float64")


@samples(
    lambda s: (
        s.ref is not None
        and s.op.rpartition(".")[0] == ""
        and has(s, "function")
        and has(s, "method")
    )
)
def test_method_is_the_function(sample):
    args, kwargs = build(pycore, sample)
    if not isinstance(args[0], pycore.Tensor) or sample.op in OTHER_ORDER:
        return
    method = getattr(args[0], sample.op)
    other, _ = build(pycore, sample)
    want = values_of(method(*args[1:], **kwargs))
    assert_same(resolve(pycore, sample.op)(*other, **kwargs), want, sample)


@samples(lambda s: s.random)
def test_random_repeats_with_its_seed(sample):
    pycore.manual_seed(3)
    first = values_of(run(pycore, sample))
    pycore.manual_seed(3)
    assert_same(run(pycore, sample), first, sample)


@samples(lambda s: s.strides and not s.random and any(d.shape for d in datas(s)))
def test_odd_strides(sample):
    plain = values_of(run(pycore, sample, "float64"))
    odd = run(
        pycore, sample, "float64", make=lambda d: scattered(pycore, tensor(pycore, d, "float64"))
    )
    for got, want in zip(flat(odd), plain, strict=True):
        np.testing.assert_allclose(as_numpy(got), want, rtol=1e-12, atol=1e-12)


REDUCED = {"float16", "bfloat16"}


@samples(lambda s: s.ref is not None and any(d.kind == "f" for d in datas(s)) and s.number == 0)
@pytest.mark.parametrize("dtype", sorted(REDUCED))
def test_reduced_floats(sample, dtype):
    try:
        results = flat(run(pycore, sample, dtype))
    except (NotImplementedError, RuntimeError) as error:
        assert (
            "not implemented" in str(error) or "dtype" in str(error) or "scalar type" in str(error)
        ), error
        return
    for got, want in zip(results, values_of(run(pycore, sample, "float64")), strict=True):
        got_array = as_numpy(got)
        assert got_array.shape == want.shape
        if (
            hasattr(got, "dtype")
            and got.dtype.is_floating_point
            and sample.op not in ("view", "nextafter")
        ):
            scale = max(1.0, float(np.max(np.abs(want), initial=0)))
            step = 4e-3 if dtype == "float16" else 4e-2
            if np.isfinite(want).all() and sample.op not in STEPPED:
                np.testing.assert_allclose(got_array, want, atol=step * 4 * scale)


# Steps of these lie elsewhere once the input is rounded.
STEPPED = {
    "floor",
    "ceil",
    "round",
    "trunc",
    "fix",
    "remainder",
    "fmod",
    "frac",
    "floor_divide",
    "logit",
    "tan",
    "digamma",
}


# --- out= and in place ----------------------------------------------------------------------------


# Only the overload along a dimension takes out=.
NO_OUT = {"median-0", "nanmedian-0"}


@samples(lambda s: has(s, "out") and not s.random and str(s) not in NO_OUT)
def test_out(sample):
    expected = flat(run(pycore, sample))
    args, kwargs = build(pycore, sample)
    if not all(isinstance(e, pycore.Tensor) for e in expected):
        return
    function = resolve(pycore, sample.op)
    fresh = [pycore.empty(0, dtype=e.dtype) for e in expected]
    function(*args, **kwargs, out=fresh[0] if len(fresh) == 1 else tuple(fresh))
    placed = [scattered(pycore, pycore.zeros(e.shape, dtype=e.dtype)) for e in expected]
    versions = [p._version for p in placed]
    result = function(*args, **kwargs, out=placed[0] if len(placed) == 1 else tuple(placed))
    each = zip(expected, fresh, placed, versions, flat(result), strict=True)
    for want, a, p, version, r in each:
        assert r is p
        assert p._version > version
        assert a.shape == want.shape
        np.testing.assert_array_equal(as_numpy(a), as_numpy(want))
        np.testing.assert_array_equal(as_numpy(p), as_numpy(want))


def in_place_case(sample, grad=False):
    """(args, kwargs, result) if name_ applies: same shape, a dtype that can hold the result."""
    dtype = "float64" if grad else "float32"
    args, kwargs = build(pycore, sample, dtype, grad)
    if not args or not isinstance(args[0], pycore.Tensor):
        return None
    result = resolve(pycore, sample.op)(*args, **kwargs)
    if result.shape != args[0].shape or not pycore.can_cast(result.dtype, args[0].dtype):
        return None
    return args, kwargs, result


@samples(lambda s: has(s, "inplace") and not s.random)
def test_in_place(sample):
    case = in_place_case(sample)
    if case is None:
        return
    args, kwargs, expected = case
    for prepare in (pycore.clone, lambda t: scattered(pycore, t)):
        target = prepare(args[0])
        space, _, name = sample.op.rpartition(".")
        place = getattr(pycore._C, "_" + space) if space else pycore.Tensor
        before = target._version
        result = getattr(place, name + "_")(target, *args[1:], **kwargs)
        assert result is target
        assert target._version > before
        np.testing.assert_array_equal(as_numpy(target), as_numpy(expected.to(target.dtype)))


@samples(
    lambda s: has(s, "inplace") and not s.random and s.grad and any(d.kind == "f" for d in datas(s))
)
def test_in_place_gradients(sample):
    case = in_place_case(sample, grad=True)
    if case is None or not case[2].requires_grad or not case[0][0].is_floating_point():
        return
    args, kwargs, expected = case
    space, _, name = sample.op.rpartition(".")
    place = getattr(pycore._C, "_" + space) if space else pycore.Tensor
    leaves = [a for a in args if isinstance(a, pycore.Tensor) and a.requires_grad]
    expected.sum().backward()
    want = [as_numpy(leaf.grad) if leaf.grad is not None else None for leaf in leaves]
    for leaf in leaves:
        leaf.grad = None
    target = args[0] * 1
    getattr(place, name + "_")(target, *args[1:], **kwargs)
    target.sum().backward()
    for leaf, grad in zip(leaves, want, strict=True):
        if grad is not None:
            np.testing.assert_allclose(as_numpy(leaf.grad), grad, rtol=1e-12, atol=1e-12)


# --- gradients ------------------------------------------------------------------------------------


def as_function(sample):
    """(function of the differentiable tensors, those tensors) in float64."""
    leaves: list = []

    def collect(d):
        t = tensor(pycore, d, "float64", grad=True)
        if t.requires_grad:
            leaves.append(t)
        return t

    build(pycore, sample, make=collect)

    def call(*tensors):
        given = iter(tensors)

        def make(d):
            return next(given) if d.kind == "f" and d.grad else tensor(pycore, d, "float64")

        results = flat(run(pycore, sample, "float64", make=make))
        return tuple(r for r in results if isinstance(r, pycore.Tensor) and r.requires_grad)

    return call, leaves


DIFFERENTIABLE = samples(
    lambda s: s.grad and not s.random and any(d.kind == "f" and d.grad for d in datas(s))
)


@DIFFERENTIABLE
def test_gradients(sample):
    call, leaves = as_function(sample)
    assert call(*leaves), "no result requires grad"
    gradcheck(call, leaves)


@DIFFERENTIABLE
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_recorded_gradients(sample, dtype):
    """With create_graph=True gradients have the same dtypes, shapes and values."""

    def gradients(create_graph):
        leaves: list = []

        def collect(d):
            t = tensor(pycore, d, dtype, grad=True)
            if t.requires_grad:
                leaves.append(t)
            return t

        outs = [
            r.double() for r in flat(run(pycore, sample, dtype, make=collect)) if r.requires_grad
        ]
        seeds = [pycore.linspace(1, 2, r.numel(), dtype=r.dtype).view(r.shape) for r in outs]
        grads = pycore.autograd.grad(outs, leaves, seeds, False, create_graph, allow_unused=True)
        return leaves, grads

    try:
        leaves, plain = gradients(False)
    except (NotImplementedError, RuntimeError) as error:
        assert dtype in REDUCED, error
        return
    for leaf, one, two in zip(leaves, plain, gradients(True)[1], strict=True):
        assert (one is None) == (two is None)
        if one is None:
            continue
        assert one.dtype == two.dtype == leaf.dtype and one.shape == two.shape == leaf.shape
        one, two = as_numpy(one), as_numpy(two)
        scale = np.abs(one, where=np.isfinite(one), out=np.zeros_like(one)).max(initial=1e-3)
        np.testing.assert_allclose(one, two, rtol=0, atol=RECORDED[dtype] * scale)


RECORDED = {"float16": 4e-3, "bfloat16": 3e-2, "float32": 1e-5}


@samples(
    lambda s: (
        s.grad and s.gradgrad and not s.random and any(d.kind == "f" and d.grad for d in datas(s))
    )
)
def test_second_derivatives(sample):
    call, leaves = as_function(sample)
    gradgradcheck(call, leaves)


# --- empty and 0-d tensors ------------------------------------------------------------------------

POINTWISE = sorted(
    {
        s.op
        for s in SAMPLES
        if has(s, "pointwise")
        and s.op.rpartition(".")[0] == ""
        and all(isinstance(a, type(s.args[0])) for a in s.args)
    }
)


@pytest.mark.parametrize("name", POINTWISE)
@pytest.mark.parametrize("shape", [(0,), (2, 0, 3), (), (1, 1)], ids=str)
def test_pointwise_shapes(name, shape):
    sample = T.samples[name][0]
    kinds = [d.kind for d in sample.args if hasattr(d, "kind")]
    make = {"f": pycore.float32, "i": pycore.int64, "b": pycore.bool}
    args = [pycore.ones(shape, dtype=make[k]) for k in kinds]
    if len(args) != len(sample.args):
        return
    result = resolve(pycore, name)(*args)
    assert tuple(result.shape) == shape
    if len(args) == 2 and shape != ():
        scalar = pycore.ones((), dtype=args[1].dtype)
        assert tuple(resolve(pycore, name)(args[0], scalar).shape) == shape
