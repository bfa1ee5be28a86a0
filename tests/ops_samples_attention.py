"""Samples of attention; read through ops_samples.py."""

from __future__ import annotations

import numpy as np
from op_sample import T, f, values

add = T.add


def attention(q, k, v, mask=None, p=0.0, causal=False, *, scale=None, gqa=False):
    """Softmax attention in NumPy; queries that see no key get zeros."""
    if gqa:
        k = np.repeat(k, q.shape[-3] // k.shape[-3], -3)
        v = np.repeat(v, q.shape[-3] // v.shape[-3], -3)
    scores = q @ np.swapaxes(k, -1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    if causal:
        future = np.arange(k.shape[-2]) > np.arange(q.shape[-2])[:, None]
        scores = np.where(future, -np.inf, scores)
    top = scores.max(-1, keepdims=True)
    e = np.exp(scores - np.where(np.isinf(top), 0, top))
    total = e.sum(-1, keepdims=True)
    return np.where(total > 0, e / np.where(total > 0, total, 1), 0) @ v


SDPA = "nn.scaled_dot_product_attention"
SEEN = values([[True, False, True, True, False], [False] * 5, [True] * 5, [False] * 4 + [True]])
PADDING = values([[[[True, True, True, False, False]]], [[[True, True, True, True, False]]]])


def gqa(q, k, v, *, enable_gqa):
    return attention(q, k, v, gqa=enable_gqa)


add(SDPA, f(2, 2, 4, 3), f(2, 2, 5, 3), f(2, 2, 5, 3), ref=attention, tol=4)
add(SDPA, f(4, 3), f(5, 3), f(5, 2), ref=attention, tol=4)
add(SDPA, f(2, 4, 3), f(2, 5, 3), f(2, 5, 3), SEEN, ref=attention, tol=4)
add(SDPA, f(2, 2, 4, 3), f(2, 2, 5, 3), f(2, 2, 5, 3), PADDING, ref=attention, tol=4)
add(SDPA, f(2, 2, 4, 3), f(2, 2, 5, 3), f(2, 2, 5, 3), f(4, 5), ref=attention, tol=4)
add(SDPA, f(2, 4, 3), f(2, 5, 3), f(2, 5, 3), f(2, 1, 5, grad=False), ref=attention, tol=4)
add(SDPA, f(2, 4, 3), f(2, 5, 3), f(2, 5, 3), None, 0.0, True, ref=attention, tol=4)
add(SDPA, f(6, 3), f(2, 4, 3), f(2, 4, 5), ref=attention, kw={"scale": -0.7}, tol=4)
add(SDPA, f(2, 40, 9), f(2, 37, 9), f(2, 37, 18), None, 0.0, True, ref=attention, tol=10,
    grad=False)  # fmt: skip
add(SDPA, f(4, 3, 2), f(2, 5, 2), f(2, 5, 2), ref=gqa, kw={"enable_gqa": True}, tol=4)
add(SDPA, f(2, 0, 3), f(2, 5, 3), f(2, 5, 3), ref=attention)


def heads(q, k, v, count, attn_mask=None, padding=None, p=0.0, causal=False, first=True,
          result_first=True):  # fmt: skip
    """Projections with `count` heads side by side, and the masks of multi-head attention."""
    if k is None:
        q, k, v = np.split(q, 3, -1)
    elif v is None:
        k, v = np.split(k, 2, -1)
    if not first:
        q, k, v = (np.swapaxes(t, 0, 1) for t in (q, k, v))
    split = lambda t: np.swapaxes(t.reshape(*t.shape[:2], count, -1), 1, 2)  # noqa: E731
    added = lambda m: np.where(m, -np.inf, 0.0) if m.dtype == bool else m  # noqa: E731
    batch, queries, keys = q.shape[0], q.shape[1], k.shape[1]
    mask = np.zeros((batch, count, queries, keys))
    if attn_mask is not None:
        m = added(attn_mask)
        mask = mask + (m.reshape(batch, count, queries, keys) if m.ndim == 3 else m)
    if padding is not None:
        mask = mask + added(padding)[:, None, None, :]
    out = attention(split(q), split(k), split(v), mask, p, causal)
    out = np.swapaxes(out, 1, 2).reshape(q.shape)
    return out if result_first else np.swapaxes(out, 0, 1)


HEADS = "nn._attention_heads"
HIDDEN = values([[False, False, True, False], [False, True, True, True], [False] * 4])
PADDED = values([[False, False, True, True], [False] * 4])
own = {"ref": heads, "torch": False, "tol": 4}
add(HEADS, f(2, 3, 12), None, None, 2, **own)
add(HEADS, f(3, 2, 12), None, None, 2, None, None, 0.0, True, False, False, **own)
add(HEADS, f(2, 3, 4), f(2, 4, 8), None, 2, HIDDEN, PADDED, **own)
add(HEADS, f(2, 3, 4), f(2, 4, 4), f(2, 4, 4), 2, f(4, 3, 4, grad=False), **own)
add(HEADS, f(3, 2, 4), f(4, 2, 8), None, 4, None, PADDED, 0.0, False, False, True, **own)
