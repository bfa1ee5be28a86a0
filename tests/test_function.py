"""autograd.Function, gradcheck and gradgradcheck."""

from __future__ import annotations

import gc
import weakref

import pytest

pycore = pytest.importorskip("pycore")

from pycore.autograd import Function, gradcheck, gradgradcheck  # noqa: E402
from pycore.autograd.function import once_differentiable  # noqa: E402
from pycore.autograd.gradcheck import GradcheckError  # noqa: E402


def points(*shape):
    return pycore.rand(shape, dtype=pycore.float64).sub_(0.5).requires_grad_()


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * 3 * x**2


class Scale(Function):
    @staticmethod
    def forward(x, factor=2.0):
        return x * factor

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.factor = inputs[1]

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.factor, None


class Sine(Function):  # saves its output's companion and its output
    @staticmethod
    def forward(ctx, x):
        s, c = x.sin(), x.cos()
        ctx.save_for_backward(s, c)
        return s, c

    @staticmethod
    def backward(ctx, gs, gc):
        s, c = ctx.saved_tensors
        return gs * c - gc * s


def test_first_and_second_derivatives():
    for function in (Cube.apply, Scale.apply, Sine.apply):
        assert gradcheck(function, (points(2, 3),))
        assert gradgradcheck(function, (points(2, 3),))
        assert gradcheck(function, (points(2, 3),), fast_mode=True)


def test_grad_fn_has_the_name_of_the_class():
    assert Cube.apply(points(2)).grad_fn.name() == "CubeBackward"
    assert "grad_fn=<CubeBackward>" in repr(Cube.apply(points(2)))


def test_defaults_and_keywords_with_setup_context():
    x = points(2)
    assert Scale.apply(x, factor=3.0).tolist() == (x * 3).tolist()
    with pytest.raises(TypeError):
        Cube.apply(x=x)


def test_nothing_is_recorded_without_need():
    assert Cube.apply(pycore.ones(2)).grad_fn is None
    with pycore.no_grad():
        assert not Cube.apply(points(2)).requires_grad


def test_forward_does_not_record():
    seen = []

    class Look(Function):
        @staticmethod
        def forward(ctx, x):
            seen.append((x * 2).requires_grad)
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad * 2

    Look.apply(points(2))
    assert seen == [False]


def test_needs_input_grad():
    class Look(Function):
        @staticmethod
        def forward(ctx, a, b, c):
            return a * b

        @staticmethod
        def backward(ctx, grad):
            seen.append(ctx.needs_input_grad)
            return grad, None, None

    seen = []
    Look.apply(points(2), pycore.ones(2, dtype=pycore.float64), "text").sum().backward()
    assert seen == [(True, False, False)]


