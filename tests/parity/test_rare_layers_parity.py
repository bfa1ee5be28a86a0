"""CTC, adaptive softmax, fractional pooling, linear cross entropy beside torch."""

from __future__ import annotations

import warnings

import pytest

import pycore

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")


def both(call, shape, dtype="float64", seed=0):
    """Results and gradients by the first argument, in both packages."""
    found = []
    values = np.random.default_rng(seed).standard_normal(shape)
    for t in (torch, pycore):
        t.manual_seed(1)
        x = t.tensor(values.tolist(), dtype=getattr(t, dtype)).requires_grad_()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = call(t, t.nn.functional, x)
        outs = list(out) if isinstance(out, tuple) else [out]
        loss = outs[0]
        (loss * t.arange(1, loss.numel() + 1).view(loss.shape).sin()).sum().backward()
        found.append([o.detach().numpy() for o in (*outs, x.grad)])
    return found


def check(found, tolerance=1e-9):
    for theirs, ours in zip(*found, strict=True):
        assert theirs.shape == ours.shape and theirs.dtype == ours.dtype
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("seed", range(24))
def test_ctc(seed):
    rng = np.random.default_rng(seed)
    batch, classes, steps = int(rng.integers(1, 4)), int(rng.integers(2, 6)), 12
    lengths = rng.integers(0, 6, batch).tolist()
    inputs = rng.integers(6, steps + 1, batch).tolist()
    blank = int(rng.integers(0, classes))
    labels = [c for c in range(classes) if c != blank]
    rows = [rng.choice(labels, 6).tolist() for _ in range(batch)]
    flat = [c for row, n in zip(rows, lengths, strict=True) for c in row[:n]]
    kwargs = {
        "blank": blank,
        "reduction": ("none", "mean", "sum")[seed % 3],
        "zero_infinity": True,
    }

    def call(t, F, x):
        targets = t.tensor(flat, dtype=t.int64) if seed % 2 else t.tensor(rows)
        given = (inputs, lengths) if seed % 4 < 2 else (t.tensor(inputs), t.tensor(lengths))
        return F.ctc_loss(x.log_softmax(2), targets, *given, **kwargs)

    check(both(call, (steps, batch, classes)))
    check(both(call, (steps, batch, classes), "float32"), 2e-4)


def test_ctc_unbatched():
    for reduction in ("none", "mean", "sum"):
        check(
            both(
                lambda t, F, x, r=reduction: F.ctc_loss(
                    x.log_softmax(1), t.tensor([1, 2, 2]), (6,), (3,), reduction=r
                ),
                (6, 4),
            )
        )


FRACTIONAL = [
    ((2, 3, 9, 8), lambda t, F, x: F.fractional_max_pool2d(x, 2, (4, 3), return_indices=True)),
    ((3, 9, 8), lambda t, F, x: F.fractional_max_pool2d(x, (3, 2), output_ratio=(0.5, 0.4))),
    ((2, 3, 9, 8), lambda t, F, x: t.nn.FractionalMaxPool2d(2, output_ratio=0.6)(x)),
    ((2, 2, 7, 6, 5), lambda t, F, x: F.fractional_max_pool3d(x, 2, (3, 4, 2), None, True)),
    ((2, 7, 6, 5), lambda t, F, x: t.nn.FractionalMaxPool3d((2, 1, 3), 2)(x)),
    ((1, 1, 4, 4), lambda t, F, x: F.fractional_max_pool2d(x, 2, 1)),
]


@pytest.mark.parametrize("case", range(len(FRACTIONAL)))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fractional_pooling(case, dtype):
    shape, call = FRACTIONAL[case]
    check(both(call, shape, dtype), 1e-6)


LAYERS = [
    ((7, 8), lambda t, F, x: t.nn.AdaptiveLogSoftmaxWithLoss(8, 12, [3, 7], 2.0, True)(
        x, t.tensor([0, 3, 11, 2, 7, 6, 1]))),
    ((8,), lambda t, F, x: t.nn.AdaptiveLogSoftmaxWithLoss(8, 12, [3])(x, t.tensor(5))),
    ((7, 8), lambda t, F, x: t.nn.AdaptiveLogSoftmaxWithLoss(8, 12, [3, 7], 2.0).log_prob(x)),
    ((7, 3), lambda t, F, x: t.nn.LinearCrossEntropyLoss(3, 5, bias=True)(
        x, t.tensor([0, 1, 4, -100, 2, 3, 0]))),
    ((7, 3), lambda t, F, x: t.nn.LinearCrossEntropyLoss(3, 5, reduction="sum", options=(
        t.nn.LinearCrossEntropyOptions(batch_chunk_size=2)))(x, t.tensor([0, 1, 4, 1, 2, 3, 0]))),
    ((3, 4), lambda t, F, x: t.nn.LinearCrossEntropyLoss(4, 5, out_features=(2,))(
        x, t.tensor([[0, 1], [4, 1], [2, 3]]))),
    ((3, 4), lambda t, F, x: F.linear_cross_entropy(
        x, t.arange(20.0).view(5, 4).cos(), t.ones(3, 5) / 5, label_smoothing=0.1)),
    ((2, 3, 2, 2), lambda t, F, x: t.nn.NLLLoss2d()(
        x.log_softmax(1), t.tensor([[[0, 1], [2, 0]], [[1, 1], [0, 2]]]))),
    ((4, 2, 3), lambda t, F, x: F.conv_tbc(
        x, t.arange(18.0).view(2, 3, 3).sin(), t.ones(3), 1)),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(LAYERS)))
