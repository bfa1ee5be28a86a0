"""Neural functions in the package itself, and bags of rows, beside torch."""

from __future__ import annotations

import pytest

import pycore

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")
pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")


def numbers(t, *shape, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape).round(3)
    return t.tensor(values.tolist(), dtype=t.float32).reshape(shape)


def signs(t, *shape):
    return numbers(t, *shape, seed=9).sign()


X, Y, Z = (4, 6), (4, 6), (4, 6)
CALLS = {
    "batch_norm": lambda t, x: t.batch_norm(x, x[0], x[1], None, None, True, 0.1, 1e-5, False),
    "batch_norm eval": lambda t, x: t.batch_norm(
        x, None, x[1], x[2].detach(), x[3].detach().abs() + 1, False, 0.1, 1e-5, False
    ),
    "instance_norm": lambda t, x: t.instance_norm(
        x.view(2, 3, 4), None, None, None, None, True, 0.1, 1e-5, False
    ),
    "layer_norm": lambda t, x: t.layer_norm(x, [6], x[0], x[1], 1e-4, False),
    "group_norm": lambda t, x: t.group_norm(x, 3, x[0], x[1]),
    "rms_norm": lambda t, x: t.rms_norm(x, [6], x[0]),
    "rms_norm eps": lambda t, x: t.rms_norm(x, [4, 6], eps=0.5),
    "conv1d": lambda t, x: t.conv1d(x.view(1, 2, 12), numbers(t, 3, 2, 3), None, 2, 1),
    "conv2d": lambda t, x: t.conv2d(x.view(1, 1, 4, 6), numbers(t, 3, 1, 3, 3), padding="same"),
    "conv3d": lambda t, x: t.conv3d(x.view(1, 1, 2, 3, 4), numbers(t, 3, 1, 2, 2, 2)),
    "conv_transpose1d": lambda t, x: t.conv_transpose1d(x.view(1, 2, 12), numbers(t, 2, 3, 3)),
    "conv_transpose2d": lambda t, x: t.conv_transpose2d(
        x.view(1, 2, 3, 4), numbers(t, 2, 3, 2, 2), None, 2
    ),
    "conv_transpose3d": lambda t, x: t.conv_transpose3d(
        x.view(1, 2, 3, 2, 2), numbers(t, 2, 1, 2, 2, 2)
    ),
    "conv_tbc": lambda t, x: t.conv_tbc(x.view(4, 2, 3), numbers(t, 2, 3, 5), numbers(t, 5), 1),
    "max_pool1d": lambda t, x: t.max_pool1d(x, 2, [], 1),
    "max_pool1d_with_indices": lambda t, x: t.max_pool1d_with_indices(x, 2),
    "max_pool2d": lambda t, x: t.max_pool2d(x.view(1, 4, 6), 2, ceil_mode=True),
    "max_pool3d": lambda t, x: t.max_pool3d(x.view(1, 2, 4, 3), 2),
    "avg_pool1d": lambda t, x: t.avg_pool1d(x, 2),
    "adaptive_avg_pool1d": lambda t, x: t.adaptive_avg_pool1d(x, 4),
    "adaptive_max_pool1d": lambda t, x: t.adaptive_max_pool1d(x, 4),
    "embedding": lambda t, x: t.embedding(x, t.tensor([[0, 3], [1, 1]])),
    "embedding padding": lambda t, x: t.embedding(x, t.tensor([0, 3]), 3),
    "embedding_bag": lambda t, x: t.embedding_bag(x, t.tensor([0, 3, 1]), t.tensor([0, 2]))[0],
    "bilinear": lambda t, x: t.bilinear(x[:, :2], x[:, 2:5], numbers(t, 5, 2, 3)),
    "channel_shuffle": lambda t, x: t.channel_shuffle(x.view(1, 6, 4), 3),
    "pixel_shuffle": lambda t, x: t.pixel_shuffle(x.view(1, 4, 2, 3), 2),
    "kl_div": lambda t, x: t.kl_div(x, x.abs() + 0.1),
    "kl_div sum": lambda t, x: t.kl_div(x, x.tanh(), 2, log_target=True),
    "bce": lambda t, x: t.binary_cross_entropy_with_logits(
        x, x.sigmoid(), None, x[0].detach().abs(), 0
    ),
    "hinge": lambda t, x: t.hinge_embedding_loss(x, signs(t, 4, 6), 0.7, 2),
    "margin_ranking": lambda t, x: t.margin_ranking_loss(x, x.flip(0), signs(t, 4, 6), 0.3),
    "cosine": lambda t, x: t.cosine_embedding_loss(x, x.flip(0), signs(t, 4), 0.1, 0),
    "poisson": lambda t, x: t.poisson_nll_loss(x, x.abs(), True, False, 1e-8, 1),
    "triplet": lambda t, x: t.triplet_margin_loss(x, x.flip(0), x.flip(1), 0.5, swap=True),
    "alpha_dropout": lambda t, x: t.alpha_dropout(x, 0.4, True),
    "feature_alpha_dropout": lambda t, x: t.feature_alpha_dropout(x.view(2, 3, 4), 0.4, True),
    "rrelu": lambda t, x: t.rrelu(x, 0.1, 0.3, True),
    "grid_sampler": lambda t, x: t.grid_sampler(
        x.view(1, 1, 4, 6), x.view(1, 3, 4, 2).sin(), 2, 1, True
    ),
    "affine_grid_generator": lambda t, x: t.affine_grid_generator(
        x.view(4, 2, 3), [4, 1, 2, 3], False
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_values_and_gradients(name):
    results = []
    for t in (torch, pycore):
        t.manual_seed(3)
        x = numbers(t, 4, 6).requires_grad_()
        out = CALLS[name](t, x * 1)
        outs = out if isinstance(out, tuple) else (out,)
        seed = numbers(t, *outs[0].shape, seed=5)
        (outs[0] * seed).sum().backward()
        results.append([o.detach().numpy() for o in (*outs, x.grad)])
    for theirs, ours in zip(*results, strict=True):
        assert theirs.shape == ours.shape
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", ["dropout_", "alpha_dropout_", "feature_alpha_dropout_", "rrelu_"])
def test_in_place(name):
    results = []
    for t in (torch, pycore):
        t.manual_seed(3)
        x = numbers(t, 4, 6)
        arguments = (0.1, 0.3, True) if name == "rrelu_" else (0.4, True)
        assert getattr(t, name)(x, *arguments) is x
        results.append(x.numpy())
    np.testing.assert_allclose(*results, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seed", range(40))
def test_embedding_bag(seed):
    rng = np.random.default_rng(seed)
    count, rows, width = int(rng.integers(0, 12)), int(rng.integers(1, 6)), int(rng.integers(1, 40))
    numbers_ = rng.integers(0, rows, count).tolist()
    offsets = [0, *sorted(rng.integers(0, count + 1, int(rng.integers(0, 4))).tolist())]
    mode = ("sum", "mean", "max")[seed % 3]
    kwargs = {"mode": mode}
    if seed % 2:
        kwargs["padding_idx"] = int(rng.integers(-rows, rows))
    if seed % 5 == 0:
        kwargs["include_last_offset"] = True
        offsets.append(count)
    table, scale = rng.standard_normal((rows, width)), rng.standard_normal(count)
    results = []
    for t in (torch, pycore):
        weight = t.tensor(table.tolist(), dtype=t.float64).reshape(rows, width).requires_grad_()
        own = t.tensor(scale.tolist(), dtype=t.float64).requires_grad_()
        if mode == "sum":
            kwargs["per_sample_weights"] = own
        index = t.tensor(numbers_, dtype=t.int64)
        out = t.nn.functional.embedding_bag(index, weight, t.tensor(offsets), **kwargs)
        (out * t.arange(out.numel()).reshape(out.shape).sin()).sum().backward()
        assert out.grad_fn.name() == "EmbeddingBagBackward0"
        found = [out.detach().numpy(), weight.grad.numpy()]
        results.append([*found, own.grad.numpy()] if mode == "sum" else found)
    for theirs, ours in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


BAD = [
    lambda t, F, w, i: F.embedding_bag(i, w, t.tensor([1, 2])),
    lambda t, F, w, i: F.embedding_bag(i, w, t.tensor([0, 9])),
    lambda t, F, w, i: F.embedding_bag(i + 1, w, t.tensor([0, 2])),
    lambda t, F, w, i: F.embedding_bag(i.float(), w, t.tensor([0, 2])),
    lambda t, F, w, i: F.embedding_bag(i, w.int(), t.tensor([0, 2])),
    lambda t, F, w, i: F.embedding_bag(i, w, t.tensor([[0, 2]])),
    lambda t, F, w, i: F.embedding_bag(i, w),
    lambda t, F, w, i: F.embedding_bag(i[None], w, t.tensor([0])),
    lambda t, F, w, i: F.embedding_bag(i, w[0], t.tensor([0])),
    lambda t, F, w, i: F.embedding_bag(i, w, t.tensor([0]), mode="median"),
    lambda t, F, w, i: F.embedding_bag(i, w, t.tensor([0]), mode="max", sparse=True),
    lambda t, F, w, i: F.embedding_bag(i, w, t.tensor([0]), mode="max", scale_grad_by_freq=True),
    lambda t, F, w, i: F.embedding_bag(i, w, t.tensor([0]), per_sample_weights=t.ones(4)),
    lambda t, F, w, i: F.embedding_bag(
        i, w, t.tensor([0]), per_sample_weights=t.ones(3), mode="sum"
    ),
    lambda t, F, w, i: F.embedding_bag(i, w, t.tensor([0]), padding_idx=7),
    lambda t, F, w, i: t.nn.EmbeddingBag(3, 2, padding_idx=3),
    lambda t, F, w, i: F.rms_norm(w, [4]),
]


@pytest.mark.parametrize("case", range(len(BAD)))
def test_errors(case):
    caught = []
    for t in (torch, pycore):
        with pytest.raises(Exception) as error:
            BAD[case](t, t.nn.functional, numbers(t, 4, 3), t.tensor([0, 1, 2, 3]))
        caught.append(error)
    assert caught[0].type is caught[1].type, (caught[0].value, caught[1].value)
