"""Neural functions in the forms that stand directly in the package: other orders of arguments,
reductions by number (0: none, 1: mean, 2: sum).

Knows the functional forms; computes nothing itself.
"""

from __future__ import annotations

from .. import _C
from ..nn import functional as F

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

Tensor = _C.Tensor
_nn = _C._nn

# --- the same arguments as the functional form

conv1d = _nn.conv1d
conv2d = _nn.conv2d
conv3d = _nn.conv3d
conv_transpose1d = _nn.conv_transpose1d
conv_transpose2d = _nn.conv_transpose2d
conv_transpose3d = _nn.conv_transpose3d
avg_pool1d = _nn.avg_pool1d
adaptive_avg_pool1d = _nn.adaptive_avg_pool1d
rms_norm = _nn.rms_norm
bilinear = F.bilinear
channel_shuffle = F.channel_shuffle
native_channel_shuffle = F.native_channel_shuffle
conv_tbc = F.conv_tbc

# --- normalisation


def batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """`functional.batch_norm` with parameters before statistics.

    >>> import pycore
    >>> x = pycore.tensor([[1.0], [3.0]])
    >>> pycore.batch_norm(x, None, None, None, None, True, 0.1, 1e-9, False)
    tensor([[-1.],
            [ 1.]])
    """
    return _nn.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """`functional.instance_norm` with parameters before statistics.

    >>> import pycore
    >>> x = pycore.tensor([[[1.0, 3.0]]])
    >>> pycore.instance_norm(x, None, None, None, None, True, 0.1, 0.0, False)
    tensor([[[-1.,  1.]]])
    """
    return _nn.instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:
    """`functional.layer_norm`.

    >>> import pycore
    >>> pycore.layer_norm(pycore.tensor([1.0, 3.0]), (2,), eps=0.0)
    tensor([-1.,  1.])
    """
    return _nn.layer_norm(input, normalized_shape, weight, bias, eps)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    """`functional.group_norm`.

    >>> import pycore
    >>> pycore.group_norm(pycore.tensor([[1.0, 3.0]]), 1, eps=0.0)
    tensor([[-1.,  1.]])
    """
    return _nn.group_norm(input, num_groups, weight, bias, eps)


# --- pooling


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """`functional.max_pool1d` without indices.

    >>> import pycore
    >>> pycore.max_pool1d(pycore.tensor([[1.0, 3.0, 2.0, 4.0]]), 2)
    tensor([[3., 4.]])
    """
    return _nn.max_pool1d(input, kernel_size, stride or None, padding, dilation, ceil_mode)


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """`functional.max_pool2d` without indices.

    >>> import pycore
    >>> pycore.max_pool2d(pycore.tensor([[[1.0, 3.0], [2.0, 4.0]]]), 2)
    tensor([[[4.]]])
    """
    return _nn.max_pool2d(input, kernel_size, stride or None, padding, dilation, ceil_mode)


def max_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """`functional.max_pool3d` without indices.

    >>> import pycore
    >>> pycore.max_pool3d(pycore.ones(1, 2, 2, 2), 2)
    tensor([[[[1.]]]])
    """
    return _nn.max_pool3d(input, kernel_size, stride or None, padding, dilation, ceil_mode)


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    """`functional.max_pool1d` with where the maxima were found.

    >>> import pycore
    >>> pycore.max_pool1d_with_indices(pycore.tensor([[1.0, 3.0, 2.0, 4.0]]), 2)
    (tensor([[3., 4.]]), tensor([[1, 3]]))
    """
    return _nn.max_pool1d(input, kernel_size, stride or None, padding, dilation, ceil_mode, True)


def adaptive_max_pool1d(input: Tensor, output_size: Any) -> tuple[Tensor, Tensor]:
    """`functional.adaptive_max_pool1d` with where the maxima were found.

    >>> import pycore
    >>> pycore.adaptive_max_pool1d(pycore.tensor([[1.0, 3.0, 2.0, 4.0]]), 2)
    (tensor([[3., 4.]]), tensor([[1, 3]]))
    """
    return _nn.adaptive_max_pool1d(input, output_size, True)


# --- tables of vectors


