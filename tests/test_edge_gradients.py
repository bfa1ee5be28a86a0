"""Gradients at ties, of NaN and infinity, and outside of domains: what PyTorch 2.13 gives."""

from __future__ import annotations

import math

import pytest

import pycore
from pycore.nn import functional as F

inf, nan = math.inf, math.nan


def gradients(function, *lists, dtype=pycore.float32):
    leaves = [pycore.tensor(v, dtype=dtype, requires_grad=True) for v in lists]
    function(*leaves).sum().backward()
    return [x.grad.tolist() for x in leaves]


def same(got, want):
    pycore.testing.assert_close(pycore.tensor(got), pycore.tensor(want), equal_nan=True)


@pytest.mark.parametrize("bound", ["min", "max"])
def test_clamp_to_equal_tensors(bound):
    """What lies on a bound is not limited, so that a bound may be a tensor as well as a number."""
    values = [1.0, 2.0, 0.0, nan]
    (number,) = gradients(lambda x: x.clamp(**{bound: 1.0}), values)
    x, limit = gradients(lambda x, b: x.clamp(**{bound: b}), values, [1.0] * 4)
    assert x == number == ([1, 1, 0, 0] if bound == "min" else [1, 0, 1, 0])
    assert limit == ([0, 0, 1, 0] if bound == "min" else [0, 1, 0, 0])


def test_clamp_between_tensors():
    got = gradients(pycore.clamp, [1.0, 2.0, 0.0, 5.0], [1.0, 1, 1, 0], [1.0, 2, -1, 3])
    assert got == [[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1]]  # the third has its bounds crossed
    (one,) = gradients(lambda b: pycore.ones(2, 3).clamp(min=b), [2.0])  # broadcast
    assert one == [6]


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_extremes_with_nan(name):
    x, y = gradients(getattr(pycore, name), [1.0, nan, 1.0, nan], [1.0, 1.0, nan, nan])
    assert x == y == [0.5, 1, 1, 1]


@pytest.mark.parametrize("name", ["logaddexp", "logaddexp2"])
def test_sums_of_exponentials_with_infinity(name):
    x, y = gradients(getattr(pycore, name), [inf, -inf, 1.0, 1.0, 1e30], [1.0, 1.0, inf, -inf, 1.0])
    assert x == [1, 0, 0, 1, 1] and y == [0, 1, 1, 0, 0]


def test_logit_outside():
    same(gradients(pycore.logit, [-0.5, 0.5, 1.5, nan]), [[nan, 4, nan, nan]])
    same(gradients(lambda x: pycore.logit(x, 0.25), [-0.5, 0.5, 0.9, nan]), [[0.0, 4.0, 0.0, nan]])


@pytest.mark.parametrize("beta", [0, 1])
def test_addr_without_its_input(beta):
    start, _, _ = gradients(
        lambda a, x, y: pycore.addr(a, x, y, beta=beta), [[nan, 1.0]], [1.0, 2.0], [3.0, 4.0]
    )
    assert start == [[2.0 * beta, 2.0 * beta]]
    out = pycore.addr(pycore.full((1,), nan), pycore.ones(1), pycore.ones(1), beta=0)
    assert out.item() == 1


def test_matmul_with_nothing():
    """A batch times a matrix without columns."""
    x = pycore.ones(7, 3, 5, requires_grad=True)
    w = pycore.ones(5, 0, requires_grad=True)
    (x @ w).sum().backward()
    assert x.grad.shape == (7, 3, 5) and not x.grad.any() and w.grad.shape == (5, 0)


@pytest.mark.parametrize("shape", [(4, 2), (3, 2, 5)])
def test_batch_norm_in_evaluation_keeps_nan_to_itself(shape):
    """In evaluation the gradient does not depend on the input."""
    x = pycore.randn(shape)
    x[0] = nan
    x[1] = inf
    x.requires_grad_()
    y = F.batch_norm(x, pycore.zeros(2), pycore.full((2,), 4.0), eps=0.0)
    y.backward(pycore.ones(shape))
    assert (x.grad == 0.5).all()


