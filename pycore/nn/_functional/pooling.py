"""Pooling forms that Python composes: indices, power means, un-pooling.

Knows the extension's pooling operators; must not know modules.
"""

from __future__ import annotations

from ... import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool1d` that returns the positions of the maxima too.

    >>> import pycore
    >>> pycore.nn.functional.max_pool1d_with_indices(pycore.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    (tensor([[3., 2.]]), tensor([[1, 2]]))
    """
    return _C._nn.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool2d` that returns the positions of the maxima too.

    >>> import pycore
    >>> pycore.nn.functional.max_pool2d_with_indices(pycore.ones(1, 4, 4), 2)[0].shape
    pycore.Size([1, 2, 2])
    """
    return _C._nn.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool3d` that returns the positions of the maxima too.

    >>> import pycore
    >>> pycore.nn.functional.max_pool3d_with_indices(pycore.ones(1, 4, 4, 4), 2)[0].shape
    pycore.Size([1, 2, 2, 2])
    """
    return _C._nn.max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def _without_none(output_size: Any, input: Tensor) -> Any:
    """The output size with the input's own extent in place of None."""
    if isinstance(output_size, int) or None not in output_size:
        return output_size
    extents = input.shape[-len(output_size) :]
    return tuple(
        extent if size is None else size for size, extent in zip(output_size, extents, strict=True)
    )


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means of `output_size` windows that cover `(N, C, H, W)` evenly; None keeps a size.

    >>> import pycore
    >>> pycore.nn.functional.adaptive_avg_pool2d(pycore.zeros(1, 6, 8, 9), (5, None)).shape
    pycore.Size([1, 6, 5, 9])
    """
    return _C._nn.adaptive_avg_pool2d(input, _without_none(output_size, input))


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """`adaptive_avg_pool2d` of `(N, C, D, H, W)`.

    >>> import pycore
    >>> pycore.nn.functional.adaptive_avg_pool3d(pycore.ones(1, 4, 4, 4), 2).shape
    pycore.Size([1, 2, 2, 2])
    """
    return _C._nn.adaptive_avg_pool3d(input, _without_none(output_size, input))


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima of `output_size` windows that cover `(N, C, H, W)` evenly; None keeps a size.

    >>> import pycore
    >>> pycore.nn.functional.adaptive_max_pool2d(pycore.zeros(1, 6, 8, 9), (5, None)).shape
    pycore.Size([1, 6, 5, 9])
    """
    return _C._nn.adaptive_max_pool2d(input, _without_none(output_size, input), return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """`adaptive_max_pool2d` of `(N, C, D, H, W)`.

    >>> import pycore
    >>> pycore.nn.functional.adaptive_max_pool3d(pycore.ones(1, 4, 4, 4), 2).shape
    pycore.Size([1, 2, 2, 2])
    """
    return _C._nn.adaptive_max_pool3d(input, _without_none(output_size, input), return_indices)


def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool1d` that returns the positions of the maxima too.

    >>> import pycore
    >>> pycore.nn.functional.adaptive_max_pool1d_with_indices(pycore.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    (tensor([[3., 2.]]), tensor([[1, 2]]))
    """
    return _C._nn.adaptive_max_pool1d(input, output_size, True)


def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool2d` that returns the positions of the maxima too.

    >>> import pycore
    >>> pycore.nn.functional.adaptive_max_pool2d_with_indices(pycore.ones(1, 4, 4), 2)[0].shape
    pycore.Size([1, 2, 2])
    """
    return adaptive_max_pool2d(input, output_size, True)


def adaptive_max_pool3d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool3d` that returns the positions of the maxima too.

    >>> import pycore
    >>> pycore.nn.functional.adaptive_max_pool3d_with_indices(pycore.ones(1, 4, 4, 4), 2)[0].shape
    pycore.Size([1, 2, 2, 2])
    """
    return adaptive_max_pool3d(input, output_size, True)


def _power_mean(pooled: Tensor, count: int, norm_type: float) -> Tensor:
    # The sum is count * mean; relu keeps the root real where rounding went below zero.
    positive = _C.sign(pooled) * _C._nn.relu(_C.abs(pooled))
    return (positive * count).pow(1.0 / norm_type)


def lp_pool1d(
    input: Tensor,
    norm_type: float,
    kernel_size: int,
    stride: Any = None,
    ceil_mode: bool = False,
) -> Tensor:
    """`(sum of x**norm_type)**(1/norm_type)` over each window of `(N, C, L)`.

    >>> import pycore
    >>> pycore.nn.functional.lp_pool1d(pycore.tensor([[[3.0, 4.0]]]), 2, 2)
    tensor([[[5.]]])
    """
    mean = _C._nn.avg_pool1d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return _power_mean(mean, _volume(kernel_size, 1), norm_type)


def lp_pool2d(
    input: Tensor,
    norm_type: float,
    kernel_size: Any,
    stride: Any = None,
    ceil_mode: bool = False,
) -> Tensor:
    """`(sum of x**norm_type)**(1/norm_type)` over each window of `(N, C, H, W)`.

    >>> import pycore
    >>> pycore.nn.functional.lp_pool2d(pycore.ones(1, 1, 2, 2), 2, 2)
    tensor([[[[2.]]]])
    """
    mean = _C._nn.avg_pool2d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return _power_mean(mean, _volume(kernel_size, 2), norm_type)


def lp_pool3d(
    input: Tensor,
    norm_type: float,
    kernel_size: Any,
    stride: Any = None,
    ceil_mode: bool = False,
) -> Tensor:
    """`(sum of x**norm_type)**(1/norm_type)` over each window of `(N, C, D, H, W)`.

    >>> import pycore
    >>> pycore.nn.functional.lp_pool3d(pycore.ones(1, 1, 2, 2, 2), 3, 2).flatten()
    tensor([2.])
    """
    mean = _C._nn.avg_pool3d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return _power_mean(mean, _volume(kernel_size, 3), norm_type)


def _volume(kernel_size: Any, ndim: int) -> int:
    volume = 1
    for extent in _tuple(kernel_size, ndim):
        volume *= extent
    return volume


def _tuple(value: Any, ndim: int) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,) * ndim
    value = tuple(value)
    return value * ndim if len(value) == 1 else value


