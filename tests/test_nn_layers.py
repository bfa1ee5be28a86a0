"""Layers and their functional forms against NumPy and by hand; initial values; refusals."""

from __future__ import annotations

import math
import warnings

import pytest

import pycore
from pycore import nn
from pycore.nn import functional as F

np = pytest.importorskip("numpy")


def randn(*shape, seed=0):
    pycore.manual_seed(seed)
    return pycore.randn(*shape)


def close(actual, expected, rtol=1e-5, atol=1e-6):
    np.testing.assert_allclose(actual.detach().numpy(), expected, rtol=rtol, atol=atol)


def windows(x, kernel, stride):
    """All windows of the last two dimensions: (..., out_h, out_w, kernel, kernel)."""
    view = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), axis=(-2, -1))
    return view[..., ::stride, ::stride, :, :]


# ---- linear and convolution --------------------------------------------------------------------


def test_linear():
    layer, x = nn.Linear(4, 3), randn(5, 4)
    expected = x.numpy() @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    close(layer(x), expected)
    assert layer(randn(4)).shape == (3,) and layer(randn(2, 6, 4)).shape == (2, 6, 3)
    assert nn.Linear(4, 3, bias=False).bias is None
    assert nn.Linear(4, 3, dtype=pycore.float64).weight.dtype == pycore.float64


def test_bilinear():
    layer, a, b = nn.Bilinear(3, 4, 2), randn(5, 3), randn(5, 4, seed=1)
    expected = np.einsum("bi,oij,bj->bo", a.numpy(), layer.weight.detach().numpy(), b.numpy())
    close(layer(a, b), expected + layer.bias.detach().numpy())


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
def test_conv2d(stride, groups):
    layer, x = nn.Conv2d(4, 6, 3, stride=stride, padding=1, groups=groups), randn(2, 4, 7, 8)
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)))
    weight = layer.weight.detach().numpy()
    parts = [
        np.einsum("nchwij,ocij->nohw", windows(p, 3, stride), w)
        for p, w in zip(
            np.split(padded, groups, axis=1), np.split(weight, groups, axis=0), strict=True
        )
    ]
    expected = np.concatenate(parts, axis=1) + layer.bias.detach().numpy()[:, None, None]
    close(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_conv1d_and_dilation():
    layer, x = nn.Conv1d(2, 3, 3, dilation=2, bias=False), randn(1, 2, 9)
    w, values = layer.weight.detach().numpy(), x.numpy()
    expected = sum(
        np.einsum("nct,oc->not", values[:, :, 2 * k : 2 * k + 5], w[:, :, k]) for k in range(3)
    )
    close(layer(x), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("mode", "numpy_mode"), [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")]
)
def test_conv_padding_modes(mode, numpy_mode):
    layer = nn.Conv2d(1, 1, 3, padding=(1, 2), padding_mode=mode)
    plain = nn.Conv2d(1, 1, 3)
    plain.load_state_dict(layer.state_dict())
    x = randn(1, 1, 5, 6)
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (1, 1), (2, 2)), mode=numpy_mode)
    close(layer(x), plain(pycore.from_numpy(padded)).detach().numpy())


def test_conv_same_padding():
    x = randn(1, 2, 7, 8)
    for kernel in (2, 3, (4, 5)):
        assert nn.Conv2d(2, 3, kernel, padding="same", dilation=2)(x).shape == (1, 3, 7, 8)
    assert nn.Conv2d(2, 3, 3, padding="valid")(x).shape == (1, 3, 5, 6)


# ---- pooling -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "reduce"), [("Max", np.max), ("Min", np.min), ("Avg", np.mean)])
def test_pool2d(kind, reduce):
    x = randn(2, 3, 9, 8)
    for kernel, stride in ((2, None), (3, 2), (3, 1)):
        layer = getattr(nn, f"{kind}Pool2d")(kernel, stride)
        close(layer(x), reduce(windows(x.numpy(), kernel, stride or kernel), axis=(-2, -1)))
    assert layer(randn(3, 9, 8)).shape == (3, 7, 6)


