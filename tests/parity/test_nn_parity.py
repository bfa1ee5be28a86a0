"""Modules side by side with torch: prints, state, first weights, outputs, gradients, errors."""

from __future__ import annotations

import copy
import warnings

import pytest

import pycore

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")


def norm(text: str) -> str:
    return text.replace("pycore", "torch")


# (constructor, inputs); inputs are functions of the package so that both sides draw the same.
def rand(*shape):
    return lambda t: t.randn(*shape)


def ints(high, *shape):
    return lambda t: t.randint(0, high, shape)


def signs(*shape):
    return lambda t: (t.rand(*shape) > 0.5).float() * 2 - 1


def unit(*shape):
    return lambda t: t.rand(*shape)


LAYERS = [
    (lambda nn: nn.Identity(3, a=4), [rand(2, 3)]),
    (lambda nn: nn.Linear(4, 5), [rand(2, 4)]),
    (lambda nn: nn.Linear(4, 5, bias=False), [rand(2, 3, 4)]),
    (lambda nn: nn.Bilinear(3, 4, 5), [rand(2, 3), rand(2, 4)]),
    (lambda nn: nn.Flatten(), [rand(2, 3, 4)]),
    (lambda nn: nn.Unflatten(1, (3, 4)), [rand(2, 12)]),
    (lambda nn: nn.Conv1d(4, 6, 3), [rand(2, 4, 9)]),
    (lambda nn: nn.Conv1d(4, 6, 3, 2, 1, 1, 2, False), [rand(2, 4, 9)]),
    (lambda nn: nn.Conv1d(4, 6, 3, padding="same", dilation=2), [rand(2, 4, 9)]),
    (lambda nn: nn.Conv2d(1, 6, 5), [rand(2, 1, 12, 12)]),
    (lambda nn: nn.Conv2d(2, 4, (3, 2), (2, 1), (1, 0), (1, 2), 2), [rand(2, 2, 9, 8)]),
    (lambda nn: nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular"), [rand(1, 2, 6, 6)]),
    (lambda nn: nn.Conv2d(2, 4, 3, padding=2, padding_mode="reflect"), [rand(1, 2, 6, 6)]),
    (lambda nn: nn.Conv2d(2, 4, 3, padding=1, padding_mode="replicate"), [rand(1, 2, 6, 6)]),
    (lambda nn: nn.Conv2d(2, 4, 3, padding="same"), [rand(2, 6, 6)]),
    (lambda nn: nn.Conv3d(2, 4, (2, 3, 1), (1, 2, 1), (0, 1, 0)), [rand(1, 2, 4, 5, 3)]),
    (lambda nn: nn.Conv3d(2, 4, 3, padding=1, padding_mode="circular"), [rand(1, 2, 4, 4, 4)]),
    (lambda nn: nn.ConvTranspose1d(2, 4, 3, 2, 1, 1, 2), [rand(2, 2, 5)]),
    (
        lambda nn: nn.ConvTranspose2d(4, 6, (3, 2), 2, (1, 0), (1, 0), bias=False),
        [rand(2, 4, 5, 6)],
    ),
    (lambda nn: nn.ConvTranspose2d(4, 6, 3, dilation=2), [rand(4, 5, 6)]),
    (lambda nn: nn.ConvTranspose3d(2, 3, 2, 2), [rand(1, 2, 3, 2, 3)]),
    (lambda nn: nn.MaxPool3d(2, return_indices=True), [rand(2, 3, 4, 5, 4)]),
    (lambda nn: nn.AvgPool3d(2, 1, 1), [rand(2, 3, 4, 5, 4)]),
    (lambda nn: nn.LPPool3d(2, 2), [unit(2, 3, 4, 4, 4)]),
    (lambda nn: nn.AdaptiveAvgPool3d((2, None, 1)), [rand(2, 3, 4, 5, 4)]),
    (lambda nn: nn.AdaptiveMaxPool3d(2), [rand(2, 3, 4, 5, 4)]),
    (lambda nn: nn.BatchNorm3d(3), [rand(2, 3, 4, 5, 4)]),
    (lambda nn: nn.InstanceNorm3d(3, affine=True), [rand(2, 3, 4, 5, 4)]),
    (lambda nn: nn.MaxUnpool3d(2), None),
    (lambda nn: nn.MaxPool1d(2), [rand(2, 3, 8)]),
    (lambda nn: nn.MaxPool2d(3, 2, 1, ceil_mode=True), [rand(2, 3, 8, 8)]),
    (lambda nn: nn.MaxPool2d((2, 3), return_indices=True), [rand(2, 3, 8, 9)]),
    (lambda nn: nn.AvgPool1d(2, padding=1), [rand(2, 3, 8)]),
    (lambda nn: nn.AvgPool2d(2), [rand(2, 3, 8, 8)]),
    (lambda nn: nn.AvgPool2d(3, 2, 1, True, False), [rand(2, 3, 8, 8)]),
    (lambda nn: nn.LPPool1d(2, 3), [unit(2, 3, 9)]),
    (lambda nn: nn.LPPool2d(2, 3, stride=2), [unit(2, 3, 9, 9)]),
    (lambda nn: nn.AdaptiveAvgPool1d(3), [rand(2, 3, 8)]),
    (lambda nn: nn.AdaptiveAvgPool2d((3, None)), [rand(2, 3, 8, 7)]),
    (lambda nn: nn.AdaptiveMaxPool1d(3), [rand(2, 3, 8)]),
    (lambda nn: nn.AdaptiveMaxPool2d((3, 2)), [rand(2, 3, 8, 7)]),
    (lambda nn: nn.BatchNorm1d(4), [rand(6, 4)]),
    (lambda nn: nn.BatchNorm1d(4, momentum=None), [rand(6, 4, 3)]),
    (lambda nn: nn.BatchNorm1d(4, affine=False), [rand(6, 4)]),
    (lambda nn: nn.BatchNorm2d(4, track_running_stats=False), [rand(3, 4, 5, 5)]),
    (lambda nn: nn.BatchNorm2d(4, bias=False), [rand(3, 4, 5, 5)]),
    (lambda nn: nn.InstanceNorm1d(4), [rand(3, 4, 5)]),
    (lambda nn: nn.InstanceNorm2d(4, affine=True, track_running_stats=True), [rand(3, 4, 5, 5)]),
    (lambda nn: nn.LayerNorm(4), [rand(3, 4)]),
    (lambda nn: nn.LayerNorm((3, 4), bias=False), [rand(2, 3, 4)]),
    (lambda nn: nn.LayerNorm(4, elementwise_affine=False), [rand(3, 4)]),
    (lambda nn: nn.GroupNorm(2, 4), [rand(3, 4, 5)]),
    (lambda nn: nn.GroupNorm(2, 4, affine=False), [rand(3, 4, 5)]),
    (lambda nn: nn.RMSNorm(4), [rand(3, 4)]),
    (lambda nn: nn.RMSNorm((3, 4), eps=1e-3), [rand(2, 3, 4)]),
    (lambda nn: nn.LocalResponseNorm(3), [rand(2, 5, 4)]),
    (lambda nn: nn.LocalResponseNorm(2), [rand(2, 5, 4, 4)]),
    (lambda nn: nn.Dropout(0.3), [rand(40, 5)]),
    (lambda nn: nn.Dropout1d(0.3), [rand(4, 5, 3)]),
    (lambda nn: nn.Dropout2d(0.3), [rand(4, 5, 3, 3)]),
    (lambda nn: nn.Dropout3d(0.3), [rand(4, 5, 2, 3, 3)]),
    (lambda nn: nn.AlphaDropout(0.3), [rand(40, 5)]),
    (lambda nn: nn.FeatureAlphaDropout(0.3), [rand(4, 5, 3)]),
    (lambda nn: nn.ReLU(), [rand(3, 4)]),
    (lambda nn: nn.ReLU(inplace=True), None),
    (lambda nn: nn.ReLU6(), [rand(3, 4)]),
    (lambda nn: nn.ReLU6(True), None),
    (lambda nn: nn.ELU(0.5), [rand(3, 4)]),
    (lambda nn: nn.ELU(0.5, True), None),
    (lambda nn: nn.CELU(0.5), [rand(3, 4)]),
    (lambda nn: nn.SELU(), [rand(3, 4)]),
    (lambda nn: nn.SELU(True), None),
    (lambda nn: nn.SiLU(), [rand(3, 4)]),
    (lambda nn: nn.Mish(), [rand(3, 4)]),
    (lambda nn: nn.GELU(), [rand(3, 4)]),
    (lambda nn: nn.GELU("tanh"), [rand(3, 4)]),
    (lambda nn: nn.LeakyReLU(0.1), [rand(3, 4)]),
    (lambda nn: nn.LeakyReLU(0.1, True), None),
    (lambda nn: nn.PReLU(4), [rand(3, 4)]),
    (lambda nn: nn.RReLU(), [rand(3, 4)]),
    (lambda nn: nn.RReLU(inplace=True), None),
    (lambda nn: nn.Sigmoid(), [rand(3, 4)]),
    (lambda nn: nn.Tanh(), [rand(3, 4)]),
    (lambda nn: nn.LogSigmoid(), [rand(3, 4)]),
    (lambda nn: nn.Softsign(), [rand(3, 4)]),
    (lambda nn: nn.Tanhshrink(), [rand(3, 4)]),
    (lambda nn: nn.Hardsigmoid(), [rand(3, 4)]),
    (lambda nn: nn.Hardsigmoid(True), None),
    (lambda nn: nn.Hardswish(), [rand(3, 4)]),
    (lambda nn: nn.Hardtanh(-0.5, 0.7), [rand(3, 4)]),
    (lambda nn: nn.Hardtanh(inplace=True), None),
    (lambda nn: nn.Hardshrink(), [rand(3, 4)]),
    (lambda nn: nn.Softshrink(), [rand(3, 4)]),
    (lambda nn: nn.Softplus(2, 1), [rand(3, 4)]),
    (lambda nn: nn.Threshold(0.1, 20), [rand(3, 4)]),
    (lambda nn: nn.Threshold(0.1, 20, True), None),
    (lambda nn: nn.GLU(), [rand(3, 4)]),
    (lambda nn: nn.Softmax(dim=1), [rand(3, 4)]),
    (lambda nn: nn.Softmax(), None),
    (lambda nn: nn.LogSoftmax(dim=0), [rand(3, 4)]),
    (lambda nn: nn.Softmin(dim=1), [rand(3, 4)]),
    (lambda nn: nn.Softmax2d(), [rand(2, 3, 4, 4)]),
    (lambda nn: nn.Embedding(10, 3), [ints(10, 2, 4)]),
    (lambda nn: nn.Embedding(10, 3, padding_idx=-2, scale_grad_by_freq=True), [ints(10, 2, 4)]),
    (lambda nn: nn.Embedding(10, 3, max_norm=1.0, norm_type=1.0), [ints(10, 2, 4)]),
    (lambda nn: nn.Upsample(scale_factor=2), [rand(2, 3, 4)]),
    (lambda nn: nn.Upsample((5, 7), mode="bilinear", align_corners=True), [rand(2, 3, 4, 4)]),
    (
        lambda nn: nn.Upsample(
            scale_factor=(1.7, 2.3), mode="bicubic", recompute_scale_factor=True
        ),
        [rand(2, 3, 4, 4)],
    ),
    (lambda nn: nn.UpsamplingNearest2d(scale_factor=2), [rand(2, 3, 4, 4)]),
    (lambda nn: nn.UpsamplingBilinear2d((3, 9)), [rand(2, 3, 4, 4)]),
    (lambda nn: nn.EmbeddingBag(10, 3), [ints(10, 2, 4)]),
    (lambda nn: nn.EmbeddingBag(10, 3, mode="max", padding_idx=2), [ints(10, 2, 4)]),
    (lambda nn: nn.EmbeddingBag(10, 3, 1.0, 1.0, mode="sum"), [ints(10, 2, 4)]),
    (lambda nn: nn.PixelShuffle(2), [rand(2, 8, 3, 3)]),
    (lambda nn: nn.PixelUnshuffle(2), [rand(2, 3, 4, 4)]),
    (lambda nn: nn.ChannelShuffle(2), [rand(2, 6, 4, 4)]),
    (lambda nn: nn.Unfold((2, 3), 2, 1, 2), [rand(2, 3, 9, 8)]),
    (lambda nn: nn.Fold((6, 7), (2, 3), 1, 1, 2), [rand(2, 12, 16)]),
    (lambda nn: nn.ConstantPad1d((1, 2), 3.5), [rand(2, 3, 4)]),
    (lambda nn: nn.ConstantPad2d(1, 3.5), [rand(2, 3, 4, 4)]),
    (lambda nn: nn.ZeroPad1d(2), [rand(2, 3, 4)]),
    (lambda nn: nn.ZeroPad2d((1, 0, -1, 2)), [rand(2, 3, 4, 4)]),
    (lambda nn: nn.ReflectionPad1d(2), [rand(2, 3, 4)]),
    (lambda nn: nn.ReflectionPad2d((1, 2, 3, 0)), [rand(2, 3, 4, 4)]),
    (lambda nn: nn.ReplicationPad1d(2), [rand(2, 3, 4)]),
    (lambda nn: nn.ReplicationPad2d(1), [rand(2, 3, 4, 4)]),
    (lambda nn: nn.CircularPad1d((1, 2)), [rand(2, 3, 4)]),
    (lambda nn: nn.CircularPad2d(1), [rand(2, 3, 4, 4)]),
    (lambda nn: nn.PairwiseDistance(3.0, keepdim=True), [rand(2, 3), rand(2, 3)]),
    (lambda nn: nn.CosineSimilarity(), [rand(2, 3), rand(2, 3)]),
    (lambda nn: nn.L1Loss(), [rand(3, 4), rand(3, 4)]),
    (lambda nn: nn.MSELoss(reduction="sum"), [rand(3, 4), rand(3, 4)]),
    (lambda nn: nn.SmoothL1Loss(beta=0.5), [rand(3, 4), rand(3, 4)]),
    (lambda nn: nn.HuberLoss(delta=0.5, reduction="none"), [rand(3, 4), rand(3, 4)]),
    (lambda nn: nn.NLLLoss(), [rand(3, 4), ints(4, 3)]),
    (lambda nn: nn.CrossEntropyLoss(), [rand(3, 4), ints(4, 3)]),
    (lambda nn: nn.CrossEntropyLoss(ignore_index=1, reduction="sum"), [rand(3, 4), ints(4, 3)]),
    (lambda nn: nn.CrossEntropyLoss(label_smoothing=0.1), [rand(3, 4, 2), ints(4, 3, 2)]),
    (lambda nn: nn.CrossEntropyLoss(), [rand(3, 4), unit(3, 4)]),
    (lambda nn: nn.BCELoss(), [unit(3, 4), unit(3, 4)]),
    (lambda nn: nn.BCEWithLogitsLoss(), [rand(3, 4), unit(3, 4)]),
    (lambda nn: nn.KLDivLoss(reduction="batchmean"), [rand(3, 4), unit(3, 4)]),
    (lambda nn: nn.KLDivLoss(reduction="sum", log_target=True), [rand(3, 4), rand(3, 4)]),
    (lambda nn: nn.PoissonNLLLoss(), [rand(3, 4), unit(3, 4)]),
    (lambda nn: nn.PoissonNLLLoss(False, True), [unit(3, 4), lambda t: t.rand(3, 4) * 5]),
    (lambda nn: nn.GaussianNLLLoss(full=True), [rand(3, 4), rand(3, 4), unit(3, 4)]),
    (lambda nn: nn.GaussianNLLLoss(), [rand(3, 4), rand(3, 4), unit(3, 1)]),
    (lambda nn: nn.HingeEmbeddingLoss(), [rand(3, 4), signs(3, 4)]),
    (lambda nn: nn.SoftMarginLoss(), [rand(3, 4), signs(3, 4)]),
    (
        lambda nn: nn.MultiLabelMarginLoss(),
        [rand(2, 4), lambda t: t.tensor([[3, 0, -1, 1], [1, -1, 2, 2]])],
    ),
    (lambda nn: nn.MultiLabelSoftMarginLoss(), [rand(2, 4), ints(2, 2, 4)]),
    (lambda nn: nn.MultiMarginLoss(), [rand(3, 4), ints(4, 3)]),
    (lambda nn: nn.MultiMarginLoss(2, 0.5, reduction="none"), [rand(3, 4), ints(4, 3)]),
    (lambda nn: nn.MarginRankingLoss(0.2), [rand(5), rand(5), signs(5)]),
    (lambda nn: nn.CosineEmbeddingLoss(0.1), [rand(5, 3), rand(5, 3), signs(5)]),
    (lambda nn: nn.TripletMarginLoss(swap=True), [rand(5, 3), rand(5, 3), rand(5, 3)]),
    (lambda nn: nn.TripletMarginWithDistanceLoss(), [rand(5, 3), rand(5, 3), rand(5, 3)]),
]


def build(package, make, seed=3):
    package.manual_seed(seed)
    return make(package.nn)


def draw(package, inputs, seed=5):
    package.manual_seed(seed)
    return [make(package) for make in inputs]


def name_of(case):
    return repr(case[0](torch.nn)).split("\n")[0][:60]


@pytest.mark.parametrize("case", LAYERS, ids=name_of)
def test_layer(case):
    make, inputs = case
    ours, theirs = build(pycore, make), build(torch, make)
    assert repr(ours) == repr(theirs)
    assert ours.training and theirs.training
    state, reference = ours.state_dict(), theirs.state_dict()
    assert list(state) == list(reference)
    for key in reference:
        assert np.array_equal(state[key].numpy(), reference[key].numpy()), key
    if inputs is None:
        return
    for mode in (True, False):
        ours.train(mode), theirs.train(mode)
        xs, ys = draw(pycore, inputs), draw(torch, inputs)
        is_loss = type(ours).__name__.endswith("Loss")  # torch's have constant targets in part
        for number, (x, y) in enumerate(zip(xs, ys, strict=True)):
            np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-6, atol=1e-7)
            if x.dtype.is_floating_point and not (is_loss and number):
                x.requires_grad_(), y.requires_grad_()
        pycore.manual_seed(9)
        out = ours(*xs)
        torch.manual_seed(9)
        ref = theirs(*ys)
        if isinstance(ref, tuple):
            assert len(out) == len(ref)
            assert np.array_equal(out[1].numpy(), ref[1].numpy())
            out, ref = out[0], ref[0]
        assert tuple(out.shape) == tuple(ref.shape)
        np.testing.assert_allclose(out.detach().numpy(), ref.detach().numpy(), rtol=2e-5, atol=2e-6)
        if not ref.requires_grad:
            assert not out.requires_grad
            continue
        ours.zero_grad(), theirs.zero_grad()
        (out * out).sum().backward(), (ref * ref).sum().backward()
        for x, y in zip(xs, ys, strict=True):
            if y.grad is not None:
                np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-4, atol=1e-5)
        for (key, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            np.testing.assert_allclose(
                p.grad.numpy(), q.grad.numpy(), rtol=1e-4, atol=1e-4, err_msg=key
            )
    for key, buffer in theirs.named_buffers():
        if buffer is not None:
            np.testing.assert_allclose(
                ours.get_buffer(key).numpy(), buffer.numpy(), rtol=1e-5, atol=1e-6
            )


CONTAINERS = [
    lambda t: t.nn.Sequential(),
    lambda t: t.nn.Sequential(t.nn.Linear(2, 3), t.nn.Sequential(t.nn.ReLU(), t.nn.Tanh())),
    lambda t: t.nn.ModuleList(),
    lambda t: t.nn.ModuleList([t.nn.Linear(2, 2) for _ in range(3)] + [t.nn.ReLU()]),
    lambda t: t.nn.ModuleList([t.nn.Sequential(t.nn.ReLU(), t.nn.Tanh()) for _ in range(2)]),
    lambda t: t.nn.ModuleDict({"a": t.nn.ReLU(), "b": t.nn.ModuleList([t.nn.Tanh()] * 2)}),
    lambda t: t.nn.ModuleDict(),
    lambda t: t.nn.Sequential(t.nn.ReLU(), t.nn.Tanh(), t.nn.ReLU())[1:],
    lambda t: t.nn.Sequential(t.nn.ReLU()) + t.nn.Sequential(t.nn.Tanh()) * 2,
    lambda t: t.nn.ParameterList([t.zeros(2, 3), t.nn.Parameter(t.zeros(1))]),
    lambda t: t.nn.ParameterList([t.zeros(2, 3), 5, "x"])[0:2],
    lambda t: t.nn.ParameterDict({"a": t.zeros(2, 3), "b": t.nn.Parameter(t.zeros(()))}),
    lambda t: t.nn.ParameterList(),
    lambda t: t.nn.Parameter(t.zeros(2)),
    lambda t: t.nn.Buffer(t.zeros(2)),
]


@pytest.mark.parametrize("make", CONTAINERS)
def test_container_repr(make):
    assert norm(repr(make(pycore))) == repr(make(torch))


def nested(t):
    class Inner(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.l = t.nn.Linear(2, 2)
            self.s = t.nn.Sequential(t.nn.ReLU(), t.nn.BatchNorm1d(2))
            self.register_buffer("b", t.zeros(1))
            self.register_buffer("hidden", t.zeros(1), persistent=False)
            self.p = t.nn.Parameter(t.ones(2))
            self.q = self.p
            self.none = None
            self.register_parameter("empty", None)
            self.add_module("nothing", None)

    return Inner()


ERRORS = [
    lambda m, t: m.get_submodule("x"),
    lambda m, t: m.get_submodule("l.weight"),
    lambda m, t: m.get_submodule("l.x.y"),
    lambda m, t: m.get_parameter("l.w"),
    lambda m, t: m.get_parameter("l.training"),
    lambda m, t: m.get_parameter("b"),
    lambda m, t: m.get_buffer("l.w"),
    lambda m, t: m.get_buffer("l.weight"),
    lambda m, t: m.set_submodule("", t.nn.ReLU()),
    lambda m, t: m.set_submodule("x", t.nn.ReLU(), strict=True),
    lambda m, t: m.set_submodule("a.b", t.nn.ReLU()),
    lambda m, t: m.set_submodule("l", 3),
    lambda m, t: m.set_submodule("l.weight.x", t.nn.ReLU()),
    lambda m, t: m.set_submodule("l.weight", t.nn.ReLU()),
    lambda m, t: m.register_parameter("a.b", None),
    lambda m, t: m.register_parameter("", None),
    lambda m, t: m.register_parameter(3, None),
    lambda m, t: m.register_parameter("l", None),
    lambda m, t: m.register_parameter("w", 3),
    lambda m, t: m.register_parameter("w", t.zeros(2)),
    lambda m, t: m.register_buffer("a.b", None),
    lambda m, t: m.register_buffer("", None),
    lambda m, t: m.register_buffer(3, None),
    lambda m, t: m.register_buffer("l", None),
    lambda m, t: m.register_buffer("w", 3),
    lambda m, t: m.add_module("a.b", None),
    lambda m, t: m.add_module("", None),
    lambda m, t: m.add_module(3, None),
    lambda m, t: m.add_module("b", None),
    lambda m, t: m.add_module("w", 3),
    lambda m, t: setattr(m, "l", 3),
    lambda m, t: setattr(m, "b", 3),
    lambda m, t: setattr(m.l, "weight", 3),
    lambda m, t: setattr(m.l, "weight", t.zeros(2)),
    lambda m, t: m(3),
    lambda m, t: t.nn.Module(3),
    lambda m, t: t.nn.Module(a=3),
    lambda m, t: t.nn.ReLU(3, 4),
    lambda m, t: t.nn.Tanh(3),
    lambda m, t: m.foo,
    lambda m, t: delattr(m, "foo"),
    lambda m, t: m.to(t.int32),
    lambda m, t: m.train(3),
    lambda m, t: m.load_state_dict({}),
    lambda m, t: m.load_state_dict(3),
    lambda m, t: m.load_state_dict({**m.state_dict(), "c.d": t.zeros(1), "z": 1, "l.n": 1}),
    lambda m, t: m.load_state_dict({**m.state_dict(), "l.weight": t.zeros(3, 2), "l.bias": 3}),
    lambda m, t: m.load_state_dict({"l.weight": t.zeros(1), "u": 1}, strict=True),
    lambda m, t: t.nn.Conv2d(3, 4, 3, groups=2),
    lambda m, t: t.nn.Conv2d(4, 3, 3, groups=2),
    lambda m, t: t.nn.Conv2d(4, 3, 3, groups=0),
    lambda m, t: t.nn.Conv2d(4, 4, 3, 2, padding="same"),
    lambda m, t: t.nn.ConvTranspose2d(4, 4, 2, padding_mode="reflect"),
    lambda m, t: t.nn.ConvTranspose2d(1, 1, 3, 2)(t.zeros(1, 1, 4, 4), output_size=(99, 9)),
    lambda m, t: t.nn.ConvTranspose2d(1, 1, 3, 2)(t.zeros(1, 1, 4, 4), output_size=(9,)),
    lambda m, t: t.nn.Dropout(1.5),
    lambda m, t: t.nn.GroupNorm(3, 4),
    lambda m, t: t.nn.BatchNorm1d(4)(t.zeros(4)),
    lambda m, t: t.nn.BatchNorm2d(4)(t.zeros(4, 4)),
    lambda m, t: t.nn.InstanceNorm1d(4)(t.zeros(4)),
    lambda m, t: t.nn.Embedding(4, 3, padding_idx=5),
    lambda m, t: t.nn.Hardtanh(1, 0),
    lambda m, t: t.nn.TripletMarginLoss(margin=-1),
    lambda m, t: t.nn.MultiMarginLoss(p=3),
    lambda m, t: t.nn.Softmax2d()(t.zeros(2)),
    lambda m, t: t.nn.ModuleList([t.nn.ReLU()])[3],
    lambda m, t: t.nn.ModuleList(3),
    lambda m, t: t.nn.ModuleList([3]),
    lambda m, t: t.nn.Sequential(t.nn.ReLU())[-2],
    lambda m, t: t.nn.Sequential(3),
    lambda m, t: t.nn.Sequential(t.nn.ReLU()).insert(5, t.nn.ReLU()),
    lambda m, t: t.nn.Sequential(t.nn.ReLU()).insert(0, 5),
    lambda m, t: t.nn.Sequential(t.nn.ReLU()) + 3,
    lambda m, t: t.nn.Sequential(t.nn.ReLU()) * 0,
    lambda m, t: t.nn.ModuleDict(3),
    lambda m, t: t.nn.ModuleDict([3]),
    lambda m, t: t.nn.ModuleDict([(1, 2, 3)]),
    lambda m, t: t.nn.ParameterList(3),
    lambda m, t: t.nn.ParameterDict({3: 4}),
    lambda m, t: t.nn.Unflatten(1, 3),
    lambda m, t: t.nn.Unflatten(1, ("a",)),
    lambda m, t: t.nn.init.xavier_uniform_(t.zeros(3)),
    lambda m, t: t.nn.init.kaiming_uniform_(t.zeros(3, 3), mode="x"),
    lambda m, t: t.nn.init.calculate_gain("x"),
    lambda m, t: t.nn.init.calculate_gain("leaky_relu", "a"),
    lambda m, t: t.nn.init.eye_(t.zeros(3)),
    lambda m, t: t.nn.init.dirac_(t.zeros(3)),
    lambda m, t: t.nn.init.dirac_(t.zeros(3, 3, 3), 2),
    lambda m, t: t.nn.init.orthogonal_(t.zeros(3)),
    lambda m, t: t.nn.init.sparse_(t.zeros(3), 0.1),
    lambda m, t: t.nn.functional.one_hot(t.zeros(3)),
    lambda m, t: t.nn.functional.one_hot(t.tensor([-1])),
    lambda m, t: t.nn.functional.one_hot(t.tensor([3]), 2),
    lambda m, t: t.nn.functional.pixel_shuffle(t.zeros(1, 3, 2, 2), 2),
    lambda m, t: t.nn.functional.gaussian_nll_loss(t.zeros(2), t.zeros(2), -1.0),
    lambda m, t: t.nn.functional.hinge_embedding_loss(t.zeros(2), t.zeros(2), reduction="x"),
    lambda m, t: t.nn.Parameter(t.zeros(2, dtype=t.int32)),
]


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_error_texts(number):
    """The same exception type, and the same words up to the package's name; more may follow."""
    attempt = ERRORS[number]
    with pytest.raises(Exception) as theirs:
        attempt(nested(torch), torch)
    with pytest.raises(type(theirs.value)) as ours:
        attempt(nested(pycore), pycore)
    assert type(ours.value) is type(theirs.value)
    assert norm(str(ours.value)).startswith(str(theirs.value))


def test_names_and_order():
    ours, theirs = nested(pycore), nested(torch)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert dict(ours.state_dict()._metadata) == dict(theirs.state_dict()._metadata)
    for method in ("named_parameters", "named_buffers", "named_modules", "named_children"):
        assert [n for n, _ in getattr(ours, method)()] == [n for n, _ in getattr(theirs, method)()]
    for options in ({"prefix": "x"}, {"recurse": False}, {"remove_duplicate": False}):
        assert [n for n, _ in ours.named_parameters(**options)] == [
            n for n, _ in theirs.named_parameters(**options)
        ]
    assert repr(ours) == repr(theirs)
    missing = set(theirs.__dir__()) - set(ours.__dir__())
    public = {n for n in missing if not n.startswith("_")}
    assert public <= {"T_destination", "compile", "ipu", "mtia", "xpu"}


INITS = [
    lambda init, w: init.uniform_(w, -1, 2),
    lambda init, w: init.normal_(w, 1, 2),
    lambda init, w: init.trunc_normal_(w, 0.1, 2, -1, 3),
    lambda init, w: init.trunc_normal_(w, 0, 1, 1, 2),
    lambda init, w: init.trunc_normal_(w, 0.1, 0.5, -0.1, 0.1),
    lambda init, w: init.constant_(w, 0.3),
    lambda init, w: init.eye_(w),
    lambda init, w: init.xavier_uniform_(w, 2),
    lambda init, w: init.xavier_normal_(w),
    lambda init, w: init.kaiming_uniform_(w, 0.1, "fan_out"),
    lambda init, w: init.kaiming_normal_(w, nonlinearity="relu"),
    lambda init, w: init.orthogonal_(w, 2),
    lambda init, w: init.sparse_(w, 0.3),
]


@pytest.mark.parametrize("number", range(len(INITS)))
@pytest.mark.parametrize("shape", [(3, 4), (6, 5), (5, 6)])
def test_init(number, shape):
    values = []
    for package in (pycore, torch):
        package.manual_seed(7)
        weight = package.empty(*shape)
        assert INITS[number](package.nn.init, weight) is weight
        values.append(weight.numpy())
    np.testing.assert_allclose(values[0], values[1], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("groups", [1, 2])
def test_init_dirac(groups):
    a = pycore.nn.init.dirac_(pycore.empty(4, 2, 3, 3), groups)
    b = torch.nn.init.dirac_(torch.empty(4, 2, 3, 3), groups)
    assert np.array_equal(a.numpy(), b.numpy())


FUNCTIONS = [
    (lambda F, x: F.normalize(x, dim=0), [rand(3, 4)]),
    (lambda F, x: F.gumbel_softmax(x, 0.7), [rand(3, 4)]),
    (lambda F, x: F.gumbel_softmax(x, hard=True), [rand(3, 4)]),
    (lambda F, x: F.pdist(x), [rand(4, 3)]),
    (lambda F, x: F.rrelu(x, training=False), [rand(4, 3)]),
    (lambda F, x: F.softmax(x, 1, dtype=None), [rand(4, 3)]),
    (lambda F, x: F.softmin(x, 0), [rand(4, 3)]),
    (lambda F, x: F.relu_(x.clone()), [rand(4, 3)]),
    (lambda F, x: F.dropout1d(x, 0.4), [rand(4, 3)]),
    (lambda F, x: F.alpha_dropout(x, 0.4, True), [rand(4, 3)]),
    (lambda F, x: F.feature_alpha_dropout(x, 0.4, True), [rand(4, 3, 2)]),
    (lambda F, x: F.cosine_similarity(x, x * 2 + 1, -1), [rand(4, 3)]),
    (lambda F, x: F.pairwise_distance(x, x * 2 + 1, 1.0), [rand(4, 3)]),
    (lambda F, x: F.max_unpool1d(*F.max_pool1d(x, 2, return_indices=True), 2), [rand(2, 3, 8)]),
    (
        lambda F, x: F.max_unpool2d(
            *F.max_pool2d(x, 2, 2, return_indices=True), 2, 2, output_size=(9, 8)
        ),
        [rand(2, 3, 9, 8)],
    ),
    (lambda F, x: F.pixel_shuffle(x, 2), [rand(8, 2, 3)]),
    (lambda F, x: F.unfold(x, 2), [rand(3, 4, 5)]),
    (lambda F, x: F.fold(F.unfold(x, 3, 1, 1, 2), (7, 6), 3, 1, 1, 2), [rand(2, 3, 7, 6)]),
    (lambda F, x: F.rms_norm(x, (3,)), [rand(4, 3)]),
    (lambda F, x: F.instance_norm(x), [rand(4, 3, 5)]),
    (lambda F, x: F.multi_margin_loss(x[0], x[0].argmax() * 0), [rand(2, 4)]),
    (lambda F, x: F.triplet_margin_loss(x, x + 1, x * 0.5, p=1), [rand(4, 3)]),
]


@pytest.mark.parametrize("number", range(len(FUNCTIONS)))
def test_function(number):
    call, inputs = FUNCTIONS[number]
    (x,), (y,) = draw(pycore, inputs), draw(torch, inputs)
    x.requires_grad_(), y.requires_grad_()
    pycore.manual_seed(2)
    out = call(pycore.nn.functional, x)
    torch.manual_seed(2)
    ref = call(torch.nn.functional, y)
    np.testing.assert_allclose(out.detach().numpy(), ref.detach().numpy(), rtol=1e-5, atol=1e-6)
    (out * out).sum().backward(), (ref * ref).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "options", [{}, {"batch_first": True, "padding_value": 2.0}, {"padding_side": "left"}]
)
def test_pad_sequence(options):
    for lengths in ((3, 1, 2), (2, 2)):
        a, b = (
            t.nn.utils.rnn.pad_sequence([t.ones(n, 2) for n in lengths], **options)
            for t in (pycore, torch)
        )
        assert a.tolist() == b.tolist()
        back = pycore.nn.utils.rnn.unpad_sequence(
            pycore.nn.utils.rnn.pad_sequence([pycore.ones(n, 2) for n in lengths], True),
            pycore.tensor(lengths),
            True,
        )
        assert [len(row) for row in back] == list(lengths)


def test_conv_transpose_output_size():
    for size in ((9, 10), (2, 3, 10, 9)):
        outs = []
        for t in (pycore, torch):
            layer = build(t, lambda nn: nn.ConvTranspose2d(1, 3, 3, 2))
            outs.append(layer(draw(t, [rand(2, 1, 4, 4)])[0], output_size=size).detach().numpy())
        assert outs[0].shape == outs[1].shape
        np.testing.assert_allclose(*outs, rtol=1e-5, atol=1e-6)


def test_one_hot():
    for values, classes in (([0, 2, 1], -1), ([[0, 1], [2, 0]], 5)):
        a = pycore.nn.functional.one_hot(pycore.tensor(values), classes)
        b = torch.nn.functional.one_hot(torch.tensor(values), classes)
        assert a.tolist() == b.tolist() and str(a.dtype).endswith("int64")


def test_softmax_without_dim_warns_alike():
    texts = []
    for package in (pycore, torch):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            package.nn.Softmax()(package.zeros(2, 3))
        texts.append(str(seen[0].message))
    assert texts[0] == texts[1]


def test_legacy_reduction_flags():
    for flags in ({"size_average": False}, {"reduce": False}, {"size_average": True}):
        with pytest.warns(UserWarning) as ours:
            a = pycore.nn.MSELoss(**flags)
        with pytest.warns(UserWarning) as theirs:
            b = torch.nn.MSELoss(**flags)
        assert a.reduction == b.reduction
        assert str(ours[0].message) == str(theirs[0].message)


def trace_hooks(t):
    """The order and the arguments' kinds of all hooks around two calls and a backward."""
    log = []
    m = t.nn.Sequential(t.nn.Linear(2, 3), t.nn.ReLU())
    for name, child in [("m", m), ("0", m[0]), ("1", m[1])]:
        child.register_forward_pre_hook(lambda mod, a, n=name: log.append(("pre", n, len(a))))
        child.register_forward_pre_hook(
            lambda mod, a, kw, n=name: log.append(("pre_kw", n, len(kw))),
            with_kwargs=True,
            prepend=True,
        )
        child.register_forward_hook(lambda mod, a, o, n=name: log.append(("post", n)))
        child.register_forward_hook(
            lambda mod, a, kw, o, n=name: log.append(("post_kw", n)), with_kwargs=True
        )
        child.register_full_backward_pre_hook(
            lambda mod, g, n=name: log.append(("bpre", n, len(g), tuple(g[0].shape)))
        )
        child.register_full_backward_hook(
            lambda mod, gi, go, n=name: log.append(
                ("back", n, [None if g is None else tuple(g.shape) for g in gi], len(go))
            )
        )
    x = t.ones(4, 2, requires_grad=True)
    m(x).sum().backward()
    m(t.ones(1, 2)).sum().backward()
    with t.no_grad():
        m(x)
    return log


def test_hook_order():
    with pytest.warns(UserWarning, match="no inputs require gradients"):
        ours = trace_hooks(pycore)
    with pytest.warns(UserWarning, match="no inputs require gradients"):
        theirs = trace_hooks(torch)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a == b


def test_pickle_and_deepcopy_layout():
    import pickle

    ours = nested(pycore)
    again = copy.deepcopy(ours)
    assert repr(again) == repr(nested(torch))
    assert again.p is again.q and again.p is not ours.p
    plain = pycore.nn.Sequential(pycore.nn.Linear(2, 2), pycore.nn.BatchNorm1d(2))
    assert repr(pickle.loads(pickle.dumps(plain))) == repr(plain)
