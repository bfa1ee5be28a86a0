"""Helpers for parameters and modules: clipping, flattening, parametrization, fusion.

Knows tensors and modules; must not know optimizers. What few programs need is imported when first
used.
"""

from __future__ import annotations

from . import rnn as rnn
from .clip_grad import (
    clip_grad_norm as clip_grad_norm,
    clip_grad_norm_ as clip_grad_norm_,
    clip_grad_value_ as clip_grad_value_,
    clip_grads_with_norm_ as clip_grads_with_norm_,
    get_total_norm as get_total_norm,
)
from .convert_parameters import (
    parameters_to_vector as parameters_to_vector,
    vector_to_parameters as vector_to_parameters,
)

# Not lazy: the functions have the names of their modules, which an import would put in their place.
from .spectral_norm import (
    remove_spectral_norm as remove_spectral_norm,
    spectral_norm as spectral_norm,
)
from .weight_norm import remove_weight_norm as remove_weight_norm, weight_norm as weight_norm

TYPE_CHECKING = False
if TYPE_CHECKING:
    # What __getattr__ finds below, for type checkers.
    from . import (
        fusion as fusion,
        init as init,
        memory_format as memory_format,
        parametrizations as parametrizations,
        parametrize as parametrize,
        prune as prune,
        stateless as stateless,
    )
    from .fusion import (
        fuse_conv_bn_eval as fuse_conv_bn_eval,
        fuse_conv_bn_weights as fuse_conv_bn_weights,
        fuse_linear_bn_eval as fuse_linear_bn_eval,
        fuse_linear_bn_weights as fuse_linear_bn_weights,
    )
    from .init import skip_init as skip_init
    from .memory_format import (
        convert_conv2d_weight_memory_format as convert_conv2d_weight_memory_format,
        convert_conv3d_weight_memory_format as convert_conv3d_weight_memory_format,
    )

_LAZY_MODULES = (
    "fusion", "init", "memory_format", "parametrizations", "parametrize", "prune", "stateless",
)  # fmt: skip
_LAZY_NAMES = {
    "convert_conv2d_weight_memory_format": "memory_format",
    "convert_conv3d_weight_memory_format": "memory_format",
    "fuse_conv_bn_eval": "fusion",
    "fuse_conv_bn_weights": "fusion",
    "fuse_linear_bn_eval": "fusion",
    "fuse_linear_bn_weights": "fusion",
    "skip_init": "init",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _LAZY_MODULES:
        value: object = import_module(f"{__name__}.{name}")
    elif name in _LAZY_NAMES:
        value = getattr(import_module(f"{__name__}.{_LAZY_NAMES[name]}"), name)
    else:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY_MODULES, *_LAZY_NAMES})