def test_pool1d_and_indices():
    x = pycore.tensor([[[1.0, 5.0, 2.0, 4.0, 0.0, 3.0]]])
    assert nn.MaxPool1d(2)(x).tolist() == [[[5.0, 4.0, 3.0]]]
    assert nn.MinPool1d(2)(x).tolist() == [[[1.0, 2.0, 0.0]]]
    assert nn.AvgPool1d(2)(x).tolist() == [[[3.0, 3.0, 1.5]]]
    values, places = nn.MaxPool1d(3, return_indices=True)(x)
    assert values.tolist() == [[[5.0, 4.0]]] and places.tolist() == [[[1, 3]]]
    values, places = nn.MinPool1d(3, return_indices=True)(x)
    assert values.tolist() == [[[1.0, 0.0]]] and places.tolist() == [[[0, 4]]]
    assert nn.MaxUnpool1d(3)(*nn.MaxPool1d(3, return_indices=True)(x)).tolist() == [
        [[0.0, 5.0, 0.0, 4.0, 0.0, 0.0]]
    ]


def test_min_pool_is_negated_max_pool():
    x = randn(2, 3, 9, 8).requires_grad_()
    y = x.detach().clone().requires_grad_()
    a = nn.MinPool2d(3, 2, padding=1, ceil_mode=True)(x)
    b = -nn.MaxPool2d(3, 2, padding=1, ceil_mode=True)(-y)
    close(a, b.detach().numpy())
    (a * a).sum().backward(), (b * b).sum().backward()
    close(x.grad, y.grad.numpy())
    assert repr(nn.MinPool2d(2)) == (
        "MinPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"
    )


def test_adaptive_pools():
    x = randn(2, 3, 6, 8)
    close(nn.AdaptiveAvgPool2d(1)(x), x.numpy().mean((-2, -1), keepdims=True))
    close(nn.AdaptiveMaxPool2d((1, 1))(x), x.numpy().max((-2, -1), keepdims=True))
    close(nn.AdaptiveAvgPool2d((3, None))(x), x.numpy().reshape(2, 3, 3, 2, 8).mean(3))
    assert nn.AdaptiveAvgPool1d(4)(randn(2, 3, 8)).shape == (2, 3, 4)
    assert nn.AdaptiveMaxPool1d(4)(randn(2, 3, 9)).shape == (2, 3, 4)


def test_lp_pool():
    x = randn(1, 2, 8).abs()
    expected = (x.numpy().reshape(1, 2, 4, 2) ** 3).sum(-1) ** (1 / 3)
    close(nn.LPPool1d(3, 2)(x), expected, rtol=1e-4)


# ---- normalisation -----------------------------------------------------------------------------


def test_batch_norm_training_and_evaluation():
    layer, x = nn.BatchNorm2d(3, momentum=0.5), randn(4, 3, 5, 5) * 2 + 1
    mean, var = x.numpy().mean((0, 2, 3)), x.numpy().var((0, 2, 3))

    def normal(mean, var):
        return (x.numpy() - mean[:, None, None]) / np.sqrt(var[:, None, None] + 1e-5)

    close(layer(x), normal(mean, var), rtol=1e-4, atol=1e-5)
    unbiased = var * 100 / 99
    close(layer.running_mean, 0.5 * mean, rtol=1e-4)
    close(layer.running_var, 0.5 + 0.5 * unbiased, rtol=1e-4)
    assert layer.num_batches_tracked.item() == 1
    layer.eval()
    close(layer(x), normal(0.5 * mean, 0.5 + 0.5 * unbiased), rtol=1e-4, atol=1e-5)
    assert layer.num_batches_tracked.item() == 1
    layer.reset_running_stats()
    assert layer.running_mean.tolist() == [0.0] * 3 and layer.num_batches_tracked.item() == 0


def test_batch_norm_cumulative_average():
    layer = nn.BatchNorm1d(2, momentum=None)
    batches = [randn(5, 2, seed=s) + s for s in range(3)]
    for x in batches:
        layer(x)
    close(layer.running_mean, np.mean([x.numpy().mean(0) for x in batches], axis=0), rtol=1e-4)