def test_layers(case):
    shape, call = LAYERS[case]
    check(both(call, shape, "float32"), 2e-5)


def test_cross_map_normalisation():
    for size in (1, 2, 3, 4, 5):
        found = []
        for t in (torch, pycore):
            t.manual_seed(2)
            layer = t.nn.CrossMapLRN2d(size, alpha=0.4, k=1.5)
            found.append((layer(t.randn(2, 7, 3, 2)).numpy(), repr(layer)))
        np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-5, atol=1e-6)
        assert found[0][1] == found[1][1]


MODULES = [
    lambda nn: nn.CTCLoss(2, "sum"),
    lambda nn: nn.FractionalMaxPool2d(2, 3),
    lambda nn: nn.FractionalMaxPool3d(2, output_ratio=0.5),
    lambda nn: nn.AdaptiveLogSoftmaxWithLoss(32, 12, [3, 7]),
    lambda nn: nn.LinearCrossEntropyLoss(3, 5, bias=True),
]


@pytest.mark.parametrize("case", range(len(MODULES)))
def test_prints_and_first_weights(case):
    layers = []
    for t in (torch, pycore):
        t.manual_seed(4)
        layers.append(MODULES[case](t.nn))
    assert repr(layers[0]) == repr(layers[1])
    states = [layer.state_dict() for layer in layers]
    assert list(states[0]) == list(states[1])
    for key in states[0]:
        np.testing.assert_array_equal(states[0][key].numpy(), states[1][key].numpy())


BAD = [
    lambda t, F, x: F.ctc_loss(x, t.tensor([[1, 2], [2, 1]]), (3, 3), (2, 2), blank=9),
    lambda t, F, x: F.ctc_loss(x, t.tensor([[1, 2], [2, 1]]), (3,), (2, 2)),
    lambda t, F, x: F.ctc_loss(x, t.tensor([[1, 2], [2, 1]]), (3, 3), (2,)),
    lambda t, F, x: F.ctc_loss(x, t.tensor([[1, 2], [2, 1]]), (3, 4), (2, 2)),
    lambda t, F, x: F.ctc_loss(x, t.tensor([[1, 2], [2, 1]]), (3, 3), (2, 3)),
    lambda t, F, x: F.ctc_loss(x, t.tensor([[1.0, 2]]), (3, 3), (2, 2)),
    lambda t, F, x: F.ctc_loss(x, t.tensor([[1, 2], [2, 1]]), (3, 3), (2, 2), reduction="x"),
    lambda t, F, x: t.nn.FractionalMaxPool2d(2),
    lambda t, F, x: t.nn.FractionalMaxPool2d(2, output_ratio=1.5),
    lambda t, F, x: t.nn.FractionalMaxPool3d(0, 2),
    lambda t, F, x: F.fractional_max_pool2d(x, 2),
    lambda t, F, x: F.fractional_max_pool2d(x, 2, (3, 3)),
    lambda t, F, x: F.fractional_max_pool2d(x, 2, 1, _random_samples=t.ones(1, 3, 3)),
    lambda t, F, x: t.nn.AdaptiveLogSoftmaxWithLoss(4, 5, []),
    lambda t, F, x: t.nn.AdaptiveLogSoftmaxWithLoss(4, 5, [3, 2]),
    lambda t, F, x: t.nn.AdaptiveLogSoftmaxWithLoss(4, 5, [5]),
    lambda t, F, x: t.nn.AdaptiveLogSoftmaxWithLoss(3, 5, [2])(x[0], t.tensor([0, 5])),
    lambda t, F, x: F.linear_cross_entropy(x, t.ones(4, 3), t.tensor([0])),
    lambda t, F, x: F.linear_cross_entropy(x[0], t.ones(4, 2), t.tensor([0, 1])),
    lambda t, F, x: F.linear_cross_entropy(x[0], t.ones(4, 3), t.ones(2, 4), ignore_index=1),
    lambda t, F, x: t.nn.LinearCrossEntropyLoss(3, 4, weight=t.ones(3)),
    lambda t, F, x: t.nn.CrossMapLRN2d(3)(x),
]


@pytest.mark.parametrize("case", range(len(BAD)))
def test_errors(case):
    caught = []
    for t in (torch, pycore):
        with pytest.raises(Exception) as error:
            BAD[case](t, t.nn.functional, t.zeros(3, 2, 3))
        caught.append(error)
    assert caught[0].type is caught[1].type, (caught[0].value, caught[1].value)


GEOMETRIES = [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "padding": 2}, {"groups": 2}]


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_gradients_of_convolutions(dims, geometry):
    shape, kernel = (
        (2, 4, *(7, 6, 6)[:dims]),
        (6, 4 // geometry.get("groups", 1), *(3, 2, 2)[:dims]),
    )
    found = []
    for t in (torch, pycore):
        t.manual_seed(3)
        x, w = t.randn(shape), t.randn(kernel)
        conv = getattr(t.nn.functional, f"conv{dims}d")
        g = t.randn(conv(x, w, **geometry).shape).requires_grad_()
        by_input = getattr(t.nn.grad, f"conv{dims}d_input")(shape, w, g, **geometry)
        by_weight = getattr(t.nn.grad, f"conv{dims}d_weight")(x, kernel, g, **geometry)
        (by_input.square().sum() + by_weight.square().sum()).backward()
        found.append([v.detach().numpy() for v in (by_input, by_weight, g.grad)])
    for theirs, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