def test_rms_norm_of_large_halves_recorded():
    """Squares beyond the range of float16 are computed in float32 also where the graph is kept."""
    x = (pycore.linspace(1, 400, 30).view(2, 15)).half().requires_grad_()
    seed = pycore.linspace(-1, 1, 30).view(2, 15).half()
    plain, recorded = (
        pycore.autograd.grad(F.rms_norm(x, (15,)), x, seed, create_graph=create)[0]
        for create in (False, True)
    )
    assert plain.any()
    pycore.testing.assert_close(plain, recorded, rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize("shape", [(16, 10), (16, 10, 3)])
def test_cross_entropy_of_large_logits(shape):
    """The gradient is that of the softmax: a large logit does not drown the logarithm of the sum."""
    pycore.manual_seed(0)
    x = (pycore.randn(shape) * 1000).requires_grad_()
    target = pycore.randint(0, 10, shape[:1] + shape[2:])
    F.cross_entropy(x, target, reduction="sum").backward()
    wide = x.detach().double().requires_grad_()
    F.cross_entropy(wide, target, reduction="sum").backward()
    assert (x.grad.double() - wide.grad).abs().max() < 2e-7


def test_circular_padding_after_cutting():
    """What negative padding cuts off does not come back from the other side."""
    x = pycore.arange(1.0, 6.0).view(1, 1, 5).requires_grad_()
    y = F.pad(x, (-1, 2), mode="circular")
    assert y.flatten().tolist() == [2, 3, 4, 5, 2, 3]
    y.sum().backward()
    assert x.grad.flatten().tolist() == [0, 2, 2, 1, 1]
    assert F.pad(x, (2, -1), mode="circular").flatten().tolist() == [3, 4, 1, 2, 3, 4]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_overlapping_windows_of_reduced_floats(dtype):
    x = pycore.ones(5, dtype=getattr(pycore, dtype), requires_grad=True)
    x.unfold(0, 3, 1).sum().backward()
    assert x.grad.tolist() == [1, 2, 3, 2, 1] and x.grad.dtype == x.dtype


def test_windows_of_expanded_leaves():
    """Each element has a gradient of its own, also where several lie in one place."""
    x = pycore.ones(1, 4).expand(3, 4).detach().requires_grad_()
    (x.unfold(0, 2, 1) * pycore.tensor([1.0, 10.0])).sum().backward()
    assert x.grad.tolist() == [[1] * 4, [11] * 4, [10] * 4]
    y = pycore.ones(1).expand(3).detach().requires_grad_()
    y.as_strided((1,), (1,)).sum().backward()  # which of them it shows cannot be told
    pycore.testing.assert_close(y.grad, pycore.full((3,), 1 / 3))


STEPWISE = {
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": F.leaky_relu,
    "hardtanh": F.hardtanh,
    "hardsigmoid": F.hardsigmoid,
    "hardshrink": F.hardshrink,
    "softshrink": F.softshrink,
    "threshold": lambda x: F.threshold(x, 0.1, 0.0),
    "prelu": lambda x: F.prelu(x, pycore.tensor([0.25])),
    "copysign": lambda x: pycore.copysign(x, -1.0),
    "max_pool1d": lambda x: F.max_pool1d(x[None], 2),
    "avg_pool1d": lambda x: F.avg_pool1d(x[None], 2),
    "adaptive_avg_pool1d": lambda x: F.adaptive_avg_pool1d(x[None], 2),
    "reflect": lambda x: F.pad(x[None], (1, 1), "reflect"),
    "nll_loss": lambda x: F.nll_loss(x, pycore.tensor(1)),
    "smooth_l1_loss": lambda x: F.smooth_l1_loss(x, pycore.tensor([-2.5, 1.0, 9.0, 3.0])),
    "huber_loss": lambda x: F.huber_loss(x, pycore.tensor([-2.5, 1.0, 9.0, 3.0])),
}


@pytest.mark.parametrize("name", STEPWISE)
def test_second_derivatives_of_steps_are_zero(name):
    """Not absent, and zero at the steps themselves (both losses' limit is met exactly)."""
    x = pycore.tensor([-1.5, 0.0, 0.7, 2.0], requires_grad=True)
    (gradient,) = pycore.autograd.grad(STEPWISE[name](x).sum(), x, create_graph=True)
    assert gradient.requires_grad
    (second,) = pycore.autograd.grad(gradient.sum(), x)
    assert second.tolist() == [0.0] * 4


@pytest.mark.parametrize("function", [F.elu, F.celu, F.selu], ids=["elu", "celu", "selu"])
def test_second_derivative_of_exponential_units_at_zero(function):
    x = pycore.tensor([0.0, -1e-30], requires_grad=True)
    (gradient,) = pycore.autograd.grad(function(x).sum(), x, create_graph=True)
    (second,) = pycore.autograd.grad(gradient.sum(), x)
    assert second[0] == 0 and second[1] > 0.99


def test_steps_join_what_flows_in():
    """The gradient of the gradient reaches what flowed in, and by the input what lies before."""
    w = pycore.tensor([2.0, -3.0], requires_grad=True)
    x = pycore.tensor([1.0, 1.0], requires_grad=True)
    (gradient,) = pycore.autograd.grad((F.relu(w * x) ** 2).sum(), x, create_graph=True)
    gradient.sum().backward()
    assert w.grad.tolist() == [8.0, 0.0] and x.grad.tolist() == [8.0, 0.0]


@pytest.mark.parametrize("dtype", [pycore.float32, pycore.float64, pycore.bfloat16])
def test_mish_of_large_numbers(dtype):
    assert gradients(F.mish, [45.0, 1e4, 1e20, 3e38], dtype=dtype) == [[1.0] * 4]


@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_logits_without_bound(reduction):
    """An infinite logit of a class that was not meant costs infinitely much, and is not NaN."""
    x = pycore.tensor([inf, inf, -inf, -inf])
    t = pycore.tensor([0.0, 0.25, 1.0, 0.25])
    assert F.binary_cross_entropy_with_logits(x, t, reduction="none").tolist() == [inf] * 4
    assert F.binary_cross_entropy_with_logits(x, t, reduction=reduction).isinf().all()


@pytest.mark.parametrize("p", [1, 2])
def test_margins_of_large_scores(p):
    """The class itself has no part in its loss, however the margin is rounded beside its score."""
    x = pycore.tensor([[1e9, 3.0, 0.0], [3.0, 1e9, inf]], requires_grad=True)
    loss = F.multi_margin_loss(x, pycore.tensor([0, 2]), p=p, reduction="none")
    assert loss.tolist() == [0, 0]
    loss.sum().backward()
    assert not x.grad.any()


def test_renorm_of_short_floats():
    x = pycore.full((2, 4), 60000.0, dtype=pycore.float16)
    assert (x.renorm(2, 0, 1.0) * 2).tolist() == [[1.0] * 4] * 2
