"""Multi-head attention and the Transformer side by side with torch.

Prints, first weights, outputs, gradients, masks, evaluation, warnings and errors.
"""

from __future__ import annotations

import itertools
import warnings

import pytest

import pycore

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

BOTH = (pycore, torch)
TOLERANCE = 2e-5


def array(t):
    return np.array(t.detach().double().tolist()).reshape(tuple(t.shape))


def same(ours, theirs, tolerance: float = TOLERANCE) -> None:
    assert tuple(ours.shape) == tuple(theirs.shape)
    a, b = array(ours), array(theirs)
    scale = np.nanmax(np.abs(b), initial=1.0)
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)


def quietly(call, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*args)


def built(make, train: bool = True):
    """The same module in both, with the weights that each draws for the same seed."""
    pair = []
    for t in BOTH:
        t.manual_seed(3)
        pair.append(quietly(make, t.nn).train(train))
    assert repr(pair[0]) == repr(pair[1])
    ours, theirs = pair[0].state_dict(), pair[1].state_dict()
    assert list(ours) == list(theirs)
    for key in ours:
        same(ours[key], theirs[key], 1e-6)
    # From here on both have torch's own weights, and no bias is zero.
    rng = np.random.default_rng(0)
    for a, b in zip(pair[0].parameters(), pair[1].parameters(), strict=True):
        noise = (array(b) + 0.1 * rng.standard_normal(tuple(b.shape))).astype(np.float32)
        with pycore.no_grad():
            a.copy_(pycore.from_numpy(noise))
        with torch.no_grad():
            b.copy_(torch.from_numpy(noise))
    return pair


def inputs(*shapes, seed: int = 1, grad: bool = True):
    """A list of tensors for each package."""
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    return [[t.tensor(a).requires_grad_(grad) for a in arrays] for t in BOTH]


def backward(results, *owners) -> None:
    """Backward through all floating results; gradients of inputs and parameters must agree."""
    for i, t in enumerate(BOTH):
        t.manual_seed(9)
        total = sum((r * t.randn(r.shape)).sum() for r in results[i] if r is not None)
        total.backward()
    for mine, his in owners:
        for a, b in zip(mine, his, strict=True):
            assert (a.grad is None) == (b.grad is None)
            if b.grad is not None:
                same(a.grad, b.grad, 5e-5)


# ---- multi-head attention ---------------------------------------------------------------------

LAYERS = {
    "plain": {},
    "no bias": {"bias": False},
    "batch first": {"batch_first": True},
    "bias_kv": {"add_bias_kv": True},
    "zero": {"add_zero_attn": True, "batch_first": True},
    "both": {"add_zero_attn": True, "add_bias_kv": True},
    "kdim": {"kdim": 6, "vdim": 10},
    "vdim": {"vdim": 10, "bias": False, "batch_first": True, "add_bias_kv": True},
    "dropout": {"dropout": 0.3},
}
L, S, N, E, H = 5, 7, 3, 8, 2


def masks(kind: str, queries: int, keys: int, batch: int | None, padding: bool):
    """(attn_mask, key_padding_mask) of each package."""
    rng = np.random.default_rng(5)
    attn = None
    if "2d" in kind or "3d" in kind:
        shape = (queries, keys) if "2d" in kind else ((batch or 1) * H, queries, keys)
        attn = rng.standard_normal(shape).astype(np.float32)
    pad = rng.standard_normal((keys,) if batch is None else (batch, keys)).astype(np.float32)
    pad = pad if padding else None
    if "bool" in kind:
        attn, pad = (None if m is None else m > 0.6 for m in (attn, pad))
        for m in (attn, pad):
            if m is not None:
                m[..., 0] = False
    return [[None if m is None else t.tensor(m) for m in (attn, pad)] for t in BOTH]


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("kind", ["none", "bool 2d", "float 2d", "bool 3d", "float 3d"])
@pytest.mark.parametrize("name", LAYERS)
def test_multihead_attention(name, kind, need_weights) -> None:
    options = LAYERS[name]
    pair = built(lambda nn: nn.MultiheadAttention(E, H, **options))
    first = options.get("batch_first", False)
    shape = lambda n, width: (N, n, width) if first else (n, N, width)  # noqa: E731
    k, v = options.get("kdim", E), options.get("vdim", E)
    for padding, average in itertools.product((False, True), (False, True)):
        tensors = inputs(shape(L, E), shape(S, k), shape(S, v))
        results = []
        for i, t in enumerate(BOTH):
            attn, pad = masks(kind, L, S, N, padding)[i]
            t.manual_seed(2)
            results.append(
                pair[i](
                    *tensors[i], attn_mask=attn, key_padding_mask=pad,
                    need_weights=need_weights, average_attn_weights=average,
                )
            )  # fmt: skip
            pair[i].zero_grad()
        same(results[0][0], results[1][0])
        assert (results[0][1] is None) == (results[1][1] is None)
        if need_weights:
            same(results[0][1], results[1][1])
        backward(results, tensors, [list(m.parameters()) for m in pair])


