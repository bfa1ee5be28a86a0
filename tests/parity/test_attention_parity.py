"""scaled_dot_product_attention side by side with torch: values, gradients, layouts, errors."""

from __future__ import annotations

import pytest

import pycore

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

TOLERANCE = {"float64": 1e-12, "float32": 3e-6, "bfloat16": 4e-2, "float16": 5e-3}


def both(array, dtype: str, grad: bool = False):
    pair = [t.tensor(array.tolist(), dtype=t.float64).reshape(array.shape) for t in (pycore, torch)]
    return [
        x.to(getattr(t, dtype)).requires_grad_(grad)
        for x, t in zip(pair, (pycore, torch), strict=True)
    ]


def same(ours, theirs, tolerance: float) -> None:
    assert tuple(ours.shape) == tuple(theirs.shape)
    if ours.numel():
        a = np.array(ours.detach().double().tolist())
        b = np.array(theirs.detach().double().tolist())
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1, np.abs(b).max()))


# Shapes of query, key, value; shape of a mask and its kind (bool, float, or with gradient); options.
CASES = [
    ((2, 3, 5, 8), (2, 3, 7, 8), (2, 3, 7, 8), None, {}),
    ((2, 3, 150, 8), (2, 3, 270, 8), (2, 3, 270, 8), None, {}),
    ((2, 3, 30, 20), (2, 3, 70, 20), (2, 3, 70, 7), None, {}),
    ((3, 30, 8), (3, 70, 8), (3, 70, 8), None, {}),
    ((30, 8), (70, 8), (70, 8), None, {}),
    ((2, 3, 50, 8), (2, 3, 90, 8), (2, 3, 90, 8), ("bool", 50, 90), {}),
    ((2, 3, 50, 8), (2, 3, 90, 8), (2, 3, 90, 8), ("bool", 2, 1, 1, 90), {}),
    ((2, 3, 50, 8), (2, 3, 90, 8), (2, 3, 90, 8), ("float", 2, 3, 50, 90), {}),
    ((2, 3, 50, 8), (2, 3, 90, 8), (2, 3, 90, 8), ("grad", 3, 50, 90), {}),
    ((2, 3, 50, 8), (2, 3, 90, 8), (2, 3, 90, 8), ("grad", 2, 1, 1, 90), {}),
    ((3, 50, 8), (3, 90, 8), (3, 90, 8), ("bool", 50, 1), {}),
    ((50, 8), (90, 8), (90, 8), ("float", 90), {}),
    ((2, 3, 150, 8), (2, 3, 150, 8), (2, 3, 150, 8), None, {"is_causal": True}),
    ((2, 3, 50, 8), (2, 3, 190, 8), (2, 3, 190, 8), None, {"is_causal": True}),
    ((2, 3, 190, 33), (2, 3, 50, 33), (2, 3, 50, 33), None, {"is_causal": True}),
    ((2, 3, 50, 8), (2, 3, 90, 8), (2, 3, 90, 8), ("float", 50, 90), {"is_causal": True}),
    ((1, 50, 8), (3, 90, 8), (3, 90, 8), None, {"scale": 0.3}),
    ((2, 4, 50, 8), (2, 2, 70, 8), (2, 2, 70, 8), None, {"enable_gqa": True}),
    ((2, 4, 50, 8), (2, 1, 70, 8), (2, 2, 70, 8), None, {"enable_gqa": True}),
    ((2, 4, 9, 8), (2, 2, 7, 8), (2, 2, 7, 8), ("bool", 2, 4, 9, 7), {"enable_gqa": True}),
    ((2, 4, 0, 8), (2, 4, 70, 8), (2, 4, 70, 8), None, {}),
    ((2, 4, 5, 8), (2, 4, 0, 8), (2, 4, 0, 8), None, {}),
    ((2, 4, 5, 0), (2, 4, 6, 0), (2, 4, 6, 8), None, {}),
    ((2, 3, 50, 8), (2, 3, 50, 8), (2, 3, 50, 8), None, {"dropout_p": 0.3}),
    ((3, 50, 8), (3, 50, 8), (3, 50, 8), ("bool", 50, 50), {"dropout_p": 0.3}),
    ((3, 50, 8), (3, 50, 8), (3, 50, 8), None, {"dropout_p": 1.0}),
]


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_values_and_gradients(case, dtype) -> None:
    *shapes, mask, options = case
    if dtype == "bfloat16" and "dropout_p" in options:
        pytest.skip("torch scales in bfloat16 there")
    rng = np.random.default_rng(3)
    tensors = [both(rng.standard_normal(shape), dtype, True) for shape in shapes]
    masks = [None, None]
    if mask is not None:
        numbers = rng.standard_normal(mask[1:])
        if mask[0] == "bool":
            masks = both(numbers > -0.5, "bool")
        else:
            masks = both(numbers, dtype, mask[0] == "grad")
    outs = []
    for i, t in enumerate((pycore, torch)):
        t.manual_seed(3)
        attend = t.nn.functional.scaled_dot_product_attention
        outs.append(attend(*[x[i] for x in tensors], attn_mask=masks[i], **options))
    tolerance = TOLERANCE[dtype]
    same(*outs, tolerance)
    assert outs[0].stride() == outs[1].stride()
    if "enable_gqa" not in options and outs[0].numel() and shapes[1][-2] and dtype != "bfloat16":
        assert outs[0].grad_fn.name() == outs[1].grad_fn.name()
    for out, g in zip(outs, both(rng.standard_normal(outs[0].shape), dtype), strict=True):
        out.backward(g)
    for pair in tensors + ([masks] if mask and mask[0] == "grad" else []):
        same(pair[0].grad, pair[1].grad, tolerance)


