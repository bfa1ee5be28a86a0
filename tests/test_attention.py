"""Attention against its composition, across tiles, threads, layouts and dtypes; its errors."""

from __future__ import annotations

import math

import pytest

import pycore
from pycore.nn.attention import SDPBackend, sdpa_kernel
from pycore.nn.functional import scaled_dot_product_attention as attend


def draw(*shape: int, dtype=pycore.float64, grad: bool = True) -> pycore.Tensor:
    t = pycore.randn(*shape, dtype=pycore.float64).to(dtype)
    return t.requires_grad_() if grad else t


def gradients(tensors, call, backend) -> list[pycore.Tensor]:
    with sdpa_kernel(backend):
        out = call(*tensors)
        pycore.manual_seed(7)
        grads = pycore.autograd.grad(out, tensors, pycore.randn(out.shape, dtype=out.dtype))
    return [out.detach(), *grads]


# Sizes around those of panels (8 to 32 queries) and blocks (64 and 128 keys).
SIZES = [
    (1, 1, 1, 1), (1, 300, 20, 70), (4, 150, 16, 9), (7, 5, 3, 4), (33, 65, 8, 16), (64, 128, 17, 32), (100, 300, 40, 33),
    (300, 100, 16, 16), (129, 129, 64, 64),
]  # fmt: skip


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("queries, keys, depth, width", SIZES)
def test_kernel_agrees_with_the_composition(queries, keys, depth, width, causal) -> None:
    pycore.manual_seed(0)
    tensors = draw(2, 3, queries, depth), draw(2, 3, keys, depth), draw(2, 3, keys, width)
    call = lambda q, k, v: attend(q, k, v, is_causal=causal)  # noqa: E731
    fused = gradients(tensors, call, SDPBackend.FLASH_ATTENTION)
    composed = gradients(tensors, call, SDPBackend.MATH)
    for a, b in zip(fused, composed, strict=True):
        _close(a, b)


@pytest.mark.parametrize("queries", [1, 4, 7, 40])
def test_large_scores(queries) -> None:
    """A one-hot softmax passes on the gradient exactly: backward meets forward's bits of scores."""
    pycore.manual_seed(0)
    q, k = (draw(2, 2, queries, 16, dtype=pycore.float32, grad=False) * 300 for _ in "qk")
    v = draw(2, 2, queries, 5, dtype=pycore.float32)
    scores = (q @ k.transpose(-2, -1)).double() / 4
    top = scores.topk(min(2, queries), dim=-1)
    clear = (
        top.values[..., 0] - top.values[..., -1] > 100
        if queries > 1
        else scores[..., 0] > -math.inf
    )
    g = pycore.randn(2, 2, queries, 5) * clear[..., None]
    (dv,) = pycore.autograd.grad(attend(q, k, v), v, g)
    want = pycore.zeros_like(dv).scatter_add_(2, top.indices[..., :1].expand(g.shape), g)
    _close(dv, want, 1e-6)


def _close(a: pycore.Tensor, b: pycore.Tensor, tolerance: float = 1e-11) -> None:
    assert a.shape == b.shape
    if a.numel():
        assert (a - b).abs().max().item() <= tolerance * max(1.0, b.abs().max().item())


@pytest.mark.parametrize("queries", [40, 3])
@pytest.mark.parametrize("shape", [(70,), (0, 1), (1, 70), (0, 70), (3, 1, 70), (2, 1, 0, 70)])
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_masks_broadcast(shape, kind, queries) -> None:
    pycore.manual_seed(1)
    shape = [n or queries for n in shape]
    tensors = draw(2, 3, queries, 8), draw(2, 3, 70, 8), draw(2, 3, 70, 8)
    mask = pycore.randn(shape, dtype=pycore.float64)
    if kind == "bool":
        mask = mask > 0
    call = lambda q, k, v: attend(q, k, v, mask)  # noqa: E731
    fused = gradients(tensors, call, SDPBackend.FLASH_ATTENTION)
    for a, b in zip(fused, gradients(tensors, call, SDPBackend.MATH), strict=True):
        _close(a, b)


@pytest.mark.parametrize("queries", [1, 5, 40])
def test_dropout_agrees_with_the_composition(queries) -> None:
    tensors = draw(2, queries, 8), draw(2, 150, 8), draw(2, 150, 8)

    def call(q, k, v):
        pycore.manual_seed(5)
        return attend(q, k, v, dropout_p=0.4)

    fused = gradients(tensors, call, SDPBackend.FLASH_ATTENTION)
    for a, b in zip(fused, gradients(tensors, call, SDPBackend.MATH), strict=True):
        _close(a, b)