@pytest.mark.parametrize("kind", ["none", "bool 2d", "float 3d"])
@pytest.mark.parametrize("name", ["plain", "batch first", "both", "kdim"])
def test_unbatched(name, kind) -> None:
    options = LAYERS[name]
    pair = built(lambda nn: nn.MultiheadAttention(E, H, **options))
    k, v = options.get("kdim", E), options.get("vdim", E)
    for need_weights in (True, False):
        tensors = inputs((L, E), (S, k), (S, v))
        results = [
            pair[i](*tensors[i], attn_mask=m[0], key_padding_mask=m[1], need_weights=need_weights)
            for i, m in enumerate(masks(kind, L, S, None, True))
        ]
        same(results[0][0], results[1][0])
        if need_weights:
            same(results[0][1], results[1][1])
        backward(results, tensors)


@pytest.mark.parametrize("case", ["self", "cross"])
@pytest.mark.parametrize("first", [True, False])
def test_shared_inputs(case, first) -> None:
    pair = built(lambda nn: nn.MultiheadAttention(E, H, batch_first=first))
    tensors = inputs((N, L, E), (N, L, E))
    results = []
    for i in range(2):
        x, y = tensors[i]
        args = (x, x, x) if case == "self" else (x, y, y)
        results.append(pair[i](*args, need_weights=False))
    same(results[0][0], results[1][0])
    backward(results, tensors, [list(m.parameters()) for m in pair])


@pytest.mark.parametrize("need_weights", [True, False])
def test_causal_hint(need_weights) -> None:
    pair = built(lambda nn: nn.MultiheadAttention(E, H))
    tensors = inputs((L, N, E))
    results = []
    for i, t in enumerate(BOTH):
        x = tensors[i][0]
        mask = t.nn.Transformer.generate_square_subsequent_mask(L)
        results.append(pair[i](x, x, x, attn_mask=mask, is_causal=True, need_weights=need_weights))
    same(results[0][0], results[1][0])
    backward(results, tensors)


def test_evaluation_without_gradients() -> None:
    pair = built(lambda nn: nn.MultiheadAttention(E, H, batch_first=True), train=False)
    tensors = inputs((N, L, E), grad=False)
    for need_weights, average in ((True, True), (True, False), (False, True)):
        for kind, padding in (("none", True), ("bool 2d", False), ("bool 3d", False)):
            results = []
            for i, t in enumerate(BOTH):
                attn, pad = masks(kind, L, L, N, padding)[i]
                x = tensors[i][0]
                with t.no_grad():
                    results.append(
                        pair[i](
                            x, x, x, attn_mask=attn, key_padding_mask=pad,
                            need_weights=need_weights, average_attn_weights=average,
                        )
                    )  # fmt: skip
            same(results[0][0], results[1][0])
            if need_weights:
                same(results[0][1], results[1][1])