def test_batch_norm_without_statistics():
    layer = nn.BatchNorm1d(2, track_running_stats=False).eval()
    x = randn(6, 2)
    close(layer(x).mean(0), np.zeros(2), atol=1e-6)
    with pytest.raises(ValueError, match="expected 2D or 3D input"):
        layer(randn(2))


def test_layer_group_instance_rms_norm():
    x = randn(3, 4, 5)
    a = x.numpy()

    def standard(values, axes):
        mean, var = values.mean(axes, keepdims=True), values.var(axes, keepdims=True)
        return (values - mean) / np.sqrt(var + 1e-5)

    close(nn.LayerNorm(5)(x), standard(a, (-1,)), rtol=1e-4, atol=1e-5)
    close(nn.LayerNorm((4, 5))(x), standard(a, (-2, -1)), rtol=1e-4, atol=1e-5)
    close(nn.InstanceNorm1d(4)(x), standard(a, (-1,)), rtol=1e-4, atol=1e-5)
    groups = standard(a.reshape(3, 2, 10), (-1,)).reshape(3, 4, 5)
    close(nn.GroupNorm(2, 4)(x), groups, rtol=1e-4, atol=1e-5)
    close(nn.RMSNorm(5)(x), a / np.sqrt((a**2).mean(-1, keepdims=True)), rtol=1e-4)
    assert repr(nn.LayerNorm(5)) == "LayerNorm((5,), eps=1e-05, elementwise_affine=True, bias=True)"


# ---- activations -------------------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


ACTIVATIONS = [
    (nn.ReLU(), lambda x: np.maximum(x, 0)),
    (nn.ReLU6(), lambda x: np.clip(x, 0, 6)),
    (nn.LeakyReLU(0.2), lambda x: np.where(x > 0, x, 0.2 * x)),
    (nn.ELU(0.5), lambda x: np.where(x > 0, x, 0.5 * np.expm1(x))),
    (nn.CELU(0.5), lambda x: np.maximum(x, 0) + np.minimum(0, 0.5 * np.expm1(x / 0.5))),
    (
        nn.SELU(),
        lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    ),
    (nn.SiLU(), lambda x: x * sigmoid(x)),
    (nn.Mish(), lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    (nn.GELU(), lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))),
    (
        nn.GELU("tanh"),
        lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    ),
    (nn.Sigmoid(), sigmoid),
    (nn.Tanh(), np.tanh),
    (nn.LogSigmoid(), lambda x: np.log(sigmoid(x))),
    (nn.Softplus(2.0), lambda x: np.log1p(np.exp(2 * x)) / 2),
    (nn.Softsign(), lambda x: x / (1 + np.abs(x))),
    (nn.Tanhshrink(), lambda x: x - np.tanh(x)),
    (nn.Hardtanh(-0.5, 0.5), lambda x: np.clip(x, -0.5, 0.5)),
    (nn.Hardsigmoid(), lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    (nn.Hardswish(), lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    (nn.Hardshrink(0.3), lambda x: np.where(np.abs(x) > 0.3, x, 0)),
    (nn.Softshrink(0.3), lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.3, 0)),
    (nn.Threshold(0.1, 9.0), lambda x: np.where(x > 0.1, x, 9.0)),
    (nn.GLU(), lambda x: x[..., :2] * sigmoid(x[..., 2:])),
    (nn.Softmax(dim=1), lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True)),
    (nn.LogSoftmax(dim=1), lambda x: x - np.log(np.exp(x).sum(1, keepdims=True))),
    (nn.Softmin(dim=1), lambda x: np.exp(-x) / np.exp(-x).sum(1, keepdims=True)),
]


@pytest.mark.parametrize(("layer", "expected"), ACTIVATIONS, ids=[repr(a) for a, _ in ACTIVATIONS])
def test_activation(layer, expected):
    x = randn(5, 4) * 2
    close(layer(x), expected(x.numpy().astype(np.float64)), rtol=1e-4, atol=1e-5)
    y = x.clone().requires_grad_()
    layer(y).sum().backward()
    assert y.grad.shape == x.shape and bool(y.grad.isfinite().all())


