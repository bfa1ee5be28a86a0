"""Activations, reductions, losses, normalisations: derivatives, layouts, threads, errors."""

from __future__ import annotations

import math
import warnings

import pytest
from neural import ALL, Sample, values

import pycore
import pycore.nn.functional as F
from pycore.autograd import gradcheck, gradgradcheck

np = pytest.importorskip("numpy")


def make(shape, domain, seed, dtype=pycore.float64):
    return pycore.tensor(values(shape, domain, seed), dtype=dtype).reshape(shape)


def first(result):
    return result[0] if isinstance(result, (tuple, list)) else result


@pytest.mark.parametrize("sample", ALL, ids=str)
def test_derivatives(sample: Sample) -> None:
    inputs = [make(s, sample.domain, 3 + i).requires_grad_() for i, s in enumerate(sample.shapes)]

    def call(*args):
        return first(sample.call(pycore, F, *args))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert gradcheck(call, inputs)
        assert gradgradcheck(call, inputs)


@pytest.mark.parametrize("sample", ALL, ids=str)
def test_layout_does_not_change_results(sample: Sample) -> None:
    plain = [make(s, sample.domain, 3 + i, pycore.float32) for i, s in enumerate(sample.shapes)]

    def spread(x):
        if x.dim() == 0:
            return x
        wide = pycore.zeros(*x.shape[:-1], 2 * x.shape[-1])
        wide[..., ::2] = x
        return wide[..., ::2]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = first(sample.call(pycore, F, *plain))
        got = first(sample.call(pycore, F, *map(spread, plain)))
    assert np.allclose(got.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6, equal_nan=True)


def test_threads_do_not_change_bits() -> None:
    x = pycore.tensor(values((40, 30, 50), "real")).reshape(40, 30, 50)
    calls = [
        lambda: x.sum(), lambda: x.sum(0), lambda: x.sum(1), lambda: x.var((0, 2)),
        lambda: x.norm(),
        lambda: x.logsumexp(0), lambda: x.softmax(1), lambda: F.layer_norm(x, (30, 50)),
        lambda: F.batch_norm(x, None, None, training=True), lambda: F.gelu(x), lambda: x.cumsum(0),
        lambda: F.mse_loss(x, x * x), lambda: F.binary_cross_entropy_with_logits(x, x),
    ]  # fmt: skip
    threads = pycore.get_num_threads()
    try:
        pycore.set_num_threads(1)
        one = [c().numpy().tobytes() for c in calls]
        pycore.set_num_threads(2)
        two = [c().numpy().tobytes() for c in calls]
    finally:
        pycore.set_num_threads(threads)
    assert one == two


IN_PLACE = ["relu", "relu6", "elu", "selu", "celu", "leaky_relu", "silu", "mish", "hardtanh",
            "hardswish", "hardsigmoid"]  # fmt: skip


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place(name: str) -> None:
    function = getattr(F, name)
    x = make((3, 4), "real", 1)
    expected = function(x)
    leaf = make((3, 4), "real", 1).requires_grad_()
    expected_grad = pycore.autograd.grad(function(leaf).sum(), leaf)[0]
    y = leaf * 1
    out = function(y, inplace=True)
    assert out is y
    assert (out == expected).all()
    out.sum().backward()
    assert np.allclose(leaf.grad.numpy(), expected_grad.numpy())
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        function(leaf, inplace=True)


def test_running_statistics() -> None:
    x = make((5, 3, 4), "real", 2)
    mean, var = pycore.zeros(3).double(), pycore.ones(3).double()
    F.batch_norm(x, mean, var, training=True, momentum=0.25)
    a = x.numpy()
    assert np.allclose(mean.numpy(), 0.25 * a.mean((0, 2)))
    assert np.allclose(var.numpy(), 0.75 + 0.25 * a.var((0, 2), ddof=1))


