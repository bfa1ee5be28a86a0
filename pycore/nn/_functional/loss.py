"""Losses that Python composes of differentiable operators.

Knows distances and reductions; must not know modules. The common losses live in the extension.
"""

from __future__ import annotations

import math

from ... import _C
from .distance import pairwise_distance
from .reduction import chosen, reduced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

Tensor = _C.Tensor


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log likelihood of counts `target` under a Poisson rate `input`.

    Args:
        input: rate, or its logarithm when `log_input`; any shape.
        full: add Stirling's approximation of log(target!) for targets above 1.
        eps: keeps the logarithm finite when `log_input` is False.

    >>> import pycore
    >>> pycore.nn.functional.poisson_nll_loss(pycore.zeros(2), pycore.ones(2))
    tensor(1.)
    """
    reduction = chosen(reduction, size_average, reduce)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if log_input:
        loss = input.exp() - target * input
    else:
        loss = input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return reduced(loss, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Negative log likelihood of `target` under a Gaussian of mean `input` and variance `var`.

    `var` has the shape of `input`, or lacks its last dimension, or has 1 there, or is a number;
    it counts at least `eps`, whose clamping takes no gradient. Nix and Weigend 1994.

    >>> import pycore
    >>> pycore.nn.functional.gaussian_nll_loss(pycore.zeros(2), pycore.ones(2), pycore.ones(2))
    tensor(0.5000)
    """
    if not isinstance(var, Tensor):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = var * _C.ones_like(input)
    elif bool((var < 0).any()):
        raise ValueError("var has negative entry/entries")
    if var.size() != input.size():
        if input.size()[:-1] == var.size():
            var = var.unsqueeze(-1)
        elif not _expandable(var, input):
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    floor = (eps - var.detach()).clamp_min(0)
    var = var + floor  # the value is max(var, eps), the gradient is that of var
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction)