def test_prelu():
    layer, x = nn.PReLU(3, init=0.5), randn(2, 3, 4)
    close(layer(x), np.where(x.numpy() > 0, x.numpy(), 0.5 * x.numpy()))
    layer(x).sum().backward()
    close(layer.weight.grad, np.minimum(x.numpy(), 0).sum((0, 2)), rtol=1e-4)


def test_in_place_forms_change_their_input():
    for layer in (nn.ReLU(True), nn.LeakyReLU(0.1, True), nn.Hardtanh(inplace=True)):
        x = randn(3, 4) * 3
        expected = type(layer)()(x.clone()) if not isinstance(layer, nn.LeakyReLU) else None
        out = layer(x)
        assert out.data_ptr() == x.data_ptr()
        if expected is not None:
            assert out.tolist() == expected.tolist()
    x = randn(3)
    assert F.relu_(x) is x and float(x.min()) >= 0


def test_softmax_needs_a_dimension():
    x = randn(2, 3)
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        y = nn.Softmax()(x)
    assert y.tolist() == x.softmax(1).tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.Softmax(dim=-1)(x)


def test_rrelu_slopes_stay_in_range():
    x = -pycore.ones(1000)
    slopes = -F.rrelu(x, 0.2, 0.4, training=True)
    assert 0.2 <= float(slopes.min()) < 0.21 and 0.39 < float(slopes.max()) <= 0.4
    close(F.rrelu(x, 0.2, 0.4), np.full(1000, -0.3))


# ---- dropout, embedding, shapes ----------------------------------------------------------------


def test_dropout():
    pycore.manual_seed(0)
    x, layer = pycore.ones(1000), nn.Dropout(0.25)
    y = layer(x)
    assert set(y.tolist()) == {0.0, pycore.tensor(1 / 0.75).item()}
    assert 200 < (y == 0).sum().item() < 300
    assert layer.eval()(x) is x or layer(x).tolist() == x.tolist()
    assert float(nn.Dropout(1.0)(x).sum()) == 0.0


def test_channel_dropout_drops_whole_channels():
    pycore.manual_seed(0)
    for layer, shape in (
        (nn.Dropout1d, (4, 50, 3)),
        (nn.Dropout2d, (4, 50, 3, 3)),
        (nn.Dropout3d, (4, 50, 2, 2, 2)),
    ):
        y = layer(0.5)(pycore.ones(*shape)).flatten(2)
        sums = y.sum(2)
        full = 2.0 * y.shape[2]
        assert set(sums.flatten().tolist()) == {0.0, full}


def test_alpha_dropout_keeps_the_moments():
    pycore.manual_seed(0)
    y = nn.AlphaDropout(0.3)(pycore.randn(100_000))
    assert abs(float(y.mean())) < 0.02 and abs(float(y.std()) - 1) < 0.02


def test_embedding():
    layer = nn.Embedding(5, 3, padding_idx=1)
    assert layer.weight[1].tolist() == [0.0, 0.0, 0.0]
    index = pycore.tensor([[0, 1], [4, 0]])
    close(layer(index), layer.weight.detach().numpy()[index.numpy()])
    layer(index).sum().backward()
    assert layer.weight.grad.sum(1).tolist() == [6.0, 0.0, 0.0, 0.0, 3.0]
    table = nn.Embedding.from_pretrained(pycore.ones(2, 2))
    assert not table.weight.requires_grad and repr(table) == "Embedding(2, 2)"


def test_shuffles_and_folds():
    x = randn(1, 8, 3, 3)
    y = F.pixel_shuffle(x, 2)
    assert y.shape == (1, 2, 6, 6) and y[0, 1, 1, 0].item() == x[0, 6, 0, 0].item()
    assert F.pixel_unshuffle(y, 2).tolist() == x.tolist()
    assert F.channel_shuffle(pycore.arange(4).view(1, 4, 1), 2).flatten().tolist() == [0, 2, 1, 3]
    z = randn(1, 2, 5, 6)
    columns = F.unfold(z, 3)
    expected = windows(z.numpy(), 3, 1).transpose(0, 1, 4, 5, 2, 3).reshape(1, 18, 12)
    close(columns, expected)
    counts = F.fold(F.unfold(pycore.ones(1, 1, 4, 4), 2), (4, 4), 2)
    assert counts[0, 0].tolist() == [[1, 2, 2, 1], [2, 4, 4, 2], [2, 4, 4, 2], [1, 2, 2, 1]]


