"""Samples of neural-network operators; read through ops_samples.py."""

from __future__ import annotations

import itertools
import math

import numpy as np
from op_sample import T, f, index, values

add = T.add
erf = np.vectorize(math.erf, otypes=[float])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x, beta=1.0):
    return np.logaddexp(0, beta * x) / beta


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def log_softmax(x, axis=-1):
    x = x - x.max(axis=axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=axis, keepdims=True))


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(x))


SELU = (1.0507009873554805, 1.6732632423543772)
ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "hardtanh": lambda x: np.clip(x, -1, 1),
    "hardsigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hardswish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "elu": elu,
    "selu": lambda x: SELU[0] * elu(x, SELU[1]),
    "celu": elu,
    "gelu": lambda x: x * 0.5 * (1 + erf(x / math.sqrt(2))),
    "silu": lambda x: x * sigmoid(x),
    "softplus": softplus,
    "mish": lambda x: x * np.tanh(softplus(x)),
    "logsigmoid": lambda x: -softplus(-x),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "tanhshrink": lambda x: x - np.tanh(x),
    "hardshrink": lambda x: np.where(np.abs(x) > 0.5, x, 0),
    "softshrink": lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0),
}
for name, ref in ACTIVATIONS.items():
    for op in ("nn." + name, name):
        if op in ("relu", "selu", "celu", "hardshrink") or op[:3] == "nn.":
            add(op, f(3, 4, lo=-3, hi=3), ref=ref, tol=4)
            add(op, f(0, 2), ref=ref)
add("nn.leaky_relu", f(4), 0.2, ref=lambda x, a: np.where(x > 0, x, a * x))
add("nn.hardtanh", f(4), -0.5, 0.75, ref=np.clip)
add("nn.elu", f(4), 0.5, ref=elu)
add("nn.celu", f(4), 0.5, ref=lambda x, a: np.where(x > 0, x, a * np.expm1(x / a)))
add(
    "nn.gelu",
    f(4),
    kw={"approximate": "tanh"},
    tol=4,
    ref=lambda x, approximate: (
        0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    ),
)
add("nn.softplus", f(4), 2.0, ref=softplus)
for name in ("threshold", "nn.threshold"):
    add(name, f(5), 0.3, -1.0, ref=lambda x, t, v: np.where(x > t, x, v))
for name in ("prelu", "nn.prelu"):
    add(name, f(2, 3), f(1), ref=lambda x, w: np.where(x > 0, x, w * x))
    add(name, f(2, 3, 2), f(3), ref=lambda x, w: np.where(x > 0, x, w[:, None] * x))
add("nn.glu", f(2, 4), ref=lambda x: x[:, :2] * sigmoid(x[:, 2:]))
for name, ref in {"softmax": softmax, "log_softmax": log_softmax}.items():
    for op in (name, "special." + name):
        add(op, f(2, 3), 1, ref=ref)
        add(op, f(2, 3, 2), 1, ref=ref)
        add(op, f(0, 3), 1, ref=lambda x, d: x)

# --- linear, convolution, pooling -----------------------------------------------------------------

add("nn.linear", f(2, 3), f(4, 3), f(4), ref=lambda x, w, c: x @ w.T + c)
add("nn.linear", f(2, 2, 3), f(4, 3), ref=lambda x, w: x @ w.T)
add("nn.linear", f(3), f(4, 3), f(4), ref=lambda x, w, c: x @ w.T + c)


def tuple_of(x, n):
    return (x,) * n if isinstance(x, int) else tuple(x)


