"""Rearrangements of channels and windows, and one-hot codes.

Knows tensor views and indexing; must not know modules.
"""

from __future__ import annotations

from ... import _C
from .pooling import _tuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """`(*, C*r*r, H, W)` to `(*, C, H*r, W*r)` (Shi et al. 2016).

    >>> import pycore
    >>> pycore.nn.functional.pixel_shuffle(pycore.zeros(1, 9, 4, 4), 3).shape
    pycore.Size([1, 1, 12, 12])
    """
    r = upscale_factor
    if input.dim() < 3:
        raise RuntimeError(
            "pixel_shuffle expects input to have at least 3 dimensions, but got input with "
            f"{input.dim()} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    *lead, channels, height, width = input.shape
    if channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={channels} is not divisible by {r * r}"
        )
    out = channels // (r * r)
    split = input.reshape(*lead, out, r, r, height, width)
    n = len(lead)
    order = (*range(n + 1), n + 3, n + 1, n + 4, n + 2)
    return split.permute(order).reshape(*lead, out, height * r, width * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """`(*, C, H*r, W*r)` to `(*, C*r*r, H, W)`, the inverse of `pixel_shuffle`.

    >>> import pycore
    >>> pycore.nn.functional.pixel_unshuffle(pycore.zeros(1, 1, 12, 12), 3).shape
    pycore.Size([1, 9, 4, 4])
    """
    r = downscale_factor
    if input.dim() < 3:
        raise RuntimeError(
            "pixel_unshuffle expects input to have at least 3 dimensions, but got input with "
            f"{input.dim()} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    *lead, channels, height, width = input.shape
    for axis, extent in (("height", height), ("width", width)):
        if extent % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {axis} to be divisible by downscale_factor, but "
                f"input.size({-2 if axis == 'height' else -1})={extent} is not divisible by {r}"
            )
    split = input.reshape(*lead, channels, height // r, r, width // r, r)
    n = len(lead)
    order = (*range(n + 1), n + 2, n + 4, n + 1, n + 3)
    return split.permute(order).reshape(*lead, channels * r * r, height // r, width // r)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Interleave the channels of `groups` groups of `(N, C, *)` (Zhang et al. 2018).

    >>> import pycore
    >>> pycore.nn.functional.channel_shuffle(pycore.arange(4).view(1, 4, 1), 2).flatten()
    tensor([0, 2, 1, 3])
    """
    if input.dim() < 3:
        raise RuntimeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes "
            f"{list(input.shape)}"
        )
    channels = input.size(1)
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    if channels % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and "
            f"{groups} groups."
        )
    split = input.reshape(input.size(0), groups, channels // groups, *input.shape[2:])
    return split.transpose(1, 2).reshape(input.shape)


def native_channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """`channel_shuffle` under another name.

    >>> import pycore
    >>> x = pycore.arange(4).view(1, 4, 1)
    >>> pycore.nn.functional.native_channel_shuffle(x, 2).flatten()
    tensor([0, 2, 1, 3])
    """
    return channel_shuffle(input, groups)


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """1-D convolution with time first.

    `input` `(T, B, C_in)`, `weight` `(K, C_in, C_out)`, `bias` `(C_out)`: `(T + 2 * pad - K + 1, B,
    C_out)`.

    >>> import pycore
    >>> conv_tbc = pycore.nn.functional.conv_tbc
    >>> conv_tbc(pycore.ones(4, 1, 2), pycore.ones(3, 2, 1), pycore.zeros(1)).flatten()
    tensor([6., 6.])
    """
    for name, tensor, dims, wanted in (
        ("Input", input, 3, "time, batch, in_channels"),
        ("Weight", weight, 3, "kernel_width, in_channels, out_channels"),
        ("Bias", bias, 1, "out_channels"),
    ):
        if tensor.dim() != dims:
            raise RuntimeError(
                f"{name} must have {dims} dims: {wanted}." if dims == 3 else "Bias must be 1-D"
            )
    if input.size(2) != weight.size(1):
        raise RuntimeError(
            "Input dim 2 (input channels) is not == dim 1 in the weight tensor; got "
            f"{list(input.shape)} and {list(weight.shape)}"
        )
    if weight.size(2) != bias.size(0):
        raise RuntimeError("Bias size must equal dim 2 in the weight tensor (output channels).")
    columns = _C._nn.conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, 1, pad)
    return columns.permute(2, 0, 1)


def _window_index(size: int, kernel: int, dilation: int, padding: int, stride: int) -> Any:
    """Padded positions that each window sees: `(kernel, windows)`."""
    windows = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    if windows < 1:
        raise RuntimeError(
            f"unfold: the sliding windows have no place; got size {size}, kernel {kernel}, "
            f"dilation {dilation}, padding {padding}"
        )
    taps = _C.arange(kernel).mul(dilation).view(-1, 1)
    return taps + _C.arange(windows).mul(stride).view(1, -1)


def unfold(
    input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Columns of all sliding windows: `(N, C, H, W)` to `(N, C*kh*kw, windows)`.

    >>> import pycore
    >>> pycore.nn.functional.unfold(pycore.zeros(1, 3, 10, 12), (4, 5)).shape
    pycore.Size([1, 60, 56])
    """
    if input.dim() not in (3, 4):
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(input.shape)}"
        )
    if input.dim() == 3:
        return unfold(input.unsqueeze(0), kernel_size, dilation, padding, stride).squeeze(0)
    (kh, kw), (dh, dw) = _tuple(kernel_size, 2), _tuple(dilation, 2)
    (ph, pw), (sh, sw) = _tuple(padding, 2), _tuple(stride, 2)
    rows = _window_index(input.size(2), kh, dh, ph, sh)
    columns = _window_index(input.size(3), kw, dw, pw, sw)
    padded = _C._nn.pad(input, (pw, pw, ph, ph)) if ph or pw else input
    # (N, C, kh, oh, kw, ow) by one gather
    windows = padded[:, :, rows.view(kh, -1, 1, 1), columns.view(1, 1, kw, -1)]
    return windows.permute(0, 1, 2, 4, 3, 5).reshape(
        input.size(0), input.size(1) * kh * kw, rows.size(1) * columns.size(1)
    )


def fold(
    input: Tensor,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Tensor:
    """Sum the columns of `unfold` back into `(N, C, H, W)`.

    >>> import pycore
    >>> pycore.nn.functional.fold(pycore.zeros(1, 12, 12), (4, 5), (2, 2)).shape
    pycore.Size([1, 3, 4, 5])
    """
    if input.dim() not in (2, 3):
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and "
            f"non-zero dimensions for input, but got: {list(input.shape)}"
        )
    if input.dim() == 2:
        batched = fold(input.unsqueeze(0), output_size, kernel_size, dilation, padding, stride)
        return batched.squeeze(0)
    height, width = _tuple(output_size, 2)
    (kh, kw), (dh, dw) = _tuple(kernel_size, 2), _tuple(dilation, 2)
    (ph, pw), (sh, sw) = _tuple(padding, 2), _tuple(stride, 2)
    rows = _window_index(height, kh, dh, ph, sh)
    columns = _window_index(width, kw, dw, pw, sw)
    count = rows.size(1) * columns.size(1)
    if input.size(1) % (kh * kw):
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of "
            f"kernel_size, but got input.size(1)={input.size(1)} and kernel_size=({kh}, {kw})."
        )
    if input.size(2) != count:
        raise RuntimeError(
            f"Given output_size=({height}, {width}), kernel_size=({kh}, {kw}), dilation=({dh}, "
            f"{dw}), padding=({ph}, {pw}), stride=({sh}, {sw}), expected size of input's "
            f"dimension 2 to match the calculated number of sliding blocks "
            f"{rows.size(1)} * {columns.size(1)} = {count}, but got input.size(2)={input.size(2)}."
        )
    batch, channels = input.size(0), input.size(1) // (kh * kw)
    full_width = width + 2 * pw
    # Flat padded position of every column entry, in the (kh, kw, oh, ow) order of the columns.
    place = rows.view(kh, 1, -1, 1) * full_width + columns.view(1, kw, 1, -1)
    place = place.reshape(-1)
    entries = input.reshape(batch, channels, place.numel())
    plane = input.new_zeros((batch, channels, (height + 2 * ph) * full_width))
    image = plane.index_add(2, place, entries).view(batch, channels, height + 2 * ph, full_width)
    return image[:, :, ph : ph + height, pw : pw + width]


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`y[o] = x1 @ weight[o] @ x2 + bias[o]` on the last dimensions.

    >>> import pycore
    >>> F = pycore.nn.functional
    >>> F.bilinear(pycore.ones(1, 2), pycore.ones(1, 2), pycore.ones(3, 2, 2))
    tensor([[4., 4., 4.]])
    """
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            "bilinear(): input batch dimensions do not match: "
            f"got {list(input1.shape)} and {list(input2.shape)}"
        )
    lead = input1.shape[:-1]
    left = input1.reshape(-1, input1.size(-1))
    right = input2.reshape(-1, input2.size(-1))
    out, first, second = weight.shape
    # (B, in1) x (in1, out*in2), then the second input meets every output's row
    half = (left @ weight.permute(1, 0, 2).reshape(first, out * second)).view(-1, out, second)
    result = (half * right.unsqueeze(1)).sum(-1).view(*lead, out)
    return result if bias is None else result + bias
