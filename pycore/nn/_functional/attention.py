"""Multi-head attention (Vaswani et al. 2017) and the handling of its masks.

Knows tensors and the functional forms; must not know modules. Where no weights are asked for, the
heads go through one fused operator between the projections and are never copied.
"""

from __future__ import annotations

import math
import warnings

from ... import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor
_nn = _C._nn
_linear = _nn.linear


def _none_or_dtype(input: Tensor | None) -> Any:
    if input is None:
        return None
    if isinstance(input, Tensor):
        return input.dtype
    raise RuntimeError("input to _none_or_dtype() must be None or torch.Tensor")


def _check_mask_type(
    mask: Tensor, mask_name: str, other_type: Any, other_name: str, stacklevel: int
) -> None:
    dtype = mask.dtype
    if dtype != _C.bool and not dtype.is_floating_point:
        raise AssertionError(f"only bool and floating types of {mask_name} are supported")
    if other_type is not None and dtype != other_type:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. "
            "Use same type for both instead.",
            stacklevel=stacklevel + 1,
        )


def _canonical_mask(
    mask: Tensor | None,
    mask_name: str,
    other_type: Any,
    other_name: str,
    target_type: Any,
    check_other: bool = True,
) -> Tensor | None:
    """A mask as numbers to add: -inf where a bool one is True; floating ones stay as they are."""
    if mask is None:
        return None
    _check_mask_type(mask, mask_name, other_type if check_other else None, other_name, 3)
    if mask.dtype == _C.bool:
        return _C.zeros_like(mask, dtype=target_type).masked_fill_(mask, -math.inf)
    return mask