def test_one_hot():
    assert F.one_hot(pycore.tensor([0, 2]), 3).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert F.one_hot(pycore.tensor([[1]])).tolist() == [[[0, 1]]]
    with pytest.raises(RuntimeError, match="Class values must be smaller than num_classes"):
        F.one_hot(pycore.tensor([3]), 3)


@pytest.mark.parametrize(
    ("layer", "numpy_mode", "extra"),
    [
        (nn.ZeroPad2d((1, 2, 0, 3)), "constant", {}),
        (nn.ConstantPad2d((1, 2, 0, 3), 2.5), "constant", {"constant_values": 2.5}),
        (nn.ReflectionPad2d((1, 2, 0, 3)), "reflect", {}),
        (nn.ReplicationPad2d((1, 2, 0, 3)), "edge", {}),
        (nn.CircularPad2d((1, 2, 0, 3)), "wrap", {}),
    ],
)
def test_padding(layer, numpy_mode, extra):
    x = randn(1, 2, 4, 5)
    expected = np.pad(x.numpy(), ((0, 0), (0, 0), (0, 3), (1, 2)), mode=numpy_mode, **extra)
    close(layer(x), expected)


def test_distances():
    a, b = randn(4, 3), randn(4, 3, seed=1)
    expected = np.linalg.norm(a.numpy() - b.numpy() + 1e-6, axis=-1)
    close(F.pairwise_distance(a, b), expected, rtol=1e-5)
    dots = (a.numpy() * b.numpy()).sum(-1)
    lengths = np.linalg.norm(a.numpy(), axis=-1) * np.linalg.norm(b.numpy(), axis=-1)
    close(F.cosine_similarity(a, b), dots / lengths)
    close(F.normalize(a).norm(dim=1), np.ones(4))
    assert F.pdist(a).shape == (6,)


# ---- losses ------------------------------------------------------------------------------------


def test_regression_losses():
    x, y = randn(6), randn(6, seed=1)
    d = x.numpy() - y.numpy()
    huber = np.where(np.abs(d) < 0.5, 0.5 * d * d, 0.5 * (np.abs(d) - 0.25))
    for loss, expected in (
        (nn.L1Loss, np.abs(d)),
        (nn.MSELoss, d * d),
        (lambda **k: nn.HuberLoss(delta=0.5, **k), huber),
        (lambda **k: nn.SmoothL1Loss(beta=0.5, **k), huber / 0.5),
    ):
        close(loss()(x, y), expected.mean(), rtol=1e-4)
        close(loss(reduction="sum")(x, y), expected.sum(), rtol=1e-4)
        close(loss(reduction="none")(x, y), expected, rtol=1e-4)


def test_class_losses():
    x, target = randn(5, 3), pycore.tensor([0, 2, 1, 1, -100])
    logs = x.numpy() - np.log(np.exp(x.numpy()).sum(1, keepdims=True))
    picked = -logs[np.arange(4), target.numpy()[:4]]
    close(nn.CrossEntropyLoss()(x, target), picked.mean(), rtol=1e-5)
    close(nn.NLLLoss(reduction="sum")(x.log_softmax(1), target), picked.sum(), rtol=1e-5)
    weight = pycore.tensor([1.0, 2.0, 4.0])
    w = weight.numpy()[target.numpy()[:4]]
    close(nn.CrossEntropyLoss(weight)(x, target), (w * picked).sum() / w.sum(), rtol=1e-5)
    smooth = 0.9 * picked.mean() + 0.1 * -logs[:4].mean()
    close(nn.CrossEntropyLoss(label_smoothing=0.1)(x, target), smooth, rtol=1e-5)
    probabilities = randn(5, 3, seed=2).softmax(1)
    soft = -(probabilities.numpy() * logs).sum(1).mean()
    close(nn.CrossEntropyLoss()(x, probabilities), soft, rtol=1e-5)
    assert "weight" in nn.CrossEntropyLoss(weight).state_dict()