def embedding(
    weight: Tensor,
    indices: Tensor,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """`functional.embedding` with the table first; `padding_idx` -1 is none.

    >>> import pycore
    >>> pycore.embedding(pycore.tensor([[0.0, 1.0], [2.0, 3.0]]), pycore.tensor([1]))
    tensor([[2., 3.]])
    """
    padding = None if padding_idx == -1 else padding_idx
    return _nn.embedding(indices, weight, padding, None, 2.0, scale_grad_by_freq, sparse)


# --- losses: like torch's, they reduce nothing unless told to


_REDUCTIONS = {0: "none", 1: "mean", 2: "sum"}


def _reduction(number: int) -> str:
    if number not in _REDUCTIONS:
        raise ValueError(f"{number} is not a valid value for reduction")
    return _REDUCTIONS[number]


def kl_div(
    input: Tensor, target: Tensor, reduction: int = 0, *, log_target: bool = False
) -> Tensor:
    """`functional.kl_div`.

    >>> import pycore
    >>> pycore.kl_div(pycore.zeros(2), pycore.ones(2), 2)
    tensor(0.)
    """
    return _nn.kl_div(input, target, reduction=_reduction(reduction), log_target=log_target)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    reduction: int = 0,
) -> Tensor:
    """`functional.binary_cross_entropy_with_logits`.

    >>> import pycore
    >>> pycore.binary_cross_entropy_with_logits(pycore.zeros(2), pycore.ones(2))
    tensor([0.6931, 0.6931])
    """
    return _nn.binary_cross_entropy_with_logits(
        input, target, weight, pos_weight=pos_weight, reduction=_reduction(reduction)
    )


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: int = 0
) -> Tensor:
    """`functional.hinge_embedding_loss`.

    >>> import pycore
    >>> pycore.hinge_embedding_loss(pycore.tensor([0.5, 2.0]), pycore.tensor([1.0, -1.0]))
    tensor([0.5000, 0.0000])
    """
    return F.hinge_embedding_loss(input, target, margin, reduction=_reduction(reduction))


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """`functional.margin_ranking_loss`.

    >>> import pycore
    >>> pycore.margin_ranking_loss(pycore.zeros(1), pycore.ones(1), pycore.ones(1))
    tensor([1.])
    """
    return F.margin_ranking_loss(input1, input2, target, margin, reduction=_reduction(reduction))


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """`functional.cosine_embedding_loss`.

    >>> import pycore
    >>> x = pycore.ones(1, 2)
    >>> pycore.cosine_embedding_loss(x, x, pycore.tensor([-1.0]))
    tensor([1.])
    """
    return F.cosine_embedding_loss(input1, input2, target, margin, reduction=_reduction(reduction))


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int
) -> Tensor:
    """`functional.poisson_nll_loss`.

    >>> import pycore
    >>> pycore.poisson_nll_loss(pycore.zeros(1), pycore.ones(1), True, False, 1e-8, 1)
    tensor(1.)
    """
    return F.poisson_nll_loss(
        input, target, log_input, full, eps=eps, reduction=_reduction(reduction)
    )


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: int = 0,
) -> Tensor:
    """`functional.triplet_margin_loss`.

    >>> import pycore
    >>> x = pycore.zeros(1, 2)
    >>> pycore.triplet_margin_loss(x, x, x)
    tensor([1.])
    """
    return F.triplet_margin_loss(
        anchor, positive, negative, margin, p, eps, swap, reduction=_reduction(reduction)
    )


# --- noise


def alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`functional.alpha_dropout`.

    >>> import pycore
    >>> pycore.alpha_dropout(pycore.ones(2), 0.5, False)
    tensor([1., 1.])
    """
    return F.alpha_dropout(input, p, train)


def alpha_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """`functional.alpha_dropout` in place."""
    return F.alpha_dropout(input, p, train, True)


def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`functional.feature_alpha_dropout`."""
    return F.feature_alpha_dropout(input, p, train)


def feature_alpha_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """`functional.feature_alpha_dropout` in place."""
    return F.feature_alpha_dropout(input, p, train, True)


def dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """`functional.dropout` in place."""
    return _nn.dropout(input, p, train, True)


def rrelu(
    input: Tensor,
    lower: float = 0.125,
    upper: float = 1 / 3,
    training: bool = False,
) -> Tensor:
    """`functional.rrelu`.

    >>> import pycore
    >>> pycore.rrelu(pycore.tensor([-1.0, 2.0]), 0.5, 0.5)
    tensor([-0.5000,  2.0000])
    """
    return F.rrelu(input, lower, upper, training)


def rrelu_(
    input: Tensor,
    lower: float = 0.125,
    upper: float = 1 / 3,
    training: bool = False,
) -> Tensor:
    """`functional.rrelu` in place."""
    return F.rrelu(input, lower, upper, training, True)