def test_functional_with_static_keys_and_values() -> None:
    shapes = [(L, N, E), (S, N, E), (3 * E, E), (3 * E,), (E, E), (E,), (N * H, 4, E // H)]
    tensors = inputs(*shapes)
    for need_weights in (True, False):
        results = []
        for i, t in enumerate(BOTH):
            q, k, w, b, ow, ob, static = tensors[i]
            results.append(
                t.nn.functional.multi_head_attention_forward(
                    q, k, k, E, H, w, b, None, None, False, 0.0, ow, ob, static_k=static,
                    static_v=static, need_weights=need_weights,
                )
            )  # fmt: skip
        same(results[0][0], results[1][0])
        backward(results, tensors)


def test_mask_gradient() -> None:
    pair = built(lambda nn: nn.MultiheadAttention(E, H))
    tensors = inputs((L, N, E), (L, L))
    for need_weights in (True, False):
        results = [
            pair[i](*tensors[i][:1] * 3, attn_mask=tensors[i][1], need_weights=need_weights)
            for i in range(2)
        ]
        same(results[0][0], results[1][0])
        backward(results, tensors)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_dtypes(dtype) -> None:
    pair = built(lambda nn: nn.MultiheadAttention(E, H))
    tensors = inputs((L, N, E))
    results = []
    for i, t in enumerate(BOTH):
        x = tensors[i][0].detach().to(getattr(t, dtype))
        results.append(pair[i].to(getattr(t, dtype))(x, x, x, need_weights=False)[0])
    same(*results, 1e-12 if dtype == "float64" else 3e-2)


def x(t, *shape):
    return t.zeros(shape)


MHA_ERRORS = [
    lambda t: t.nn.MultiheadAttention(0, 2),
    lambda t: t.nn.MultiheadAttention(8, 3),
    lambda t: t.nn.MultiheadAttention(8, 2)(x(t, 1, 2, 3, 8), x(t, 2, 3, 8), x(t, 2, 3, 8)),
    lambda t: t.nn.MultiheadAttention(8, 2)(x(t, 2, 3, 8), x(t, 3, 8), x(t, 2, 3, 8)),
    lambda t: t.nn.MultiheadAttention(8, 2)(x(t, 3, 8), x(t, 2, 3, 8), x(t, 3, 8)),
    lambda t: t.nn.MultiheadAttention(8, 2)(x(t, 2, 3, 6), x(t, 2, 3, 8), x(t, 2, 3, 8)),
    lambda t: t.nn.MultiheadAttention(8, 2)(x(t, 2, 3, 8), x(t, 2, 3, 8), x(t, 4, 3, 8)),
    lambda t: t.nn.MultiheadAttention(8, 2, kdim=4)(x(t, 2, 3, 8), x(t, 2, 3, 4), x(t, 5, 3, 8)),
    lambda t: t.nn.MultiheadAttention(8, 2)(*[x(t, 2, 3, 8)] * 3, attn_mask=x(t, 2, 3)),
    lambda t: t.nn.MultiheadAttention(8, 2)(*[x(t, 2, 3, 8)] * 3, attn_mask=x(t, 5, 2, 2)),
    lambda t: t.nn.MultiheadAttention(8, 2)(*[x(t, 2, 3, 8)] * 3, attn_mask=x(t, 2)),
    lambda t: t.nn.MultiheadAttention(8, 2)(*[x(t, 2, 3, 8)] * 3, attn_mask=x(t, 2, 2).int()),
    lambda t: t.nn.MultiheadAttention(8, 2)(*[x(t, 2, 8)] * 3, attn_mask=x(t, 3, 2, 2)),
    lambda t: t.nn.MultiheadAttention(8, 2)(*[x(t, 2, 3, 8)] * 3, key_padding_mask=x(t, 2)),
    lambda t: t.nn.MultiheadAttention(8, 2)(*[x(t, 2, 3, 8)] * 3, key_padding_mask=x(t, 2, 2)),
    lambda t: t.nn.MultiheadAttention(8, 2)(*[x(t, 2, 3, 8)] * 3, key_padding_mask=x(t, 3, 3)),
    lambda t: t.nn.MultiheadAttention(8, 2)(*[x(t, 2, 3, 8)] * 3, is_causal=True),
    lambda t: t.nn.TransformerEncoderLayer(8, 2, activation="tanh"),
    lambda t: t.nn.TransformerDecoderLayer(8, 2, activation="tanh"),
    lambda t: t.nn.Transformer(8, 2, 1, 1, 8)(x(t, 2, 3, 8), x(t, 2, 4, 8)),
    lambda t: t.nn.Transformer(8, 2, 1, 1, 8, batch_first=True)(x(t, 2, 3, 8), x(t, 3, 3, 8)),
    lambda t: t.nn.Transformer(8, 2, 1, 1, 8)(x(t, 2, 3, 8), x(t, 2, 3, 6)),
]  # fmt: skip


@pytest.mark.parametrize("case", MHA_ERRORS, ids=range(len(MHA_ERRORS)))
def test_errors(case) -> None:
    with pytest.raises(Exception) as theirs:
        quietly(case, torch)
    with pytest.raises(type(theirs.value)) as ours:
        quietly(case, pycore)
    assert str(ours.value).replace("pycore", "torch") == str(theirs.value)


def warned(call, t) -> list[str]:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        call(t)
    return [f"{w.category.__name__}: {w.message}" for w in seen]


def encoder(t, n=1, nested=True, **options):
    options = {"batch_first": True, "dim_feedforward": 8, **options}
    return t.nn.TransformerEncoder(
        t.nn.TransformerEncoderLayer(8, options.pop("heads", 2), **options), n,
        enable_nested_tensor=nested,
    )  # fmt: skip


WARNINGS = [
    lambda t: encoder(t),
    lambda t: encoder(t, norm_first=True),
    lambda t: encoder(t, batch_first=False),
    lambda t: encoder(t, batch_first=False, nested=False),
    lambda t: encoder(t, bias=False),
    lambda t: encoder(t, activation=t.tanh),
    lambda t: encoder(t, heads=1),
    lambda t: t.nn.TransformerEncoder(t.nn.Linear(1, 1), 2),
    lambda t: t.nn.Transformer(8, 2, 1, 1, 8),
    lambda t: t.nn.MultiheadAttention(8, 2)(
        *[x(t, 2, 3, 8)] * 3, key_padding_mask=x(t, 3, 2), attn_mask=x(t, 2, 2).bool()
    ),
    lambda t: encoder(t, 2)(x(t, 2, 3, 8), mask=x(t, 3, 3), src_key_padding_mask=x(t, 2, 3).bool()),
    lambda t: encoder(t).layers[0](
        x(t, 2, 3, 8), src_mask=x(t, 3, 3), src_key_padding_mask=x(t, 2, 3).bool()
    ),
]


@pytest.mark.parametrize("case", WARNINGS, ids=range(len(WARNINGS)))
def test_warnings(case) -> None:
    assert warned(case, pycore) == warned(case, torch)


# ---- layers and stacks ------------------------------------------------------------------------

STACKS = {
    "layer": lambda nn: nn.TransformerEncoderLayer(8, 2, 16),
    "layer, gelu, batch first": lambda nn: nn.TransformerEncoderLayer(
        8, 2, 16, 0.2, "gelu", 1e-3, True
    ),
    "layer, norm first, no bias": lambda nn: nn.TransformerEncoderLayer(
        8, 2, 16, activation=nn.Tanh(), norm_first=True, bias=False
    ),
    "encoder": lambda nn: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, nn.LayerNorm(8)
    ),
    "encoder, norm first": lambda nn: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 4, 16, norm_first=True), 3, enable_nested_tensor=False
    ),
}


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("kind", ["none", "causal", "bool 2d", "float 3d"])
@pytest.mark.parametrize("padding", [False, True])
@pytest.mark.parametrize("name", STACKS)
def test_encoders(name, padding, kind, train) -> None:
    pair = built(STACKS[name], train)
    layer = getattr(pair[0], "layers", [pair[0]])[0]
    batch_first, heads = layer.self_attn.batch_first, layer.self_attn.num_heads
    shape = (N, L, E) if batch_first else (L, N, E)
    tensors = inputs(shape)
    results = []
    for i, t in enumerate(BOTH):
        attn, pad = masks(kind.replace("3d", "2d" if heads != H else "3d"), L, L, N, padding)[i]
        if kind == "causal":
            attn = t.nn.Transformer.generate_square_subsequent_mask(L)
            pad = None if pad is None else t.where(pad > 1, -1e9, 0.0)
        t.manual_seed(4)
        results.append([pair[i](tensors[i][0], attn, src_key_padding_mask=pad)])
    same(results[0][0], results[1][0])
    backward(results, tensors, [list(m.parameters()) for m in pair])


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("train", [True, False])
def test_transformer(first, norm_first, train) -> None:
    pair = built(
        lambda nn: nn.Transformer(
            8, 2, 2, 2, 16, 0.1, "gelu", batch_first=first, norm_first=norm_first
        ),
        train,
    )
    tensors = inputs((N, S, E) if first else (S, N, E), (N, L, E) if first else (L, N, E))
    for kind in ("none", "some", "all"):
        results = []
        for i, t in enumerate(BOTH):
            options = {}
            if kind != "none":
                options["tgt_mask"] = t.nn.Transformer.generate_square_subsequent_mask(L)
                options["src_key_padding_mask"] = t.arange(S) >= t.tensor([[7], [4], [5]])
            if kind == "all":
                options["memory_key_padding_mask"] = options["src_key_padding_mask"]
                options["memory_mask"] = t.eye(L, S).bool()
                options["tgt_is_causal"] = True
            t.manual_seed(4)
            results.append([quietly(lambda i=i, o=options: pair[i](*tensors[i], **o))])
        same(results[0][0], results[1][0])
        for module in pair:
            module.zero_grad()
        for a in tensors[0] + tensors[1]:
            a.grad = None
        backward(results, tensors, [list(m.parameters()) for m in pair])


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("norm", [True, False])
def test_padded_positions_in_evaluation(norm, nested, aligned) -> None:
    pair = built(
        lambda nn: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2,
            nn.LayerNorm(8) if norm else None, nested,
        ),
        train=False,
    )  # fmt: skip
    tensors = inputs((N, L, E), grad=False)
    results = []
    for i, t in enumerate(BOTH):
        hidden = t.arange(L) >= t.tensor([[5], [2], [4]])
        if not aligned:
            hidden = hidden.flip(1)
        with t.no_grad():
            results.append(quietly(lambda i=i, h=hidden: pair[i](tensors[i][0], None, h)))
    same(*results)