def _expandable(var: Tensor, input: Tensor) -> bool:
    return var.dim() == input.dim() and all(
        a in (1, b) for a, b in zip(var.shape, input.shape, strict=True)
    )


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`x` where the target is 1, `max(0, margin - x)` where it is -1.

    >>> import pycore
    >>> x = pycore.tensor([0.5, 0.25])
    >>> pycore.nn.functional.hinge_embedding_loss(x, pycore.tensor([1.0, -1.0]))
    tensor(0.6250)
    """
    reduction = chosen(reduction, size_average, reduce)
    zeros = _C.zeros_like(input)
    far = _C.where(target == 1, zeros, (margin - input).clamp_min(0))
    near = _C.where(target == -1, zeros, input)
    return reduced(far + near, reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`max(0, -y * (x1 - x2) + margin)`: `y` of 1 wants x1 above x2, -1 below.

    >>> import pycore
    >>> t = pycore.tensor
    >>> pycore.nn.functional.margin_ranking_loss(t([1.0]), t([3.0]), t([1.0]))
    tensor(2.)
    """
    reduction = chosen(reduction, size_average, reduce)
    if input1.dim() != input2.dim() or input1.dim() != target.dim():
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.size()}, input2: {input2.size()}, target: {target.size()} "
        )
    return reduced((-target * (input1 - input2) + margin).clamp_min(0), reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`1 - cos` for pairs labelled 1, `max(0, cos - margin)` for those labelled -1.

    Shape: inputs `(N, D)` or `(D)`, target `(N)` or `()`.

    >>> import pycore
    >>> a = pycore.ones(1, 2)
    >>> pycore.nn.functional.cosine_embedding_loss(a, a, pycore.tensor([-1.0]))
    tensor(1.)
    """
    reduction = chosen(reduction, size_average, reduce)
    if target.dim() not in (0, 1):
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    expected = 1 if target.dim() == 0 else 2
    if input1.dim() != expected or input2.dim() != expected:
        raise RuntimeError(
            f"{target.dim()}D target tensor expects {expected}D input tensors, but found inputs "
            f"with sizes {list(input1.shape)} and {list(input2.shape)}."
        )
    # The small constant keeps the root differentiable at zero vectors.
    product = (input1 * input2).sum(-1)
    length1 = (input1 * input1).sum(-1) + 1e-12
    length2 = (input2 * input2).sum(-1) + 1e-12
    cosine = product / (length1 * length2).sqrt()
    zeros = _C.zeros_like(cosine)
    near = _C.where(target == 1, 1 - cosine, zeros)
    far = _C.where(target == -1, (cosine - margin).clamp_min(0), zeros)
    return reduced(near + far, reduction)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`log(1 + exp(-y * x))` for targets 1 and -1.

    >>> import pycore
    >>> pycore.nn.functional.soft_margin_loss(pycore.zeros(2), pycore.ones(2))
    tensor(0.6931)
    """
    reduction = chosen(reduction, size_average, reduce)
    return reduced((-target * input).exp().log1p(), reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Hinge loss of classes: mean over the others of `max(0, margin - x[y] + x[i])**p`.

    Shape: input `(N, C)` or `(C)`, target of class numbers `(N)` or `()`.

    >>> import pycore
    >>> x = pycore.tensor([[0.1, 0.2, 0.4, 0.8]])
    >>> pycore.nn.functional.multi_margin_loss(x, pycore.tensor([3]))
    tensor(0.3250)
    """
    reduction = chosen(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    single = input.dim() < 2
    rows = input.reshape(1, -1) if single else input
    classes = target.reshape(-1)
    if rows.size(0) != classes.size(0):
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of "
            f"input samples (batch size). Expected target size [{rows.size(0)}], but got "
            f"{list(target.shape)}. Input has shape {list(input.shape)}."
        )
    own = rows.gather(1, classes.unsqueeze(1))
    slack = margin - own + rows
    slack = _C.where(slack > 0, slack, 0.0)  # NaN, of infinite scores, counts as none
    slack = slack.scatter(1, classes.unsqueeze(1), 0.0)
    if p == 2:
        slack = slack * slack
    if weight is not None:
        slack = slack * weight[classes].unsqueeze(1)
    loss = slack.sum(1) / rows.size(1)
    return reduced(loss.reshape(()) if single and target.dim() == 0 else loss, reduction)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Hinge loss of label sets: every label should beat every non-label by 1.

    Shape: input and target `(N, C)` or `(C)`; a row of the target lists labels up to the first
    -1.

    >>> import pycore
    >>> x = pycore.tensor([[0.1, 0.2, 0.4, 0.8]])
    >>> pycore.nn.functional.multilabel_margin_loss(x, pycore.tensor([[3, 0, -1, 1]]))
    tensor(0.8500)
    """
    reduction = chosen(reduction, size_average, reduce)
    if input.shape != target.shape:
        raise RuntimeError(
            f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}"
        )
    single = input.dim() < 2
    rows = input.reshape(1, -1) if single else input
    labels = target.reshape(1, -1) if single else target
    listed = (labels < 0).cumsum(1) == 0  # entries before the first -1
    places = labels.clamp_min(0)
    is_label = _C.zeros_like(rows).detach().scatter_add_(1, places, listed.to(rows.dtype)) > 0
    own = rows.gather(1, places)
    slack = (1 - own.unsqueeze(2) + rows.unsqueeze(1)).clamp_min(0)  # (N, label, class)
    wanted = listed.unsqueeze(2) & ~is_label.unsqueeze(1)
    loss = (slack * wanted.to(rows.dtype)).sum((1, 2)) / rows.size(1)
    return reduced(loss.reshape(()) if single else loss, reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Mean over the classes of the logistic loss of every label; targets 0 or 1, `(*, C)`.

    >>> import pycore
    >>> pycore.nn.functional.multilabel_soft_margin_loss(pycore.zeros(1, 2), pycore.ones(1, 2))
    tensor(0.6931)
    """
    reduction = chosen(reduction, size_average, reduce)
    log_yes, log_no = _C._nn.logsigmoid(input), _C._nn.logsigmoid(-input)
    loss = -(target * log_yes + (1 - target) * log_no)
    if weight is not None:
        loss = loss * weight
    return reduced(loss.sum(-1) / input.size(-1), reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`max(0, d(a, p) - d(a, n) + margin)` with p-norm distances (Balntas et al. 2016).

    With `swap` the negative counts its distance to the positive when that is smaller.

    >>> import pycore
    >>> a, n = pycore.zeros(1, 2), pycore.tensor([[3.0, 4.0]])
    >>> pycore.nn.functional.triplet_margin_loss(a, a, n, margin=6.0)
    tensor(1.0000)
    """
    reduction = chosen(reduction, size_average, reduce)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return pairwise_distance(a, b, p, eps)

    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with any distance; `pairwise_distance` when None.

    >>> import pycore
    >>> a, n = pycore.zeros(1, 2), pycore.tensor([[3.0, 4.0]])
    >>> pycore.nn.functional.triplet_margin_with_distance_loss(a, a, n, margin=6.0)
    tensor(1.0000)
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    dims = (anchor.dim(), positive.dim(), negative.dim())
    if len(set(dims)) != 1:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {dims[0]}D, positive {dims[1]}D, and negative "
            f"{dims[2]}D inputs"
        )
    distance = pairwise_distance if distance_function is None else distance_function
    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)


def _triplet(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor],
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    to_positive = distance(anchor, positive)
    to_negative = distance(anchor, negative)
    if swap:
        to_negative = _C.minimum(to_negative, distance(positive, negative))
    return reduced((to_positive - to_negative + margin).clamp_min(0), reduction)


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Minus the log probability that a sequence of scores spells its target (Graves et al. 2006).

    Args:
        log_probs: `(T, N, C)` or `(T, C)`, of `log_softmax`.
        targets: labels, `(N, S)` padded, or all end to end in one dimension.
        input_lengths, target_lengths: how much of each is used; tensors or sequences.
        blank: the class that spells nothing.
        reduction: `mean` divides by the target lengths first.
        zero_infinity: drop samples whose target does not fit.

    >>> import pycore
    >>> log_probs = pycore.zeros(2, 1, 2).log_softmax(2)
    >>> pycore.nn.functional.ctc_loss(log_probs, pycore.tensor([[1]]), [2], [1])
    tensor(0.2877)
    """
    if reduction not in _REDUCTION_NUMBERS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    number = _REDUCTION_NUMBERS[reduction]
    return _C.ctc_loss(
        log_probs, targets, input_lengths, target_lengths, blank, number, zero_infinity
    )


_REDUCTION_NUMBERS = {"none": 0, "mean": 1, "sum": 2}