def _check_shapes(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None,
    attn_mask: Tensor | None,
    num_heads: int,
) -> bool:
    """Whether the input has a batch dimension; AssertionError where dimensions do not go together."""
    dims = query.dim()
    if dims not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {dims}-D query tensor"
        )
    kind = "batched (3-D)" if dims == 3 else "unbatched (2-D)"
    if key.dim() != dims or value.dim() != dims:
        raise AssertionError(
            f"For {kind} `query`, expected `key` and `value` to be {dims}-D"
            f" but found {key.dim()}-D and {value.dim()}-D tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.dim() != dims - 1:
        raise AssertionError(
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {dims - 1}-D"
            f" but found {key_padding_mask.dim()}-D tensor instead"
        )
    if attn_mask is not None:
        if attn_mask.dim() not in (2, 3):
            raise AssertionError(
                f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D"
                f" but found {attn_mask.dim()}-D tensor instead"
            )
        if dims == 2 and attn_mask.dim() == 3:
            expected = (num_heads, query.shape[0], key.shape[0])
            if attn_mask.shape != expected:
                raise AssertionError(
                    f"Expected `attn_mask` shape to be {expected} but got {attn_mask.shape}"
                )
    return dims == 3


def _check_attn_mask(mask: Tensor, batch: int, heads: int, queries: int, keys: int) -> None:
    dims = mask.dim()
    expected = (queries, keys) if dims == 2 else (batch * heads, queries, keys)
    if mask.shape != expected:
        raise RuntimeError(
            f"The shape of the {dims}D attn_mask is {mask.shape}, but should be {expected}."
        )


def _check_key_padding_mask(mask: Tensor, batch: int, keys: int) -> None:
    for dim, size in enumerate((batch, keys)):
        if mask.shape[dim] != size:
            raise AssertionError(
                f"Expected key_padded_mask.shape[{dim}] to be {size}, but got {mask.shape[dim]}"
            )


def _check_separate_weights(query: Tensor, others: Any, bias: Tensor | None) -> None:
    width = query.size(-1)
    for name, input, weight in others:
        expected = (width, input.size(-1))
        if weight.shape != expected:
            raise AssertionError(
                f"expecting {name} weights shape of {expected}, but got {weight.shape}"
            )
    if bias is not None and bias.shape != (3 * width,):
        raise AssertionError(f"expecting query bias shape of {(width,)}, but got {bias.shape}")


def _projections(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    weight: Tensor | None,
    separate: tuple[Tensor | None, Tensor | None, Tensor | None] | None,
    bias: Tensor | None,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Queries, keys and values; None stands for those that lie in the tensor before, side by side."""
    width = query.size(-1)
    if separate is not None:
        for name, w in zip(("q", "k", "v"), separate, strict=True):
            if w is None:
                raise AssertionError(
                    f"use_separate_proj_weight is True but {name}_proj_weight is None"
                )
        inputs = (query, key, value)
        named = zip(("query", "key", "value"), inputs, separate, strict=True)
        _check_separate_weights(query, named, bias)
        biases = (None, None, None) if bias is None else bias.chunk(3)
        return tuple(map(_linear, inputs, separate, biases))
    if weight is None:
        raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
    if key is value:
        if query is key:
            return _linear(query, weight, bias), None, None
        w_q, w_kv = weight.split([width, 2 * width])
        b_q, b_kv = (None, None) if bias is None else bias.split([width, 2 * width])
        return _linear(query, w_q, b_q), _linear(key, w_kv, b_kv), None
    biases = (None, None, None) if bias is None else bias.chunk(3)
    return tuple(map(_linear, (query, key, value), weight.chunk(3), biases))


def _unpacked(
    q: Tensor, k: Tensor | None, v: Tensor | None, width: int
) -> tuple[Tensor, Tensor, Tensor]:
    if k is None:
        return q.split(width, -1)
    if v is None:
        return q, *k.split(width, -1)
    return q, k, v


def multi_head_attention(
    batch_first: bool,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool,
    key_padding_mask: Tensor | None,
    need_weights: bool,
    attn_mask: Tensor | None,
    separate: tuple[Tensor | None, Tensor | None, Tensor | None] | None,
    static_k: Tensor | None,
    static_v: Tensor | None,
    average_attn_weights: bool,
    is_causal: bool,
) -> tuple[Tensor, Tensor | None]:
    """`multi_head_attention_forward` with the batch first or second."""
    is_batched = _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not is_batched:
        batch_first = False
        same_key, same_value = query is key, key is value
        query = query.unsqueeze(1)
        key = query if same_key else key.unsqueeze(1)
        value = key if same_value else value.unsqueeze(1)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)

    if batch_first:
        batch, queries, width = query.shape
        keys = key.shape[1]
    else:
        queries, batch, width = query.shape
        keys = key.shape[0]
    if key_padding_mask is not None:
        _check_mask_type(
            key_padding_mask, "key_padding_mask", _none_or_dtype(attn_mask), "attn_mask", 3
        )
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module "
            "method `generate_square_subsequent_mask` to create this mask."
        )
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None  # the hint says it all
    else:
        if attn_mask is not None:
            _check_mask_type(attn_mask, "attn_mask", None, "", 3)
        is_causal = False
    if width != embed_dim:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim}, but got {width}")
    if width % num_heads != 0:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    if separate is None:
        if key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
    elif key.shape[:2] != value.shape[:2]:
        raise AssertionError(
            f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}"
        )
    if attn_mask is not None:
        _check_attn_mask(attn_mask, batch, num_heads, queries, keys)

    q, k, v = _projections(query, key, value, in_proj_weight, separate, in_proj_bias)
    weights = None
    if not training:
        dropout_p = 0.0
    plain = bias_k is None and bias_v is None and static_k is None and static_v is None
    mask_grad = (attn_mask is not None and attn_mask.requires_grad) or (
        key_padding_mask is not None and key_padding_mask.requires_grad
    )
    if plain and not need_weights and not add_zero_attn and not mask_grad:
        if key_padding_mask is not None:
            _check_key_padding_mask(key_padding_mask, batch, keys)
        out = _nn._attention_heads(
            q, k, v, num_heads, attn_mask, key_padding_mask, dropout_p, is_causal, batch_first,
            batch_first and not training,
        )  # fmt: skip
        turned = batch_first and training
    else:
        out, weights = _composed(
            _unpacked(q, k, v, width), batch_first, batch, num_heads, (bias_k, bias_v),
            (static_k, static_v), add_zero_attn, dropout_p, attn_mask, key_padding_mask,
            need_weights, is_causal,
        )  # fmt: skip
        turned = batch_first
    out = _linear(out, out_proj_weight, out_proj_bias)
    if turned:
        # In memory the sequence comes first, as in PyTorch: a dropout that follows draws its
        # numbers in that order.
        out = out.transpose(0, 1)
    if weights is not None and average_attn_weights:
        weights = weights.mean(dim=1)
    if not is_batched:
        out = out.squeeze(1)
        if weights is not None:
            weights = weights.squeeze(0)
    return out, weights


def _composed(
    parts: tuple[Tensor, Tensor, Tensor],
    batch_first: bool,
    batch: int,
    heads: int,
    biases: tuple[Tensor | None, Tensor | None],
    statics: tuple[Tensor | None, Tensor | None],
    add_zero_attn: bool,
    dropout_p: float,
    attn_mask: Tensor | None,
    key_padding_mask: Tensor | None,
    need_weights: bool,
    is_causal: bool,
) -> tuple[Tensor, Tensor | None]:
    """Every option, composed of operators; heads are (batch, heads, length, depth).

    The result is (queries, batch, embedding), the weights (batch, heads, queries, keys).
    """
    q, k, v = parts
    if biases[0] is not None and biases[1] is not None:
        if statics[0] is not None:
            raise AssertionError("bias cannot be added to static key.")
        if statics[1] is not None:
            raise AssertionError("bias cannot be added to static value.")
        k, v = (_with_bias(t, b, batch_first) for t, b in zip((k, v), biases, strict=True))
        attn_mask, key_padding_mask = _one_key_more(attn_mask), _one_key_more(key_padding_mask)
    elif biases[0] is not None:
        raise AssertionError("bias_k is set but bias_v is None")
    elif biases[1] is not None:
        raise AssertionError("bias_v is set but bias_k is None")

    depth = q.size(-1) // heads
    q = _split_heads(q, heads, batch_first)
    k = _split_heads(k, heads, batch_first) if statics[0] is None else _static(
        statics[0], "static_k", batch, heads, depth
    )  # fmt: skip
    v = _split_heads(v, heads, batch_first) if statics[1] is None else _static(
        statics[1], "static_v", batch, heads, depth
    )  # fmt: skip
    if add_zero_attn:
        zeros = k.new_zeros(batch, heads, 1, depth)
        k, v = _C.cat([k, zeros], 2), _C.cat([v, zeros], 2)
        attn_mask, key_padding_mask = _one_key_more(attn_mask), _one_key_more(key_padding_mask)

    mask = _merged_mask(attn_mask, key_padding_mask, batch, heads, k.size(2), q.dtype)
    weights = None
    if need_weights:
        scores = q * math.sqrt(1.0 / depth) @ k.transpose(-2, -1)
        weights = _C.softmax(scores if mask is None else scores + mask, -1)
        if dropout_p > 0.0:
            weights = _nn.dropout(weights, dropout_p)
        out = weights @ v
    else:
        out = _nn.scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal)
    return out.permute(2, 0, 1, 3).flatten(2), weights


def _with_bias(t: Tensor, bias: Tensor, batch_first: bool) -> Tensor:
    if batch_first:
        return _C.cat([t, bias.expand(t.size(0), 1, -1)], 1)
    return _C.cat([t, bias.expand(1, t.size(1), -1)])


def _one_key_more(mask: Tensor | None) -> Tensor | None:
    return None if mask is None else _nn.pad(mask, (0, 1))


def _split_heads(t: Tensor, heads: int, batch_first: bool) -> Tensor:
    t = t.unflatten(-1, (heads, t.size(-1) // heads))
    return t.transpose(1, 2) if batch_first else t.permute(1, 2, 0, 3)


def _static(t: Tensor, name: str, batch: int, heads: int, depth: int) -> Tensor:
    for dim, size in ((0, batch * heads), (2, depth)):
        if t.size(dim) != size:
            raise AssertionError(f"expecting {name}.size({dim}) of {size}, but got {t.size(dim)}")
    return t.unflatten(0, (batch, heads))


def _merged_mask(
    attn_mask: Tensor | None,
    key_padding_mask: Tensor | None,
    batch: int,
    heads: int,
    keys: int,
    dtype: Any,
) -> Tensor | None:
    """Both masks as numbers to add to (batch, heads, queries, keys)."""
    attn_mask = _canonical_mask(attn_mask, "attn_mask", None, "", dtype)
    if attn_mask is not None and attn_mask.dim() == 3:
        attn_mask = attn_mask.unflatten(0, (batch, heads))
    if key_padding_mask is None:
        return attn_mask
    _check_key_padding_mask(key_padding_mask, batch, keys)
    padding = _canonical_mask(key_padding_mask, "key_padding_mask", None, "", dtype)
    padding = padding.view(batch, 1, 1, keys)
    return padding if attn_mask is None else attn_mask + padding


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Project, attend with `num_heads` heads, project back (Vaswani et al. 2017).

    `query` (L, N, E) or (L, E), `key` and `value` (S, N, E) or (S, E), give (L, N, E) and, with
    `need_weights`, the probabilities (N, L, S), averaged over the heads, or (N, heads, L, S).
    `key_padding_mask` (N, S) and `attn_mask` (L, S) or (N * heads, L, S) hide keys where a bool
    mask is True, or are added to the scores. `is_causal` is a hint that `attn_mask` is the causal
    one. AssertionError for shapes that do not fit. See `nn.MultiheadAttention`.

    >>> import pycore
    >>> x, w = pycore.ones(3, 2, 4), pycore.eye(4)
    >>> out, weights = pycore.nn.functional.multi_head_attention_forward(
    ...     x, x, x, 4, 2, w.repeat(3, 1), None, None, None, False, 0.0, w, None
    ... )
    >>> out.shape, weights.shape
    (pycore.Size([3, 2, 4]), pycore.Size([2, 3, 3]))
    """
    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    return multi_head_attention(
        False, query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias,
        bias_k, bias_v, add_zero_attn, dropout_p, out_proj_weight, out_proj_bias, training,
        key_padding_mask, need_weights, attn_mask, separate, static_k, static_v,
        average_attn_weights, is_causal,
    )  # fmt: skip