@pytest.mark.parametrize("materialize", [True, False])
def test_missing_gradients(materialize):
    seen = []

    class Pair(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(materialize)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            seen.append(b)
            return a * 2

    x = points(3)
    Pair.apply(x)[0].sum().backward()
    assert x.grad.tolist() == [2.0] * 3
    assert (seen[0].tolist() == [0.0] * 3) if materialize else seen[0] is None


def test_non_differentiable_outputs():
    class Sort(Function):
        @staticmethod
        def forward(ctx, x):
            values, places = x.sort()
            floats = places.double()
            ctx.mark_non_differentiable(places, floats)
            ctx.save_for_backward(places)
            return values, places, floats, "text"

        @staticmethod
        def backward(ctx, grad, *others):
            (places,) = ctx.saved_tensors
            return pycore.zeros_like(grad).index_add_(0, places, grad)

    x = points(4)
    values, places, floats, text = Sort.apply(x)
    assert values.requires_grad and not places.requires_grad and not floats.requires_grad
    assert text == "text"
    (values * pycore.arange(4.0, dtype=pycore.float64)).sum().backward()
    assert x.grad.sum().item() == 6.0


def test_dirty_input():
    class AddOne(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.add_(1)

        @staticmethod
        def backward(ctx, grad):
            return grad * 5

    x = points(2)
    y = x * 2
    z = AddOne.apply(y)
    assert z is y and z.grad_fn.name() == "AddOneBackward"
    z.sum().backward()
    assert x.grad.tolist() == [10.0, 10.0]
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        AddOne.apply(points(2))


def test_returned_input_is_another_tensor():
    class Pass(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, grad):
            return grad * 7

    x = points(2)
    y = Pass.apply(x)
    assert y is not x and x.is_leaf
    y.sum().backward()
    assert x.grad.tolist() == [7.0, 7.0]


def test_overwritten_saved_tensor_is_an_error():
    x = points(3)
    y = x * 1
    out = Cube.apply(y)
    y.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_freed_graph_is_an_error():
    out = Cube.apply(points(3)).sum()
    out.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        out.backward()


def test_retained_graph_runs_twice():
    x = points(3)
    out = Cube.apply(x).sum()
    out.backward(retain_graph=True)
    once = x.grad.clone()
    out.backward()
    assert x.grad.tolist() == (2 * once).tolist()


class _Wrong(Function):
    result = None

    @staticmethod
    def forward(ctx, x, y):
        return x * 2

    @classmethod
    def make(cls, result):
        def backward(ctx, grad):
            return result(grad)

        return type("Wrong", (cls,), {"backward": staticmethod(backward)})


@pytest.mark.parametrize(
    "result, words",
    [
        (lambda g: g, "incorrect number of gradients"),
        (lambda g: (g, None, g), "incorrect number of gradients"),
        (lambda g: (g, g), "gradient different than None"),
        (lambda g: (3.0, None), "expected Variable or None"),
    ],
)
def test_wrong_results_of_backward(result, words):
    with pytest.raises((RuntimeError, TypeError), match=words):
        _Wrong.make(result).apply(points(2), 1).sum().backward()


def test_extra_none_is_forgiven():
    x = points(2)
    _Wrong.make(lambda g: (g, None, None)).apply(x, 1).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_errors_in_backward_arrive():
    class Fails(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            raise KeyError("from backward")

    with pytest.raises(KeyError, match="from backward"):
        Fails.apply(points(2)).sum().backward()


def test_unfinished_functions():
    class Nothing(Function):
        pass

    with pytest.raises(NotImplementedError):
        Nothing.apply(points(2))
    with pytest.warns(DeprecationWarning, match="should not be instantiated"):
        instance = Nothing()
    with pytest.raises(RuntimeError, match="Legacy autograd function"):
        instance(points(2))


def test_once_differentiable():
    class Once(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**2

        @staticmethod
        @once_differentiable
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return grad * 2 * x

    x = points(2)
    Once.apply(x).sum().backward()
    assert x.grad.tolist() == (2 * x.detach()).tolist()
    seed = pycore.ones(2, dtype=pycore.float64, requires_grad=True)
    (g,) = pycore.autograd.grad(Once.apply(x), x, seed, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.sum().backward()


def test_no_cycles():
    gc.collect()
    gc.disable()
    try:
        x = points(3)
        s, c = Sine.apply(x)
        alive = weakref.ref(s)
        del s, c
        assert alive() is None
    finally:
        gc.enable()


# -- gradcheck -------------------------------------------------------------------------------------


def test_gradcheck_accepts():
    assert gradcheck(lambda x: x.exp(), points(2, 2))
    assert gradcheck(lambda x: x, points(2))
    assert gradcheck(lambda x: x.exp(), points(0, 3))
    assert gradcheck(lambda x: x.exp(), points())
    assert gradcheck(lambda x, n: x * n, (points(3), pycore.arange(3)))
    assert gradcheck(lambda x: x.exp(), points(3, 2).t().detach().requires_grad_())
    assert gradcheck(lambda x: (x.sin(), x.cos()), points(3))
    assert gradgradcheck(lambda x: x.exp(), points(2), gen_non_contig_grad_outputs=True)


@pytest.mark.parametrize("fast", [False, True])
def test_gradcheck_rejects(fast):
    wrong = _Wrong.make(lambda g: (g * 3, None))
    with pytest.raises(
        GradcheckError, match="Jacobian mismatch for output 0 with respect to input 0"
    ):
        gradcheck(lambda x: wrong.apply(x, 1), points(2), fast_mode=fast)
    assert not gradcheck(
        lambda x: wrong.apply(x, 1), points(2), fast_mode=fast, raise_exception=False
    )
    with pytest.raises(GradcheckError, match="expected to be zero"):
        gradcheck(lambda x: x.detach(), points(2), fast_mode=fast)


def test_gradcheck_leaves_inputs_and_stream_alone():
    x = points(3)
    before = x.tolist()
    pycore.manual_seed(0)
    gradcheck(lambda x: x * x, x)
    gradgradcheck(lambda x: x * x, x)
    assert x.tolist() == before
    assert pycore.rand(1).item() == pytest.approx(0.4963, abs=1e-4)


def test_gradcheck_arguments():
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        gradcheck(lambda x: x, pycore.ones(2, dtype=pycore.float64))
    with pytest.raises(RuntimeError, match="stride 0"):
        gradcheck(lambda x: x * 2, points(1).expand(3))
    with pytest.warns(UserWarning, match="double precision"):
        gradcheck(lambda x: x * 2, pycore.ones(2, requires_grad=True), raise_exception=False)