@pytest.mark.parametrize("kind", ["bool", "float"])
def test_fully_masked_rows(kind) -> None:
    rng = np.random.default_rng(0)
    tensors = [both(rng.standard_normal((2, 3, 4, 8)), "float32", True) for _ in range(3)]
    seen = np.ones((4, 4), dtype=bool)
    seen[1] = False
    mask = both(seen, "bool") if kind == "bool" else both(np.where(seen, 0.0, -np.inf), "float32")
    for i, t in enumerate((pycore, torch)):
        out = t.nn.functional.scaled_dot_product_attention(*[x[i] for x in tensors], mask[i])
        assert out[:, :, 1].abs().sum() == 0
        (out * out).sum().backward()
    for a, b in tensors:
        same(a.grad, b.grad, 3e-6)


def test_layout_follows_the_query() -> None:
    for make in (
        lambda t: t.zeros(2, 5, 3, 8).transpose(1, 2),
        lambda t: t.zeros(2, 5, 3, 4, 8)[:, :, 1].transpose(1, 2),
        lambda t: t.zeros(2, 3, 8, 5).transpose(-1, -2),
        lambda t: t.zeros(1, 3, 5, 8).expand(2, 3, 5, 8),
    ):
        strides = []
        for t in (pycore, torch):
            q = make(t)
            strides.append(t.nn.functional.scaled_dot_product_attention(q, q, q).stride())
        assert strides[0] == strides[1]


def z(*shape, dtype="float32"):
    return lambda t: t.zeros(shape, dtype=getattr(t, dtype))


Q, K = z(2, 3, 5, 8), z(2, 3, 7, 8)
BAD = [
    ((Q, z(2, 3, 7, 8, dtype="float64"), K), {}),
    ((z(8), K, K), {}),
    ((Q, z(2, 3, 7, 4), K), {}),
    ((z(3, 5, 8), z(3, 7, 8), z(3, 6, 8)), {}),
    ((Q, z(2, 2, 7, 8), z(2, 2, 7, 8)), {}),
    ((z(5, 8), z(7, 8), z(7, 8)), {"enable_gqa": True}),
    ((Q, K, K, z(4, 7)), {}),
    ((z(3, 5, 8), z(3, 7, 8), z(3, 7, 8), z(2, 1, 1, 7)), {}),
    ((Q, K, K, z(5, 7, dtype="int64")), {}),
    ((Q, K, K, z(5, 7, dtype="float64")), {}),
    ((z(3, 5, 8), z(3, 7, 8), z(3, 7, 8), z(5, 7)), {"is_causal": True}),
    ((Q, K, K), {"dropout_p": 1.5}),
    ((Q, K, K), {"is_causal": 1}),
    ((Q, K, K, [1]), {}),
]


@pytest.mark.parametrize("case", BAD, ids=range(len(BAD)))
def test_errors(case) -> None:
    inputs, options = case

    def call(t):
        made = [x(t) if callable(x) else x for x in inputs]
        return t.nn.functional.scaled_dot_product_attention(*made, **options)

    with pytest.raises(Exception) as theirs:
        call(torch)
    with pytest.raises(type(theirs.value)) as ours:
        call(pycore)
    words = str(theirs.value).split("\n")[0]
    if isinstance(theirs.value, TypeError):  # ours names what was expected, too
        words = words.split("' ")[0]
    assert str(ours.value).startswith(words)


def test_backends() -> None:
    from torch.nn.attention import SDPBackend as Theirs, sdpa_kernel as their_kernel

    from pycore.nn.attention import SDPBackend, sdpa_kernel

    assert {b.name: int(b) for b in SDPBackend} == {
        k: int(v) for k, v in Theirs.__members__.items()
    }
    assert repr(SDPBackend.MATH) == repr(Theirs.MATH) and str(SDPBackend.MATH) == str(Theirs.MATH)
    for name in Theirs.__members__:
        results = []
        for t, enum, kernel in (
            (pycore, SDPBackend, sdpa_kernel),
            (torch, Theirs, their_kernel),
        ):
            x = t.ones(1, 1, 2, 4)
            try:
                with kernel(enum[name] if t is pycore else enum.__members__[name]):
                    results.append(t.nn.functional.scaled_dot_product_attention(x, x, x).tolist())
            except RuntimeError as error:
                results.append(str(error).split("\n")[0])
        assert results[0] == results[1]
