"""Multi-head attention and the Transformer without PyTorch at hand: paths that must agree."""

from __future__ import annotations

import copy
import io
import math
import warnings

import pytest

import pycore
from pycore import nn
from pycore.autograd.gradcheck import gradcheck, gradgradcheck

L, S, N, E, H = 5, 7, 3, 8, 2


def close(a: pycore.Tensor, b: pycore.Tensor, tolerance: float = 1e-5) -> None:
    assert a.shape == b.shape
    assert (a - b).abs().max().item() <= tolerance


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("case", ["self", "cross", "apart"])
def test_fused_heads_agree_with_the_composition(case, first) -> None:
    pycore.manual_seed(0)
    attention = nn.MultiheadAttention(E, H, batch_first=first).double()
    shape = lambda n: (N, n, E) if first else (n, N, E)  # noqa: E731
    q, k, v = (pycore.randn(shape(n), dtype=pycore.float64) for n in (L, S, S))
    args = {"self": (q, q, q), "cross": (q, k, k), "apart": (q, k, v)}[case]
    for tensor in (q, k, v):
        tensor.requires_grad_()
    results = []
    for need_weights in (False, True):
        out = attention(*args, need_weights=need_weights)[0]
        wanted = [*dict.fromkeys(args), *attention.parameters()]
        results.append([out, *pycore.autograd.grad((out**2).sum(), wanted)])
    for a, b in zip(*results, strict=True):
        close(a, b, 1e-12)


def test_double_backward_through_a_layer() -> None:
    pycore.manual_seed(0)
    layer = nn.TransformerEncoderLayer(4, 2, 6, 0.0, nn.Tanh(), batch_first=True).double()
    mask = pycore.tensor([[False, False, True], [False, False, False]])
    call = lambda x: layer(x, src_key_padding_mask=mask)  # noqa: E731
    x = pycore.randn(2, 3, 4, dtype=pycore.float64, requires_grad=True)
    assert gradcheck(call, (x,)) and gradgradcheck(call, (x,))


def test_threads_do_not_change_bits() -> None:
    pycore.manual_seed(0)
    layer = nn.TransformerEncoderLayer(64, 4, 128, 0.1, batch_first=True)
    x = pycore.randn(4, 70, 64)
    before = pycore.get_num_threads()
    results = []
    try:
        for threads in (1, 2):
            pycore.set_num_threads(threads)
            pycore.manual_seed(1)
            out = layer(x)
            results.append([out, *pycore.autograd.grad(out.square().sum(), layer.parameters())])
    finally:
        pycore.set_num_threads(before)
    assert all(pycore.equal(a, b) for a, b in zip(*results, strict=True))


def test_a_hidden_key_does_not_matter() -> None:
    pycore.manual_seed(0)
    layer = nn.TransformerEncoderLayer(E, H, 16, batch_first=True).eval()
    x, padding = pycore.randn(N, L, E), pycore.arange(L) >= pycore.tensor([[3], [5], [1]])
    noise = pycore.where(padding.unsqueeze(-1), 9.0, x)
    a, b = layer(x, src_key_padding_mask=padding), layer(noise, src_key_padding_mask=padding)
    close(a[~padding], b[~padding])
    with pycore.no_grad():
        close(layer(x, src_key_padding_mask=padding), a)


def test_a_causal_stack_does_not_look_ahead() -> None:
    pycore.manual_seed(0)
    stack = nn.TransformerEncoder(nn.TransformerEncoderLayer(E, H, 16, batch_first=True), 2).eval()
    mask = nn.Transformer.generate_square_subsequent_mask(L)
    x = pycore.randn(1, L, E)
    whole = stack(x, mask)
    close(stack(x, mask, is_causal=True), whole)
    close(stack(x, mask == -math.inf), whole)
    close(stack(x[:, :3], mask[:3, :3]), whole[:, :3])


def test_padding_is_cleared_where_nested_tensors_would_be() -> None:
    stack = nn.TransformerEncoder(nn.TransformerEncoderLayer(E, H, 16, batch_first=True), 2).eval()
    x, padding = pycore.randn(N, L, E), pycore.arange(L) >= pycore.tensor([[3], [5], [1]])
    with pycore.no_grad():
        out = stack(x, src_key_padding_mask=padding)
        assert (out[padding] == 0).all() and not (out[~padding] == 0).any()
        assert not (stack(x, src_key_padding_mask=padding.flip(1)) == 0).any()
        stack.use_nested_tensor = False
        assert not (stack(x, src_key_padding_mask=padding) == 0).any()
    stack.use_nested_tensor = True
    assert not (stack(x, src_key_padding_mask=padding) == 0).any()


def test_the_hint_needs_a_mask() -> None:
    x = pycore.randn(L, N, E)
    for module in (nn.MultiheadAttention(E, H), nn.MultiheadAttention(E, H).eval()):
        with pycore.no_grad(), pytest.raises(RuntimeError, match="Need attn_mask"):
            module(x, x, x, is_causal=True)


def test_a_module_in_the_middle_may_be_any() -> None:
    class Halve(nn.Module):
        def forward(self, src, src_mask=None, is_causal=None, src_key_padding_mask=None):
            return src / 2

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stack = nn.TransformerEncoder(nn.TransformerEncoderLayer(E, H, 16), 2)
    stack.layers[1] = Halve()
    assert stack(pycore.randn(L, N, E)).shape == (L, N, E)


def test_copies_and_files() -> None:
    pycore.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = nn.Transformer(E, H, 2, 2, 16).eval()
        other = nn.Transformer(E, H, 2, 2, 16).eval()
    src, tgt = pycore.randn(S, N, E), pycore.randn(L, N, E)
    out = model(src, tgt)
    close(copy.deepcopy(model)(src, tgt), out)
    file = io.BytesIO()
    pycore.save(model.state_dict(), file)
    file.seek(0)
    other.load_state_dict(pycore.load(file))
    close(other(src, tgt), out)