def test_binary_losses():
    x, y = randn(6), (randn(6, seed=1) > 0).float()
    p = sigmoid(x.numpy())
    terms = -(y.numpy() * np.log(p) + (1 - y.numpy()) * np.log(1 - p))
    close(nn.BCEWithLogitsLoss()(x, y), terms.mean(), rtol=1e-4)
    close(nn.BCELoss()(x.sigmoid(), y), terms.mean(), rtol=1e-4)
    heavy = -(3 * y.numpy() * np.log(p) + (1 - y.numpy()) * np.log(1 - p))
    close(nn.BCEWithLogitsLoss(pos_weight=pycore.tensor(3.0))(x, y), heavy.mean(), rtol=1e-4)
    assert nn.BCELoss()(pycore.zeros(1), pycore.ones(1)).item() == 100.0


def test_kl_and_friends():
    p, q = randn(4, 3).softmax(1), randn(4, 3, seed=1).softmax(1)
    expected = (p.numpy() * (np.log(p.numpy()) - np.log(q.numpy()))).sum() / 4
    close(nn.KLDivLoss(reduction="batchmean")(q.log(), p), expected, rtol=1e-4)
    t = pycore.tensor
    assert nn.MarginRankingLoss(0.5)(t([1.0]), t([2.0]), t([1.0])).item() == 1.5
    assert nn.HingeEmbeddingLoss()(t([0.25, 0.25]), t([1.0, -1.0])).item() == 0.5
    assert nn.MultiMarginLoss()(t([[0.0, 1.0]]), t([0])).item() == 1.0
    assert nn.SoftMarginLoss()(t([0.0]), t([1.0])).item() == pytest.approx(math.log(2))
    assert nn.PoissonNLLLoss()(t([0.0]), t([2.0])).item() == 1.0
    assert nn.GaussianNLLLoss()(t([0.0]), t([2.0]), t([4.0])).item() == pytest.approx(
        0.5 * (math.log(4) + 1)
    )
    same = t([[1.0, 0.0]])
    assert nn.CosineEmbeddingLoss()(same, same, t([1.0])).item() == pytest.approx(0.0, abs=1e-6)
    assert nn.TripletMarginLoss()(same, same, same).item() == pytest.approx(1.0, abs=1e-4)
    assert (
        nn.TripletMarginWithDistanceLoss(distance_function=lambda a, b: (a - b).abs().sum(-1))(
            same, same, same + 1
        ).item()
        == 0.0
    )
    assert nn.MultiLabelSoftMarginLoss()(t([[0.0]]), t([[1.0]])).item() == pytest.approx(
        math.log(2)
    )
    assert nn.MultiLabelMarginLoss()(
        t([[0.1, 0.2, 0.4, 0.8]]), t([[3, 0, -1, 1]])
    ).item() == pytest.approx(0.85)


def test_reduction_names():
    with pytest.raises(ValueError, match="hello is not a valid value for reduction"):
        nn.HingeEmbeddingLoss(reduction="hello")(pycore.zeros(1), pycore.ones(1))
    with pytest.warns(UserWarning, match="please use reduction='sum' instead"):
        assert nn.MSELoss(size_average=False).reduction == "sum"


# ---- initial values ----------------------------------------------------------------------------


def test_initial_weights_follow_the_seed():
    """First weights of seed 0 in PyTorch 2.13."""
    pycore.manual_seed(0)
    layer = nn.Linear(2, 2)
    close(layer.weight, [[-0.0053, 0.3793], [-0.5820, -0.5204]], atol=5e-5)
    close(layer.bias, [-0.2723, 0.1896], atol=5e-5)