def test_reductions_of_integers_and_bool() -> None:
    x = pycore.tensor([[3, -1, 2], [0, 5, -7]])
    assert x.prod(1).tolist() == [-6, 0]
    assert x.max().item() == 5 and x.min().item() == -7
    assert x.argmax().item() == 4 and x.argmin(1).tolist() == [1, 2]
    assert x.cumsum(0).tolist() == [[3, -1, 2], [3, 4, -5]]
    assert (x > 0).sum().item() == 3 and (x > 0).any(0).tolist() == [True, True, True]
    assert (x > 0).all(1).tolist() == [False, False]
    assert x.count_nonzero().item() == 5
    assert pycore.arange(200, dtype=pycore.uint8).sum().item() == 19900
    with pytest.raises(RuntimeError, match="could not infer output dtype"):
        x.mean()
    with pytest.raises(RuntimeError, match="only support floating point"):
        x.var()


def test_empty_and_nan() -> None:
    empty = pycore.empty(2, 0)
    assert empty.sum().item() == 0 and empty.prod().item() == 1 and math.isnan(empty.mean().item())
    assert empty.all().item() is True and empty.any().item() is False
    assert empty.logsumexp(1).tolist() == [-math.inf] * 2
    with pytest.raises(RuntimeError, match="Expected reduction dim to be specified"):
        empty.max()
    with pytest.raises(IndexError, match="reduction dim 1 to have non-zero size"):
        empty.max(1)
    nan = pycore.tensor([1.0, math.nan, 3.0])
    assert math.isnan(nan.max().item()) and nan.argmax().item() == 1
    assert math.isnan(nan.min().item()) and nan.nansum().item() == 4
    assert math.isnan(F.relu(nan)[1].item())


def test_errors() -> None:
    x = pycore.zeros(4, 3)
    with pytest.raises(IndexError, match="Target 3 is out of bounds"):
        F.cross_entropy(x, pycore.tensor([0, 1, 2, 3]))
    with pytest.raises(ValueError, match=r"Expected input batch_size \(4\) to match"):
        F.cross_entropy(x, pycore.tensor([0, 1, 2]))
    with pytest.raises(RuntimeError, match="expected target dtype to be Long or Byte"):
        F.cross_entropy(x, pycore.zeros(4))
    with pytest.raises(ValueError, match="foo is not a valid value for reduction"):
        F.mse_loss(x, x, reduction="foo")
    with pytest.warns(UserWarning, match="Using a target size"):
        F.mse_loss(x, pycore.zeros(3))
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        F.batch_norm(x[:1], None, None, training=True)
    with pytest.raises(ValueError, match="eps must be positive during training, but got 0"):
        F.batch_norm(x, None, None, training=True, eps=0)
    with pytest.raises(ValueError, match="eps must be non-negative, but got -1"):
        F.batch_norm(x, x[0], x[0], eps=-1)
    with pytest.raises(RuntimeError, match=r"Expected target size \[4\], but got \[2\]"):
        F.multi_margin_loss(x, pycore.tensor([0, 1]))
    with pytest.raises(TypeError, match="delta must be a float or int"):
        pycore.nn.HuberLoss(delta="1")
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        F.instance_norm(x.reshape(4, 3, 1))
    with pytest.raises(RuntimeError, match="weight should contain 3 elements not 2"):
        F.instance_norm(x.reshape(2, 3, 2), weight=pycore.ones(2))
    with pytest.raises(RuntimeError, match="Given normalized_shape"):
        F.layer_norm(x, (4,))
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        F.binary_cross_entropy(x + 2, x)
    with pytest.raises(NotImplementedError, match='"elu_cpu" not implemented'):
        F.elu(pycore.tensor([1]))


def test_kl_div_of_no_probabilities():
    """The logarithm of a negative target is not silently replaced; 0 log 0 is 0."""
    target = pycore.tensor([-1.0, 0.0, 0.5])
    loss = F.kl_div(pycore.zeros(3), target, reduction="none")
    assert loss.isnan().tolist() == [True, False, False] and loss[1].item() == 0.0
