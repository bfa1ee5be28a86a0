"""Neural-network operations as plain functions.

Knows the extension and the composed families; must not know modules. What a model calls often is
the extension's function itself, without a Python frame in between.
"""

from __future__ import annotations

from .. import _C
from ._functional.activation import (
    celu_,
    elu_,
    gumbel_softmax,
    hardtanh_,
    leaky_relu_,
    log_softmax,
    relu_,
    rrelu,
    rrelu_,
    selu_,
    softmax,
    softmin,
    threshold_,
)
from ._functional.attention import (
    _canonical_mask as _canonical_mask,
    _none_or_dtype as _none_or_dtype,
    multi_head_attention_forward,
)
from ._functional.distance import cosine_similarity, pairwise_distance, pdist
from ._functional.dropout import (
    alpha_dropout,
    dropout1d,
    dropout2d,
    dropout3d,
    feature_alpha_dropout,
)
from ._functional.embedding import embedding_bag
from ._functional.fractional import (
    fractional_max_pool2d,
    fractional_max_pool2d_with_indices,
    fractional_max_pool3d,
    fractional_max_pool3d_with_indices,
)
from ._functional.grid import (
    GRID_SAMPLE_INTERPOLATION_MODES as GRID_SAMPLE_INTERPOLATION_MODES,
    GRID_SAMPLE_PADDING_MODES as GRID_SAMPLE_PADDING_MODES,
    affine_grid,
    grid_sample,
)
from ._functional.linear_cross_entropy import linear_cross_entropy
from ._functional.loss import (
    cosine_embedding_loss,
    ctc_loss,
    gaussian_nll_loss,
    hinge_embedding_loss,
    margin_ranking_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    poisson_nll_loss,
    soft_margin_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from ._functional.norm import local_response_norm, normalize
from ._functional.pooling import (
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d_with_indices,
    adaptive_max_pool2d,
    adaptive_max_pool2d_with_indices,
    adaptive_max_pool3d,
    adaptive_max_pool3d_with_indices,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
    max_pool1d_with_indices,
    max_pool2d_with_indices,
    max_pool3d_with_indices,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)
from ._functional.resample import interpolate, upsample, upsample_bilinear, upsample_nearest
from ._functional.vision import (
    bilinear,
    channel_shuffle,
    conv_tbc,
    fold,
    native_channel_shuffle,
    pixel_shuffle,
    pixel_unshuffle,
    unfold,
)

_nn = _C._nn

# Affine maps and convolution
linear = _nn.linear
conv1d = _nn.conv1d
conv2d = _nn.conv2d
conv3d = _nn.conv3d
conv_transpose1d = _nn.conv_transpose1d
conv_transpose2d = _nn.conv_transpose2d
conv_transpose3d = _nn.conv_transpose3d
# Pooling
max_pool1d = _nn.max_pool1d
max_pool2d = _nn.max_pool2d
max_pool3d = _nn.max_pool3d
min_pool1d = _nn.min_pool1d
min_pool2d = _nn.min_pool2d
min_pool3d = _nn.min_pool3d
avg_pool1d = _nn.avg_pool1d
avg_pool2d = _nn.avg_pool2d
avg_pool3d = _nn.avg_pool3d
adaptive_avg_pool1d = _nn.adaptive_avg_pool1d
adaptive_max_pool1d = _nn.adaptive_max_pool1d
# Activations
relu = _nn.relu
relu6 = _nn.relu6
elu = _nn.elu
selu = _nn.selu
celu = _nn.celu
leaky_relu = _nn.leaky_relu
prelu = _nn.prelu
gelu = _nn.gelu
silu = _nn.silu
mish = _nn.mish
softplus = _nn.softplus
hardtanh = _nn.hardtanh
hardswish = _nn.hardswish
hardsigmoid = _nn.hardsigmoid
hardshrink = _nn.hardshrink
softshrink = _nn.softshrink
tanhshrink = _nn.tanhshrink
softsign = _nn.softsign
threshold = _nn.threshold
logsigmoid = _nn.logsigmoid
glu = _nn.glu
sigmoid = _nn.sigmoid
tanh = _nn.tanh
# Dropout, normalisation, embedding, padding
dropout = _nn.dropout
batch_norm = _nn.batch_norm
instance_norm = _nn.instance_norm
layer_norm = _nn.layer_norm
group_norm = _nn.group_norm
rms_norm = _nn.rms_norm
embedding = _nn.embedding
one_hot = _nn.one_hot
scaled_dot_product_attention = _nn.scaled_dot_product_attention
pad = _nn.pad
# Losses
mse_loss = _nn.mse_loss
l1_loss = _nn.l1_loss
smooth_l1_loss = _nn.smooth_l1_loss
huber_loss = _nn.huber_loss
nll_loss = _nn.nll_loss
cross_entropy = _nn.cross_entropy
binary_cross_entropy = _nn.binary_cross_entropy
binary_cross_entropy_with_logits = _nn.binary_cross_entropy_with_logits
kl_div = _nn.kl_div

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
    "affine_grid",
    "alpha_dropout",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "celu_",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_tbc",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "ctc_loss",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "elu_",
    "embedding",
    "embedding_bag",
    "feature_alpha_dropout",
    "fold",
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "grid_sample",
    "group_norm",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "hinge_embedding_loss",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "linear_cross_entropy",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "min_pool1d",
    "min_pool2d",
    "min_pool3d",
    "mish",
    "mse_loss",
    "multi_head_attention_forward",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "native_channel_shuffle",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "pdist",
    "pixel_shuffle",
    "pixel_unshuffle",
    "poisson_nll_loss",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rms_norm",
    "rrelu",
    "rrelu_",
    "scaled_dot_product_attention",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "unfold",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]
