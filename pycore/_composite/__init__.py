"""Functions composed of other operators, in Python: the long tail, found here when first used.

Knows which module defines which name, and nothing else; so that `import pycore` stays cheap.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# name -> module of this package
FUNCTIONS = {
    **dict.fromkeys(("diff", "gradient", "trapezoid", "trapz", "cumulative_trapezoid"), "calculus"),
    **dict.fromkeys(
        ("cdist", "dist", "cosine_similarity", "pairwise_distance", "pdist"), "distance"
    ),
    **dict.fromkeys(("kron", "cross", "combinations", "renorm"), "product"),
    **dict.fromkeys(("cov", "corrcoef"), "statistics"),
    **dict.fromkeys(
        ("bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"),
        "window",
    ),
    **dict.fromkeys(
        (
            "adaptive_avg_pool1d", "adaptive_max_pool1d", "alpha_dropout", "alpha_dropout_",
            "avg_pool1d", "batch_norm", "bilinear", "binary_cross_entropy_with_logits",
            "channel_shuffle", "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d",
            "conv_transpose2d", "conv_transpose3d", "cosine_embedding_loss", "dropout_",
            "embedding", "feature_alpha_dropout", "feature_alpha_dropout_", "group_norm",
            "hinge_embedding_loss", "instance_norm", "kl_div", "layer_norm",
            "margin_ranking_loss", "max_pool1d", "max_pool1d_with_indices", "max_pool2d",
            "max_pool3d", "native_channel_shuffle", "poisson_nll_loss", "rms_norm", "rrelu",
            "rrelu_", "triplet_margin_loss",
        ),
        "neural",
    ),
    **dict.fromkeys(("broadcast_shapes", "expand_copy", "fill", "range", "unravel_index"), "shape"),
}  # fmt: skip
# Those that are Tensor methods too, and methods that are no functions.
METHODS = frozenset({"diff", "dist", "kron", "cross", "renorm", "cov", "corrcoef"})
EXTRA_METHODS = dict.fromkeys(("renorm_", "fill_diagonal_", "map_", "apply_"), "inplace")


def load(name: str) -> Any:
    """The function of that name, imported now."""
    return getattr(import_module(f"{__name__}.{FUNCTIONS.get(name) or EXTRA_METHODS[name]}"), name)


class _LateMethod:
    """Stands for a method until it is asked for the first time; then the method takes its place."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        from .. import _C

        function = load(self.name)
        setattr(_C.Tensor, self.name, function)
        return function.__get__(instance, owner) if instance is not None else function


def attach(cls: type) -> None:
    """Gives the Tensor class its composed methods."""
    for name in (*METHODS, *EXTRA_METHODS):
        if not hasattr(cls, name):
            setattr(cls, name, _LateMethod(name))
