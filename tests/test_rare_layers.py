"""CTC, adaptive softmax, fractional pooling, Torch7's normalisation, linear cross entropy."""

from __future__ import annotations

import math

import pytest

import pycore
import pycore.nn.functional as F
from pycore import nn
from pycore.autograd import gradcheck, gradgradcheck

np = pytest.importorskip("numpy")


def draw(*shape, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape)
    return pycore.tensor(values.tolist(), dtype=pycore.float64).requires_grad_()


# ---- connectionist temporal classification -----------------------------------------------------


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_ctc_derivative(reduction):
    targets = pycore.tensor([[1, 2, 2], [3, 1, 0]])

    def loss(x):
        return F.ctc_loss(x.log_softmax(2), targets, [7, 4], [3, 2], reduction=reduction)

    assert gradcheck(loss, [draw(7, 2, 4)])
    assert gradcheck(lambda x: F.ctc_loss(x.log_softmax(1), targets[0], (7,), (3,)), [draw(7, 4)])


def test_ctc_of_targets_that_do_not_fit():
    x = draw(3, 2, 3)
    targets, lengths = pycore.tensor([[1, 1, 1], [1, 2, 0]]), (3, 2)
    losses = F.ctc_loss(x.log_softmax(2), targets, (3, 3), lengths, reduction="none")
    assert losses[0] == math.inf and losses[1].isfinite()
    kept = F.ctc_loss(x.log_softmax(2), targets, (3, 3), lengths, zero_infinity=True)
    (grad,) = pycore.autograd.grad(kept, x)
    assert (grad[:, 0] == 0).all() and grad.isfinite().all() and (grad[:, 1] != 0).any()


def test_ctc_refusals():
    x = draw(3, 2, 3).log_softmax(2)
    targets = pycore.tensor([[1, 2], [2, 1]])
    for message, arguments in {
        "blank must be in label range": (targets, (3, 3), (2, 2), 5),
        "input_lengths must be of size batch_size": (targets, (3,), (2, 2)),
        "target_lengths must be of size batch_size": (targets, (3, 3), (2,)),
        "value at most 3, but got value 4": (targets, (3, 4), (2, 2)),
        "size at least 3 at dimension 1": (targets, (3, 3), (2, 3)),
        "label 7 of sample 0": (targets + 6, (3, 3), (1, 1)),
        "scalar types: Long, Int": (targets.double(), (3, 3), (1, 1)),
    }.items():
        with pytest.raises(RuntimeError, match=message):
            F.ctc_loss(x, *arguments)
    with pytest.raises(NotImplementedError, match="cannot be differentiated"):
        loss = F.ctc_loss(x, targets, (3, 3), (2, 2))
        pycore.autograd.grad(loss, x, create_graph=True)
    with pytest.raises(NotImplementedError, match="Half"):
        F.ctc_loss(x.half(), targets, (3, 3), (2, 2))


# ---- fractional pooling ------------------------------------------------------------------------


def test_fractional_pooling():
    samples = pycore.tensor([[[0.3, 0.7]], [[0.9, 0.1]]], dtype=pycore.float64)

    def pool(x):
        return F.fractional_max_pool2d(x, (2, 3), (3, 2), _random_samples=samples)

    x = draw(2, 1, 7, 6)
    assert gradcheck(pool, [x]) and gradgradcheck(pool, [x])
    value, indices = F.fractional_max_pool2d(
        x, (2, 3), (3, 2), return_indices=True, _random_samples=samples
    )
    assert (x.flatten(2).gather(2, indices.flatten(2)) == value.flatten(2)).all()
    x = x.detach()
    x[0, 0] = math.nan
    assert pool(x)[0].isnan().all() and not pool(x)[1].isnan().any()
    with pytest.raises(RuntimeError, match="do not fit the input along W"):
        F.fractional_max_pool2d(x, 3, (3, 5))
    with pytest.raises(ValueError, match="only one of output_size"):
        nn.FractionalMaxPool2d(2, 2, 0.5)


# ---- linear cross entropy ----------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
def test_chunks_do_not_change_linear_cross_entropy(reduction, weighted):
    x, w, b = draw(11, 3), draw(5, 3, seed=1), draw(5, seed=2)
    target = pycore.tensor([0, 1, 2, 3, 4, 0, 1, 2, -7, 4, 0])
    kwargs = {"linear_bias": b, "ignore_index": -7, "reduction": reduction}
    if weighted:
        kwargs["weight"] = draw(5, seed=3).detach().abs()
    results = []
    for options in (
        None,
        nn.LinearCrossEntropyOptions(),
        nn.LinearCrossEntropyOptions(batch_chunk_size=4),
    ):
        loss = F.linear_cross_entropy(x, w, target, options=options, **kwargs)
        grads = pycore.autograd.grad(loss.sum(), (x, w, b))
        results.append([t.detach().numpy() for t in (loss, *grads)])
    for other in results[1:]:
        for got, want in zip(other, results[0], strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)
    assert gradgradcheck(
        lambda x, w: F.linear_cross_entropy(x, w, target, **(kwargs | {"linear_bias": None})),
        [x, w],
    )


def test_linear_cross_entropy_options():
    with pytest.raises(ValueError, match="invalid acc_policy"):
        nn.LinearCrossEntropyOptions(acc_policy="fast")
    with pytest.raises(ValueError, match="invalid chunking_method"):
        nn.LinearCrossEntropyOptions(chunking_method="aspect_ratio:0")
    with pytest.raises(ValueError, match="batch_chunk_size must be positive"):
        nn.LinearCrossEntropyOptions(batch_chunk_size=0)
    with pytest.warns(UserWarning, match="options"):
        F.linear_cross_entropy(
            draw(2, 3),
            draw(4, 3),
            pycore.tensor([0, 1]),
            label_smoothing=0.1,
            options=nn.LinearCrossEntropyOptions(),
        )


# ---- the rest ----------------------------------------------------------------------------------


def test_adaptive_softmax_knows_all_classes():
    layer = nn.AdaptiveLogSoftmaxWithLoss(8, 12, [3, 7], div_value=2.0, dtype=pycore.float64)
    x = draw(12, 8)
    everything = layer.log_prob(x)
    assert everything.exp().sum(1).allclose(pycore.ones(12, dtype=pycore.float64))
    output, loss = layer(x, pycore.arange(12))
    assert output.allclose(everything.diagonal()) and loss.allclose(-output.mean())
    assert (layer.predict(x) == everything.argmax(1)).all()
    assert gradcheck(lambda x: layer(x, pycore.arange(12)).output, [x])
    with pytest.raises(RuntimeError, match=r"should be in \[0, 11\]"):
        layer(x[:1], pycore.tensor([12]))


def test_cross_map_normalisation_derivative():
    layer = nn.CrossMapLRN2d(3, alpha=0.3)
    assert gradcheck(layer, [draw(2, 5, 2, 2)]) and gradgradcheck(layer, [draw(1, 4, 2, 1)])


def test_conv_tbc_refusals():
    x, w, b = pycore.ones(4, 2, 3), pycore.ones(2, 3, 5), pycore.ones(5)
    assert F.conv_tbc(x, w, b).shape == (3, 2, 5)
    with pytest.raises(RuntimeError, match="Input must have 3 dims"):
        F.conv_tbc(x[0], w, b)
    with pytest.raises(RuntimeError, match="input channels"):
        F.conv_tbc(x, w[:, :2], b)
    with pytest.raises(RuntimeError, match="Bias size"):
        F.conv_tbc(x, w, b[:4])