def test_decoder_unbatched() -> None:
    pair = built(
        lambda nn: nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16), 2, nn.LayerNorm(8)),
        train=False,
    )
    tensors = inputs((L, E), (S, E))
    results = []
    for i, t in enumerate(BOTH):
        mask = t.nn.Transformer.generate_square_subsequent_mask(L)
        results.append([pair[i](*tensors[i], tgt_mask=mask)])
    same(results[0][0], results[1][0])
    backward(results, tensors, [list(m.parameters()) for m in pair])


def test_copies_are_independent() -> None:
    for t in BOTH:
        stack = quietly(encoder, t, 3)
        a, b = stack.layers[0].linear1.weight, stack.layers[1].linear1.weight
        assert a is not b and (a == b).all()


# ---- a BERT encoder ---------------------------------------------------------------------------


def bert(nn):
    """bert-mini (Turc et al. 2019): 4 layers of 256, 4 heads; with embeddings and a pooler."""

    class Bert(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(211, 256, padding_idx=0)
            self.positions = nn.Embedding(64, 256)
            self.segments = nn.Embedding(2, 256)
            self.norm = nn.LayerNorm(256, eps=1e-12)
            self.dropout = nn.Dropout(0.1)
            layer = nn.TransformerEncoderLayer(
                256, 4, 1024, 0.1, "gelu", layer_norm_eps=1e-12, batch_first=True
            )
            self.encoder = nn.TransformerEncoder(layer, 4)
            self.pooler = nn.Linear(256, 256)

        def forward(self, tokens, segments, positions):
            x = self.words(tokens) + self.positions(positions) + self.segments(segments)
            x = self.encoder(self.dropout(self.norm(x)), src_key_padding_mask=tokens == 0)
            return x, self.pooler(x[:, 0]).tanh()

    return Bert()


@pytest.mark.parametrize("mode", ["train", "eval", "no grad"])
def test_bert(mode) -> None:
    pair = built(bert, mode == "train")
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 211, (3, 37))
    tokens[0, 30:] = 0
    tokens[2, 11:] = 0
    segments = rng.integers(0, 2, (3, 37))
    results = []
    for i, t in enumerate(BOTH):
        t.manual_seed(11)
        with t.set_grad_enabled(mode != "no grad"):
            args = t.tensor(tokens), t.tensor(segments), t.arange(37)
            results.append(quietly(lambda i=i, a=args: pair[i](*a)))
    same(results[0][0], results[1][0], 1e-4)
    same(results[0][1], results[1][1], 1e-4)
    if mode != "no grad":
        backward(results, [list(m.parameters()) for m in pair])
