"""`pycore.functional`: every function of `pycore.nn.functional`, and joint tensor functions.

Knows both name spaces; must not define anything itself.
"""

from __future__ import annotations

from . import _C, _contraction
from .nn.functional import *  # noqa: F403
from .nn.functional import __all__ as _neural

_TENSOR_NAMES = (
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "broadcast_shapes",
    "broadcast_tensors",
    "cartesian_prod",
    "cdist",
    "chain_matmul",
    "einsum",
    "meshgrid",
    "norm",
    "split",
    "stack",
    "stft",
    "tensordot",
    "unique",
    "unique_consecutive",
    "unravel_index",
)

_found = {
    name: getattr(source, name)
    for source in (_contraction, _C)
    for name in _TENSOR_NAMES
    if hasattr(source, name)
}
_present = sorted(_found)
globals().update(_found)

__all__ = [*_neural, *_present]