def conv(x, w, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """One output position at a time, for any number of dimensions."""
    n = w.ndim - 2
    stride, padding, dilation = (tuple_of(v, n) for v in (stride, padding, dilation))
    x = np.pad(x, [(0, 0), (0, 0)] + [(p, p) for p in padding])
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, w.shape[2:], strict=True)]
    sizes = [(s - r) // t + 1 for s, r, t in zip(x.shape[2:], reach, stride, strict=True)]
    out = np.zeros((x.shape[0], w.shape[0], *sizes))
    per = w.shape[0] // groups
    channels = w.shape[1]
    for o in range(w.shape[0]):
        g = o // per
        for at in np.ndindex(*sizes):
            window = tuple(
                slice(a * t, a * t + r, d)
                for a, t, r, d in zip(at, stride, reach, dilation, strict=True)
            )
            part = x[(slice(None), slice(g * channels, (g + 1) * channels), *window)]
            out[(slice(None), o, *at)] = (part * w[o]).reshape(x.shape[0], -1).sum(1)
    return out if bias is None else out + bias.reshape(-1, *(1,) * n)


def conv_transpose(x, w, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Every input element stamps the kernel on the output."""
    n = w.ndim - 2
    stride, padding, extra, dilation = (
        tuple_of(v, n) for v in (stride, padding, output_padding, dilation)
    )
    full = [
        (s - 1) * t + d * (k - 1) + 1 + e
        for s, t, d, k, e in zip(x.shape[2:], stride, dilation, w.shape[2:], extra, strict=True)
    ]
    out = np.zeros((x.shape[0], w.shape[1] * groups, *full))
    per = x.shape[1] // groups
    for c in range(x.shape[1]):
        g = c // per
        channels = slice(g * w.shape[1], (g + 1) * w.shape[1])
        for at in np.ndindex(*x.shape[2:]):
            where = tuple(
                slice(a * t, a * t + d * (k - 1) + 1, d)
                for a, t, d, k in zip(at, stride, dilation, w.shape[2:], strict=True)
            )
            out[(slice(None), channels, *where)] += (
                x[(slice(None), c, *at)].reshape(-1, 1, *(1,) * n) * w[c]
            )
    cut = tuple(slice(p, s - p) for p, s in zip(padding, full, strict=True))
    out = out[(slice(None), slice(None), *cut)]
    return out if bias is None else out + bias.reshape(-1, *(1,) * n)


for n, size in ((1, (5,)), (2, (4, 5)), (3, (2, 3, 3))):
    kernel = (2,) * n
    add(f"nn.conv{n}d", f(2, 2, *size), f(3, 2, *kernel), f(3), ref=conv, tol=4)
    add(
        f"nn.conv_transpose{n}d",
        f(1, 2, *size),
        f(2, 2, *kernel),
        f(2),
        ref=conv_transpose,
        tol=4,
    )
add("nn.conv1d", f(1, 4, 6), f(4, 2, 3), None, 2, 1, 1, 2, ref=conv, tol=4)
add("nn.conv2d", f(1, 4, 5, 5), f(2, 2, 3, 2), f(2), 2, (1, 0), (1, 2), 2, ref=conv, tol=4)
add(
    "nn.conv_transpose2d", f(1, 2, 3, 3), f(2, 1, 3, 3), None, 2, 1, 1, 2, ref=conv_transpose, tol=4
)


def pool(reduce, fill=0.0):
    def run(x, kernel, stride=None, padding=0):
        n = x.ndim - 2
        kernel = tuple_of(kernel, n)
        stride = kernel if stride is None else tuple_of(stride, n)
        padding = tuple_of(padding, n)
        x = np.pad(x, [(0, 0), (0, 0)] + [(p, p) for p in padding], constant_values=fill)
        sizes = [(s - k) // t + 1 for s, k, t in zip(x.shape[2:], kernel, stride, strict=True)]
        out = np.zeros((*x.shape[:2], *sizes))
        for at in np.ndindex(*sizes):
            window = tuple(
                slice(a * t, a * t + k) for a, t, k in zip(at, stride, kernel, strict=True)
            )
            part = x[(slice(None), slice(None), *window)].reshape(*x.shape[:2], -1)
            out[(slice(None), slice(None), *at)] = reduce(part, axis=-1)
        return out

    return run


POOLS = {"max": pool(np.max, -np.inf), "min": pool(np.min, np.inf), "avg": pool(np.mean)}
for n, size in ((1, (6,)), (2, (4, 5)), (3, (2, 4, 3))):
    for kind, ref in POOLS.items():
        add(f"nn.{kind}_pool{n}d", f(2, 2, *size), 2, ref=ref, torch=kind != "min")
        if n < 3:
            add(f"nn.{kind}_pool{n}d", f(1, 2, *size), 3, 2, 1, ref=ref, torch=kind != "min")
    even = tuple(2 * (s // 2) for s in size)
    halves = tuple(s // 2 for s in even)
    add(f"nn.adaptive_avg_pool{n}d", f(1, 2, *even), halves, ref=lambda x, s: POOLS["avg"](x, 2))
    add(f"nn.adaptive_max_pool{n}d", f(1, 2, *even), halves, ref=lambda x, s: POOLS["max"](x, 2))

# --- normalisation --------------------------------------------------------------------------------


def norm_over(x, axes, eps=1e-5):
    return (x - x.mean(axis=axes, keepdims=True)) / np.sqrt(x.var(axis=axes, keepdims=True) + eps)


add(
    "nn.batch_norm",
    f(4, 3),
    None,
    None,
    f(3),
    f(3),
    True,
    tol=4,
    ref=lambda x, m, v, w, c, t: norm_over(x, 0) * w + c,
)
add(
    "nn.batch_norm",
    f(2, 3, 2),
    f(3, grad=False),
    f(3, lo=0.5, grad=False),
    f(3),
    f(3),
    False,
    tol=4,
    ref=lambda x, m, v, w, c, t: (
        (x - m[:, None]) / np.sqrt(v[:, None] + 1e-5) * w[:, None] + c[:, None]
    ),
)
add(
    "nn.instance_norm",
    f(2, 3, 4),
    None,
    None,
    f(3),
    f(3),
    tol=4,
    ref=lambda x, m, v, w, c: norm_over(x, 2) * w[:, None] + c[:, None],
)
add(
    "nn.instance_norm",
    f(2, 3, 4),
    f(3, grad=False),
    f(3, lo=0.5, grad=False),
    kw={"use_input_stats": False},
    tol=4,
    ref=lambda x, m, v, use_input_stats: (x - m[:, None]) / np.sqrt(v[:, None] + 1e-5),
)
add(
    "nn.layer_norm",
    f(2, 4),
    (4,),
    f(4),
    f(4),
    ref=lambda x, s, w, c: norm_over(x, -1) * w + c,
    tol=4,
)
add("nn.layer_norm", f(2, 3, 2), (3, 2), ref=lambda x, s: norm_over(x, (1, 2)), tol=4)
add(
    "nn.rms_norm",
    f(2, 4),
    (4,),
    f(4),
    1e-5,
    ref=lambda x, s, w, e: x / np.sqrt((x * x).mean(-1, keepdims=True) + e) * w,
    tol=4,
)
add(
    "nn.group_norm",
    f(2, 4, 3),
    2,
    f(4),
    f(4),
    tol=4,
    ref=lambda x, g, w, c: (
        norm_over(x.reshape(2, 2, 6), 2).reshape(2, 4, 3) * w[:, None] + c[:, None]
    ),
)

# --- losses ---------------------------------------------------------------------------------------


def reduced(values, reduction="mean"):
    return {"mean": np.mean, "sum": np.sum, "none": lambda v: v}[reduction](values)


LOSSES = {
    "mse_loss": lambda x, y: (x - y) ** 2,
    "l1_loss": lambda x, y: np.abs(x - y),
    "smooth_l1_loss": lambda x, y: np.where(
        np.abs(x - y) < 1, 0.5 * (x - y) ** 2, np.abs(x - y) - 0.5
    ),
    "huber_loss": lambda x, y: np.where(np.abs(x - y) < 1, 0.5 * (x - y) ** 2, np.abs(x - y) - 0.5),
}
for name, ref in LOSSES.items():
    add("nn." + name, f(2, 3), f(2, 3), ref=lambda x, y, ref=ref: np.mean(ref(x, y)))
    for how in ("none", "sum"):
        add(
            "nn." + name,
            f(2, 3),
            f(2, 3),
            kw={"reduction": how},
            ref=lambda x, y, reduction, ref=ref: reduced(ref(x, y), reduction),
        )
add(
    "nn.binary_cross_entropy",
    f(5, lo=0.1, hi=0.9),
    f(5, lo=0, hi=1, grad=False),
    tol=4,
    ref=lambda x, y: -np.mean(y * np.log(x) + (1 - y) * np.log(1 - x)),
)
add(
    "nn.binary_cross_entropy_with_logits",
    f(5),
    f(5, lo=0, hi=1, grad=False),
    tol=4,
    ref=lambda x, y: np.mean(softplus(x) - x * y),
)
add(
    "nn.kl_div",
    f(2, 3),
    f(2, 3, lo=0.1, hi=1, grad=False),
    kw={"reduction": "sum"},
    ref=lambda x, y, reduction: np.sum(y * (np.log(y) - x)),
    tol=4,
)
TARGET = index([2, 0])
for name, ref in {"nll_loss": lambda x: x, "cross_entropy": log_softmax}.items():
    pick = lambda x, y, ref=ref: -ref(x)[np.arange(2), y]  # noqa: E731
    add("nn." + name, f(2, 3), TARGET, ref=lambda x, y, pick=pick: pick(x, y).mean())
    add(
        "nn." + name,
        f(2, 3),
        TARGET,
        kw={"reduction": "none"},
        ref=lambda x, y, reduction, pick=pick: pick(x, y),
    )
    add(
        "nn." + name,
        f(2, 3),
        TARGET,
        f(3, lo=0.5, grad=False),
        ref=lambda x, y, w, pick=pick: (pick(x, y) * w[y]).sum() / w[y].sum(),
    )
add(
    "nn.cross_entropy",
    f(2, 3),
    values(softmax(np.array([[0.1, 0.7, -0.4], [1.0, 0.0, 0.3]])).tolist(), grad=False),
    ref=lambda x, y: -(y * log_softmax(x)).sum(1).mean(),
)
add("nn.embedding", index([[0, 2], [2, 1]]), f(3, 2), ref=lambda k, w: w[k])
add("nn.one_hot", index([0, 2, 1]), ref=lambda k: np.eye(3, dtype=int)[k])


# --- bags of rows ---------------------------------------------------------------------------------


def bags(
    w, k, offsets, frequency=False, mode=0, sparse=False, scale=None, last=False, padding=None
):
    ends = [*offsets[1:], len(k)] if not last else offsets[1:]
    reduce = (np.sum, np.mean, np.max)[mode]
    out, sizes, where = [], [], []
    for begin, end in zip(offsets, ends, strict=False):
        kept = [i for i in range(begin, end) if padding is None or k[i] != padding % len(w)]
        rows = np.array([w[k[i]] * (1 if scale is None else scale[i]) for i in kept])
        out.append(reduce(rows, 0) if kept else np.zeros(w.shape[1]))
        sizes.append(len(kept))
        where.append([k[kept[i]] for i in rows.argmax(0)] if kept and mode == 2 else 0)
    of = [max(b for b, o in enumerate(offsets) if o <= i) for i in range(len(k))]
    if mode == 2:
        where = [w if w else [-1] * out[0].size for w in where]
    return np.array(out), np.array(of), np.array(sizes), np.array(where)


BAG = (index([0, 3, 1, 3, 2, 0]), index([0, 2, 5]))
for mode in (0, 1, 2):
    add("embedding_bag", f(4, 3), *BAG, False, mode, ref=bags, torch=False)
    add("embedding_bag", f(4, 3), *BAG, False, mode, False, None, False, -1, ref=bags, torch=False)
add("embedding_bag", f(4, 3), *BAG, False, 0, False, f(6), ref=bags, torch=False)
add("embedding_bag", f(4, 3), BAG[0], index([0, 2, 6]), kw={"mode": 1}, torch=False,
    ref=lambda w, k, o, mode: bags(w, k, o, mode=mode))  # fmt: skip


def renormed(w, k, limit, p):
    norm = (np.abs(w) ** p).sum(1, keepdims=True) ** (1 / p)
    asked = np.isin(np.arange(len(w)), k)[:, None]
    return np.where(asked & (norm > limit), w * (limit / (norm + 1e-7)), w)


add("embedding_renorm_", f(4, 3, grad=False), index([0, 3, 0]), 0.5, 2.0, ref=renormed, grad=False)


# --- sequences ------------------------------------------------------------------------------------


def spelled(path, blank):
    """A path without repetitions and blanks."""
    kept = [c for i, c in enumerate(path) if i == 0 or c != path[i - 1]]
    return [c for c in kept if c != blank]


def ctc(x, targets, steps, lengths, blank=0, reduction=0, zero_infinity=False):
    """By trying all paths."""
    losses, first = [], 0
    for n, (t, length) in enumerate(zip(steps, lengths, strict=True)):
        target = targets[n, :length] if targets.ndim == 2 else targets[first : first + length]
        first += length
        total = sum(
            math.exp(sum(x[i, n, c] for i, c in enumerate(path)))
            for path in itertools.product(range(x.shape[2]), repeat=t)
            if spelled(path, blank) == list(target)
        )
        losses.append(-math.log(total) if total else (0.0 if zero_infinity else math.inf))
    losses = np.array(losses)
    if reduction == 1:
        return (losses / np.maximum(lengths, 1)).mean()
    return losses if reduction == 0 else losses.sum()


SPELL = index([[1, 2, 2], [2, 1, 0]])
# The derivative supposes a log_softmax before it: test_rare_layers.py has it.
ctc_options = {"ref": ctc, "grad": False, "tol": 4}
add("ctc_loss", f(4, 2, 3), SPELL, [4, 3], [3, 2], **ctc_options)
add("ctc_loss", f(4, 2, 3), SPELL, [4, 3], [2, 1], 0, 1, **ctc_options)
add("ctc_loss", f(4, 2, 3), index([1, 2, 2]), index([4, 3]), index([1, 2]), 0, 2, **ctc_options)
add("ctc_loss", f(4, 2, 3), index([[0, 1], [0, 0]]), [4, 2], [0, 2], 2, 0, True, **ctc_options)