def _max_unpool(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Any,
    ndim: int,
) -> Tensor:
    kernel = _tuple(kernel_size, ndim)
    step = kernel if stride is None else _tuple(stride, ndim)
    pad = _tuple(padding, ndim)
    spatial = tuple(input.shape[-ndim:])
    default = tuple(
        (n - 1) * s + k - 2 * p for n, s, k, p in zip(spatial, step, kernel, pad, strict=True)
    )
    if output_size is None:
        size = default
    else:
        size = tuple(output_size)[-ndim:]
        if len(size) != ndim:
            raise ValueError(
                f"output_size should be a sequence containing {ndim} or {ndim + 2} elements, "
                f"but it has a length of '{len(output_size)}'"
            )
        for axis in range(ndim):
            low, high = default[axis] - step[axis], default[axis] + step[axis]
            if not low < size[axis] < high:
                raise ValueError(
                    f'invalid output_size "{size}" (dim {axis} must be between {low} and {high})'
                )
    if input.shape != indices.shape:
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor "
            f"({list(input.shape)}) but got indices tensor with shape: {list(indices.shape)}"
        )
    lead = tuple(input.shape[:-ndim])
    volume = 1
    for extent in size:
        volume *= extent
    flat = input.new_zeros((*lead, volume)).scatter(
        -1, indices.flatten(-ndim), input.flatten(-ndim)
    )
    return flat.reshape((*lead, *size))


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Put the maxima of `max_pool1d` back to their positions, zeros elsewhere.

    >>> import pycore
    >>> F = pycore.nn.functional
    >>> y, i = F.max_pool1d(pycore.tensor([[[1.0, 2.0, 4.0, 3.0]]]), 2, return_indices=True)
    >>> F.max_unpool1d(y, i, 2)
    tensor([[[0., 2., 4., 0.]]])
    """
    return _max_unpool(input, indices, kernel_size, stride, padding, output_size, 1)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Put the maxima of `max_pool2d` back to their positions, zeros elsewhere.

    >>> import pycore
    >>> pycore.nn.functional.max_unpool2d(pycore.ones(1, 1, 1), pycore.tensor([[[3]]]), 2)
    tensor([[[0., 0.],
             [0., 1.]]])
    """
    return _max_unpool(input, indices, kernel_size, stride, padding, output_size, 2)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Put the maxima of `max_pool3d` back to their positions, zeros elsewhere.

    >>> import pycore
    >>> pycore.nn.functional.max_unpool3d(pycore.ones(1, 1, 1, 1), pycore.tensor([[[[7]]]]), 2).shape
    pycore.Size([1, 2, 2, 2])
    """
    return _max_unpool(input, indices, kernel_size, stride, padding, output_size, 3)