def test_queries_without_keys_get_zeros() -> None:
    q, k, v = draw(3, 4), draw(5, 4), draw(5, 4)
    mask = pycore.ones(3, 5, dtype=pycore.bool)
    mask[1] = False
    out = attend(q, k, v, mask)
    assert out[1].tolist() == [0.0] * 4
    out.sum().backward()
    assert q.grad[1].tolist() == [0.0] * 4
    assert all(math.isfinite(x) for t in (q, k, v) for x in t.grad.flatten().tolist())
    assert attend(q, draw(0, 4), draw(0, 6)).tolist() == [[0.0] * 6] * 3


def test_nan_and_infinity_stay() -> None:
    q, k, v = pycore.zeros(2, 4), pycore.zeros(3, 4), pycore.ones(3, 2)
    q[0, 0] = math.nan
    out = attend(q, k, v)
    assert all(math.isnan(x) for x in out[0].tolist()) and out[1].tolist() == [1.0, 1.0]
    mask = pycore.tensor([[0.0, math.inf, 0.0]])
    assert all(math.isnan(x) for x in attend(q[1:], k, v, mask).flatten().tolist())


@pytest.mark.parametrize("batch", [(1, 2), (5, 8)])
def test_threads_do_not_change_bits(batch) -> None:
    pycore.manual_seed(2)
    tensors = [draw(*batch, 150, 16, dtype=pycore.float32) for _ in range(3)]
    before = pycore.get_num_threads()
    try:
        results = []
        for threads in (1, 2):
            pycore.set_num_threads(threads)
            call = lambda q, k, v: attend(q, k, v, is_causal=True)  # noqa: E731
            results.append(gradients(tensors, call, SDPBackend.FLASH_ATTENTION))
    finally:
        pycore.set_num_threads(before)
    for a, b in zip(*results, strict=True):
        assert pycore.equal(a, b)


def test_heads_that_are_views_of_a_projection_give_one() -> None:
    projection = draw(2, 9, 3, 4, 5)  # batch, position, which, head, depth
    q, k, v = (projection[:, :, i].transpose(1, 2) for i in range(3))
    out = attend(q, k, v)
    assert out.transpose(1, 2).is_contiguous()
    dense = attend(q.contiguous(), k.contiguous(), v.contiguous())
    assert dense.is_contiguous()
    _close(out, dense)
    columns = draw(2, 5, 9).transpose(1, 2)  # rows with gaps
    _close(attend(columns, columns, columns), attend(*[columns.contiguous()] * 3))


@pytest.mark.parametrize("dtype", [pycore.float16, pycore.bfloat16])
def test_reduced_floats_compute_in_float32(dtype) -> None:
    q, k, v = (draw(2, 33, 8, dtype=dtype) for _ in range(3))
    out = attend(q, k, v)
    wide = attend(q.float(), k.float(), v.float())
    assert out.dtype == dtype and pycore.equal(out, wide.to(dtype))
    out.sum().backward()
    assert q.grad.dtype == dtype


def test_writing_over_the_result_is_noticed() -> None:
    q = draw(2, 3, 4)
    out = attend(q, q, q)
    out.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_grouped_heads_are_repeated_heads() -> None:
    q, k, v = draw(2, 6, 5, 4), draw(2, 2, 7, 4), draw(2, 3, 7, 4)
    call = lambda q, k, v: attend(q, k, v, enable_gqa=True)  # noqa: E731
    repeated = lambda q, k, v: attend(  # noqa: E731
        q, k.repeat_interleave(3, 1), v.repeat_interleave(2, 1)
    )
    for a, b in zip(
        gradients((q, k, v), call, SDPBackend.FLASH_ATTENTION),
        gradients((q, k, v), repeated, SDPBackend.MATH),
        strict=True,
    ):
        _close(a, b)
    with pytest.raises(RuntimeError, match="must divide the number of heads"):
        attend(q, draw(2, 4, 7, 4), v, enable_gqa=True)


def test_backends() -> None:
    x = pycore.ones(1, 1, 2, 4)
    with (
        sdpa_kernel([SDPBackend.EFFICIENT_ATTENTION]),
        pytest.raises(RuntimeError, match="No viable backend"),
    ):
        attend(x, x, x)
    mask = pycore.zeros(2, 2, requires_grad=True)
    with (
        sdpa_kernel(SDPBackend.FLASH_ATTENTION),
        pytest.raises(RuntimeError, match="No available kernel"),
    ):
        attend(x, x, x, mask)
    assert attend(x, x, x, mask).requires_grad
    with pytest.raises(AssertionError, match="SDPBackend"), sdpa_kernel(3):
        pass
    assert SDPBackend(1) is SDPBackend.FLASH_ATTENTION and int(SDPBackend.MATH) == 0
