"""Memory formats of convolution weights.

Knows convolution layers; must not know how they compute.
"""

from __future__ import annotations

from ..modules.conv import Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]


def _convert(module: Any, kinds: tuple[type, ...], memory_format: Any) -> Any:
    for child in module.modules():
        if isinstance(child, kinds):
            child.weight.data = child.weight.detach().clone(memory_format=memory_format)
    return module


def convert_conv2d_weight_memory_format(module: Any, memory_format: Any) -> Any:
    """Give the weights of all `Conv2d` and `ConvTranspose2d` a memory format.

    pycore's convolutions take every format, and compute in one of their own: results and speed stay
    the same.

    >>> import pycore
    >>> m = pycore.nn.Conv2d(3, 4, 2)
    >>> m = pycore.nn.utils.convert_conv2d_weight_memory_format(m, pycore.channels_last)
    >>> m.weight.is_contiguous(memory_format=pycore.channels_last)
    True
    """
    return _convert(module, (Conv2d, ConvTranspose2d), memory_format)


def convert_conv3d_weight_memory_format(module: Any, memory_format: Any) -> Any:
    """The same as `convert_conv2d_weight_memory_format` for `Conv3d` and `ConvTranspose3d`.

    >>> import pycore
    >>> m = pycore.nn.Conv3d(3, 4, 2)
    >>> f = pycore.nn.utils.convert_conv3d_weight_memory_format
    >>> f(m, pycore.contiguous_format).weight.is_contiguous()
    True
    """
    return _convert(module, (Conv3d, ConvTranspose3d), memory_format)