def test_fans_and_gains():
    init = nn.init
    assert init._fans(pycore.empty(4, 3, 2, 2)) == (12, 16)
    assert init.calculate_gain("relu") == math.sqrt(2) and init.calculate_gain("tanh") == 5 / 3
    pycore.manual_seed(0)
    w = pycore.empty(400, 300)
    for fill, std in (
        (lambda: init.xavier_uniform_(w), math.sqrt(2 / 700)),
        (lambda: init.xavier_normal_(w, 2.0), 2 * math.sqrt(2 / 700)),
        (lambda: init.kaiming_uniform_(w, nonlinearity="relu"), math.sqrt(2 / 300)),
        (lambda: init.kaiming_normal_(w, mode="fan_out"), math.sqrt(2 / 400)),
        (lambda: init.normal_(w, 0.0, 0.3), 0.3),
        (lambda: init.uniform_(w, -1.0, 1.0), math.sqrt(1 / 3)),
    ):
        assert fill() is w
        assert float(w.std()) == pytest.approx(std, rel=0.02)
        assert abs(float(w.mean())) < 0.01


def test_special_fills():
    init = nn.init
    assert init.eye_(pycore.empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert init.ones_(pycore.empty(2)).tolist() == [1, 1]
    assert init.zeros_(pycore.empty(2)).tolist() == [0, 0]
    assert init.constant_(pycore.empty(1), 2.5).item() == 2.5
    x = randn(1, 2, 5, 5)
    layer = nn.Conv2d(2, 2, 3, padding=1, bias=False)
    init.dirac_(layer.weight)
    close(layer(x), x.numpy())
    for bounds in ((-1.0, 1.0), (2.0, 3.0)):
        w = init.trunc_normal_(pycore.empty(500), a=bounds[0], b=bounds[1])
        assert bounds[0] <= float(w.min()) and float(w.max()) <= bounds[1]
    w = init.sparse_(pycore.empty(10, 4), 0.3)
    assert (w == 0).sum(0).tolist() == [3] * 4
    with pytest.warns(FutureWarning, match="deprecated in favor of"):
        init.uniform(pycore.empty(2))
    parameter = nn.Parameter(pycore.empty(2))
    assert init.ones_(parameter) is parameter and parameter.requires_grad


def test_orthogonal():
    for shape in ((4, 4), (3, 5), (6, 2), (4, 2, 3)):
        w = nn.init.orthogonal_(pycore.empty(*shape), gain=2.0).flatten(1).numpy()
        small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
        np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-4)


# ---- second order, double precision, everything together ---------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: (nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), (1, 2, 4, 4)),
        lambda: (nn.BatchNorm1d(3), (5, 3)),
        lambda: (nn.InstanceNorm1d(3, affine=True), (2, 3, 4)),
        lambda: (nn.RMSNorm(3), (5, 3)),
        lambda: (nn.LocalResponseNorm(2), (2, 3, 4)),
        lambda: (nn.LPPool2d(2, 2), (1, 2, 4, 4)),
        lambda: (nn.Bilinear(3, 3, 2), (2, 3)),
        lambda: (nn.Fold((4, 4), 2), (1, 4, 9)),
        lambda: (nn.Unfold(2), (1, 2, 3, 3)),
        lambda: (nn.PixelShuffle(2), (1, 4, 2, 2)),
        lambda: (nn.CosineSimilarity(), (3, 4)),
        lambda: (nn.PairwiseDistance(), (3, 4)),
    ],
)
def test_gradients(make):
    layer, shape = make()
    layer = layer.double()
    pycore.manual_seed(1)
    x = pycore.rand(*shape, dtype=pycore.float64) + 0.1
    x.requires_grad_()
    inputs = (x,)
    if isinstance(layer, (nn.Bilinear, nn.CosineSimilarity, nn.PairwiseDistance)):
        inputs = (x, (pycore.rand(*shape, dtype=pycore.float64) + 1).requires_grad_())
    assert pycore.autograd.gradcheck(layer, inputs)


def test_lenet_learns():
    pycore.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 2)
    )
    x = pycore.randn(32, 1, 8, 8)
    target = (x.mean((1, 2, 3)) > 0).long()
    optimizer = pycore.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(net(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_functional_namespace_is_complete():
    import pycore.functional

    for name in F.__all__:
        assert getattr(pycore.functional, name) is getattr(F, name)
    assert pycore.functional.einsum is pycore.einsum
