"""Samples of activations, reductions, scans, losses and normalisations for their tests.

Each sample calls an operator of either package on float tensors of the given shapes. Knows no test
framework.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple


class Sample(NamedTuple):
    name: str
    call: Callable[..., Any]  # (package, functional, *tensors)
    shapes: tuple[tuple[int, ...], ...] = ((2, 3, 4),)
    node: str = ""  # name of grad_fn, as in PyTorch
    domain: str = "real"  # "real", "positive", "unit" (between 0 and 1), "zeros" (some are zero)
    second: bool = True  # gradgradcheck applies

    def __str__(self) -> str:
        return self.name


def values(shape: tuple[int, ...], domain: str, seed: int = 3) -> list[float]:
    """Distinct, well separated numbers, so that finite differences do not change an order."""
    count = math.prod(shape)
    order = sorted(range(count), key=lambda i: (i + 1 + 31 * seed) * 2654435761 % 4294967291)
    shift = seed / 29
    if domain == "unit":
        return [(i + 1 + shift / 2) / (count + 2) for i in order]
    if domain == "positive":
        return [(i + 1 + shift) / 7 for i in order]
    if domain == "zeros":
        return [0.0 if i % 5 == 0 else (i - count / 3) / 6 for i in order]
    return [(i - count / 2.3 + shift) / 5.3 for i in order]


def _act(name: str, node: str = "", **kwargs: Any) -> Sample:
    label = name + ("" if not kwargs else str(kwargs))
    return Sample(label, lambda t, F, x: getattr(F, name)(x, **kwargs), ((2, 3, 4),), node)


ACTIVATIONS = [
    Sample("Tensor.relu", lambda t, F, x: x.relu(), ((3, 4),), "ReluBackward0"),
    Sample("torch.relu", lambda t, F, x: t.relu(x), ((3, 4),), "ReluBackward0"),
    _act("relu", "ReluBackward0"),
    _act("relu6", "HardtanhBackward0"),
    _act("leaky_relu", "LeakyReluBackward0"),
    _act("leaky_relu", negative_slope=0.3),
    _act("elu", "EluBackward0"),
    _act("elu", alpha=1.7),
    _act("selu", "EluBackward0"),
    _act("celu", "CeluBackward0"),
    _act("celu", alpha=0.6),
    _act("gelu", "GeluBackward0"),
    _act("gelu", approximate="tanh"),
    _act("silu", "SiluBackward0"),
    _act("mish", "MishBackward0"),
    _act("softplus", "SoftplusBackward0"),
    _act("softplus", beta=2.0, threshold=1.5),
    _act("hardtanh", "HardtanhBackward0"),
    _act("hardtanh", min_val=-0.5, max_val=1.3),
    _act("hardswish", "HardswishBackward0"),
    _act("hardsigmoid", "HardsigmoidBackward0"),
    _act("hardshrink", "HardshrinkBackward0"),
    _act("softshrink", "SoftshrinkBackward0"),
    _act("tanhshrink", "SubBackward0"),
    _act("softsign", "DivBackward0"),
    _act("threshold", "ThresholdBackward0", threshold=0.1, value=3.0),
    _act("logsigmoid", "LogSigmoidBackward0"),
    _act("sigmoid", "SigmoidBackward0"),
    _act("tanh", "TanhBackward0"),
    _act("glu", dim=2),
    Sample("prelu", lambda t, F, x, w: F.prelu(x, w), ((2, 3, 4), (3,)), "PreluKernelBackward0"),
    Sample("prelu one", lambda t, F, x, w: F.prelu(x, w), ((2, 3), (1,)), "PreluKernelBackward0"),
    Sample("softmax", lambda t, F, x: F.softmax(x, 1), ((2, 3, 4),), "SoftmaxBackward0"),
    Sample("softmax last", lambda t, F, x: x.softmax(-1), ((5, 37),), "SoftmaxBackward0"),
    Sample("softmax 0d", lambda t, F, x: x.softmax(0), ((),), "SoftmaxBackward0"),
    Sample("log_softmax", lambda t, F, x: F.log_softmax(x, 0), ((2, 3),), "LogSoftmaxBackward0"),
    Sample("log_softmax last", lambda t, F, x: t.log_softmax(x, -1), ((5, 37),)),
]


def _reduce(name: str, node_all: str, node_dim: str, domain: str = "real") -> list[Sample]:
    calls: list[tuple[str, Callable[..., Any]]] = [
        ("", lambda x: getattr(x, name)()),
        ("(1)", lambda x: getattr(x, name)(1)),
        ("(-1, keepdim)", lambda x: getattr(x, name)(-1, keepdim=True)),
        ("(0).T", lambda x: getattr(x.transpose(0, 2), name)(0)),
    ]
    if name not in ("prod", "max", "min"):
        calls.append(("((0, 2))", lambda x: getattr(x, name)((0, 2))))
    if name == "logsumexp":
        calls = calls[1:]

    def sample(suffix: str, function: Callable[..., Any], node: str) -> Sample:
        return Sample(name + suffix, lambda t, F, x: function(x), ((2, 3, 4),), node, domain)

    return [sample(s, f, node_all if not s else node_dim) for s, f in calls]


REDUCTIONS = [
    *_reduce("sum", "SumBackward0", "SumBackward1"),
    *_reduce("mean", "MeanBackward0", "MeanBackward1"),
    *_reduce("nansum", "NansumBackward0", "NansumBackward0"),
    *_reduce("nanmean", "DivBackward0", "DivBackward0"),
    *_reduce("prod", "ProdBackward0", "ProdBackward1"),
    *_reduce("prod", "ProdBackward0", "ProdBackward1", "zeros"),
    *_reduce("max", "MaxBackward1", "MaxBackward0"),
    *_reduce("min", "MinBackward1", "MinBackward0"),
    *_reduce("amax", "AmaxBackward0", "AmaxBackward0"),
    *_reduce("amin", "AminBackward0", "AminBackward0"),
    *_reduce("var", "VarBackward0", "VarBackward0"),
    *_reduce("std", "StdBackward0", "StdBackward0"),
    *_reduce("norm", "LinalgVectorNormBackward0", "LinalgVectorNormBackward0")[:1],
    *_reduce("logsumexp", "", "LogsumexpBackward0"),
    Sample("var unbiased", lambda t, F, x: x.var(1, False), ((3, 4),), "VarBackward0"),
    Sample("var correction", lambda t, F, x: t.var(x, 0, correction=2), ((5, 4),)),
    Sample("std of all, biased", lambda t, F, x: x.std(False), ((3, 4),)),
    Sample("std keepdim", lambda t, F, x: t.std(x, (0, 1), True, True), ((3, 4),)),
    Sample("var_mean", lambda t, F, x: sum(t.var_mean(x, 1)), ((3, 4),)),
    Sample("std_mean", lambda t, F, x: sum(t.std_mean(x, unbiased=False)), ((3, 4),)),
    Sample("max of two", lambda t, F, x, y: t.max(x, y), ((3, 4), (3, 4))),
    Sample("aminmax", lambda t, F, x: sum(x.aminmax(dim=1)), ((3, 4),)),
    Sample("norm 1", lambda t, F, x: x.norm(1), ((3, 4),), "LinalgVectorNormBackward0"),
    Sample("norm 1.5", lambda t, F, x: x.norm(1.5, 1), ((3, 4),)),
    Sample("norm 3", lambda t, F, x: x.norm(3, dim=0, keepdim=True), ((3, 4),)),
    Sample("norm inf", lambda t, F, x: x.norm(math.inf), ((3, 4),)),
    Sample("norm -inf", lambda t, F, x: x.norm(-math.inf, 1), ((3, 4),)),
    Sample("norm fro", lambda t, F, x: x.norm("fro", (0, 1)), ((3, 4),)),
    Sample("cumsum", lambda t, F, x: x.cumsum(1), ((2, 3, 4),), "CumsumBackward0"),
    Sample("cumsum last", lambda t, F, x: t.cumsum(x, -1), ((5, 7),), "CumsumBackward0"),
    Sample("cumprod", lambda t, F, x: x.cumprod(1), ((2, 3, 4),), "CumprodBackward0"),
    Sample("cumprod zeros", lambda t, F, x: x.cumprod(0), ((5, 2),), "CumprodBackward0", "zeros"),
    Sample("cummax", lambda t, F, x: x.cummax(1)[0], ((3, 6),), "CummaxBackward0"),
    Sample("cummin", lambda t, F, x: x.cummin(0)[0], ((6, 3),), "CumminBackward0"),
    Sample("logcumsumexp", lambda t, F, x: x.logcumsumexp(1), ((3, 5),), "LogcumsumexpBackward0"),
]


def _pair_loss(name: str, domain: str = "real", node: str = "", **kwargs: Any) -> list[Sample]:
    def sample(reduction: str, shape: tuple[int, ...] = (3, 4)) -> Sample:
        return Sample(
            f"{name} {reduction}{shape}{kwargs or ''}",
            lambda t, F, x, y: getattr(F, name)(x, y, reduction=reduction, **kwargs),
            (shape, shape),
            node,
            domain,
        )

    return [sample("mean"), sample("sum"), sample("none"), sample("mean", (2, 37))]


def _classes(t: Any, *shape: int, high: int = 4) -> Any:
    flat = [(i * 5 + 1) % high for i in range(math.prod(shape))]
    return t.tensor(flat, dtype=t.int64).reshape(shape)


def _weights(t: Any, x: Any, *shape: int) -> Any:
    return t.tensor(values(shape, "positive", 5)).reshape(shape).to(x.dtype)


def _class_loss(name: str, shape: tuple[int, ...], node: str = "", **kwargs: Any) -> list[Sample]:
    rows = shape[:1] + shape[2:] if len(shape) > 1 else ()
    high = shape[1] if len(shape) > 1 else shape[0]

    def sample(reduction: str, node: str) -> Sample:
        return Sample(
            f"{name}{shape} {reduction}{kwargs or ''}",
            lambda t, F, x: getattr(F, name)(
                x, _classes(t, *rows, high=high), reduction=reduction, **kwargs
            ),
            (shape,),
            node,
        )

    return [
        sample(r, "" if r == "none" and len(shape) == 3 else node) for r in ("mean", "sum", "none")
    ]


LOSSES = [
    *_pair_loss("mse_loss", node="MseLossBackward0"),
    *_pair_loss("l1_loss"),
    *_pair_loss("smooth_l1_loss", node="SmoothL1LossBackward0"),
    *_pair_loss("smooth_l1_loss", beta=0.4),
    *_pair_loss("huber_loss", node="HuberLossBackward0", delta=0.7),
    *_pair_loss("binary_cross_entropy", "unit", "BinaryCrossEntropyBackward0"),
    *_pair_loss("binary_cross_entropy_with_logits", node="BinaryCrossEntropyWithLogitsBackward0"),
    *_pair_loss("kl_div", "positive"),
    *_pair_loss("kl_div", log_target=True),
    Sample("kl_div batchmean", lambda t, F, x, y: F.kl_div(x, y, reduction="batchmean"),
           ((3, 4), (3, 4)), "DivBackward0", "positive"),
    Sample("mse broadcast", lambda t, F, x, y: F.mse_loss(x, y), ((3, 4), (4,))),
    Sample("mse weight", lambda t, F, x, y: F.mse_loss(x, y, weight=t.ones(3, 4).to(x.dtype) * 2),
           ((3, 4), (3, 4))),
    Sample(
        "bce logits weights",
        lambda t, F, x, y: F.binary_cross_entropy_with_logits(
            x, y, _weights(t, x, 3, 4), pos_weight=_weights(t, x, 4)
        ),
        ((3, 4), (3, 4)), "", "unit",
    ),
    Sample("bce weight", lambda t, F, x, y: F.binary_cross_entropy(x, y, _weights(t, x, 4)),
           ((3, 4), (3, 4)), "", "unit"),
    *_class_loss("nll_loss", (3, 4), "NllLossBackward0"),
    *_class_loss("nll_loss", (2, 4, 3), "NllLoss2DBackward0"),
    *_class_loss("cross_entropy", (3, 4), "NllLossBackward0"),
    *_class_loss("cross_entropy", (5, 37), "NllLossBackward0"),
    *_class_loss("cross_entropy", (4,), "NllLossBackward0"),
    *_class_loss("cross_entropy", (2, 4, 3), "NllLoss2DBackward0"),
    *_class_loss("cross_entropy", (2, 4, 3, 2), "NllLoss2DBackward0"),
    *_class_loss("cross_entropy", (3, 4), ignore_index=2),
    *_class_loss("cross_entropy", (3, 4), label_smoothing=0.1),
    *_class_loss("cross_entropy", (2, 4, 3), label_smoothing=0.3, ignore_index=1),
    Sample("cross_entropy weight",
           lambda t, F, x: F.cross_entropy(x, _classes(t, 3), _weights(t, x, 4)), ((3, 4),)),
    Sample(
        "cross_entropy weight smoothed",
        lambda t, F, x: F.cross_entropy(
            x, _classes(t, 3), _weights(t, x, 4), ignore_index=1, label_smoothing=0.2
        ),
        ((3, 4),),
    ),
    Sample(
        "nll weight none",
        lambda t, F, x: F.nll_loss(x, _classes(t, 3), _weights(t, x, 4), reduction="none"),
        ((3, 4),),
    ),
    Sample("cross_entropy probabilities", lambda t, F, x, y: F.cross_entropy(x, y),
           ((3, 4), (3, 4)), "", "positive"),
    Sample(
        "cross_entropy probabilities all",
        lambda t, F, x, y: F.cross_entropy(
            x, y, _weights(t, x, 4), reduction="none", label_smoothing=0.1
        ),
        ((3, 4, 2), (3, 4, 2)), "", "positive",
    ),
]  # fmt: skip


def _stats(t: Any, x: Any, c: int) -> tuple[Any, Any]:
    mean = t.tensor([i / 3 for i in range(c)]).to(x.dtype)
    return mean, mean + 0.5


NORMS = [
    Sample("batch_norm", lambda t, F, x, w, b: F.batch_norm(x, None, None, w, b, True),
           ((4, 3), (3,), (3,)), "NativeBatchNormBackward0"),
    Sample("batch_norm 4d", lambda t, F, x, w, b: F.batch_norm(x, None, None, w, b, True),
           ((2, 3, 2, 3), (3,), (3,)), "NativeBatchNormBackward0"),
    Sample("batch_norm plain", lambda t, F, x: F.batch_norm(x, None, None, training=True),
           ((4, 3, 2),), "NativeBatchNormBackward0"),
    Sample("batch_norm eval", lambda t, F, x, w, b: F.batch_norm(x, *_stats(t, x, 3), w, b),
           ((4, 3, 5), (3,), (3,)), "NativeBatchNormBackward0"),
    Sample("batch_norm wide", lambda t, F, x, w, b: F.batch_norm(x, None, None, w, b, True),
           ((6, 37), (37,), (37,)), "NativeBatchNormBackward0"),
    Sample("layer_norm", lambda t, F, x, w, b: F.layer_norm(x, (4,), w, b),
           ((2, 3, 4), (4,), (4,)), "NativeLayerNormBackward0"),
    Sample("layer_norm 2d", lambda t, F, x, w, b: F.layer_norm(x, (3, 4), w, b),
           ((2, 3, 4), (3, 4), (3, 4)), "NativeLayerNormBackward0"),
    Sample("layer_norm plain", lambda t, F, x: F.layer_norm(x, (37,)), ((5, 37),),
           "NativeLayerNormBackward0"),
    Sample("layer_norm whole", lambda t, F, x: F.layer_norm(x, (7,)), ((7,),)),
    Sample("rms_norm", lambda t, F, x, w: F.rms_norm(x, (4,), w, 1e-3), ((2, 3, 4), (4,))),
    Sample("rms_norm plain", lambda t, F, x: F.rms_norm(x, (3, 4)), ((2, 3, 4),)),
    Sample("group_norm", lambda t, F, x, w, b: F.group_norm(x, 2, w, b),
           ((2, 4, 3), (4,), (4,)), "NativeGroupNormBackward0"),
    Sample("group_norm plain", lambda t, F, x: F.group_norm(x, 3), ((2, 6, 2, 2),),
           "NativeGroupNormBackward0"),
    Sample("instance_norm", lambda t, F, x, w, b: F.instance_norm(x, weight=w, bias=b),
           ((2, 3, 5), (3,), (3,))),
]  # fmt: skip

ALL = ACTIVATIONS + REDUCTIONS + LOSSES + NORMS
