"""Max pooling over windows of random places (Graham 2014).

Knows gathering by index; must not know modules.
"""

from __future__ import annotations

from ... import _C
from ...autograd import no_grad
from .pooling import _tuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor


def _starts(samples: Tensor, size: int, out: int, kernel: int) -> Tensor:
    """First positions of the windows along one dimension: `(N, C, out)` of samples `(N, C)`."""
    if out == 1:
        return _C.full((*samples.shape, 1), size - kernel, dtype=_C.int64)
    step = _C.tensor(size - kernel, dtype=samples.dtype) / (out - 1)
    numbers = _C.arange(out - 1, dtype=samples.dtype)
    places = ((numbers + samples.unsqueeze(-1)) * step).to(_C.int64)
    places = places - (samples * step).to(_C.int64).unsqueeze(-1)
    last = _C.full((*samples.shape, 1), size - kernel, dtype=_C.int64)
    return _C.cat((places, last), -1)


def _fractional(
    name: str,
    dims: int,
    input: Tensor,
    kernel_size: Any,
    output_size: Any,
    output_ratio: Any,
    samples: Tensor | None,
) -> tuple[Tensor, Tensor]:
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if input.dim() not in (dims + 1, dims + 2):
        raise RuntimeError(
            f"{name}: Expected {dims + 1}D or {dims + 2}D tensor, but got: {list(input.shape)}"
        )
    sizes = input.shape[-dims:]
    if output_size is None:
        ratio = output_ratio if isinstance(output_ratio, list | tuple) else (output_ratio,) * dims
        if len(ratio) > dims:
            raise ValueError(
                f"{name} requires output_ratio to either be a single Int or tuple of Ints."
            )
        output_size = [int(n * r) for n, r in zip(sizes, ratio, strict=True)]
    kernel, out = _tuple(kernel_size, dims), _tuple(output_size, dims)
    if len(kernel) != dims or len(out) != dims:
        raise RuntimeError(f"{name}: kernel_size and output_size must have {dims} numbers")
    batched = input.dim() == dims + 2
    planes = input if batched else input.unsqueeze(0)
    batch, channels = planes.shape[:2]
    if samples is None:
        samples = _C.rand(batch, channels, dims, dtype=input.dtype)
    if samples.dtype != input.dtype:
        raise RuntimeError("Expect _random_samples to have the same dtype as input")
    if samples.dim() != 3:
        raise RuntimeError(f"Expect _random_samples to have 3 dimensions, got {samples.dim()}")
    if samples.size(0) < batch:
        raise RuntimeError("Expect _random_samples.size(0) no less then input batch size.")
    if samples.size(1) != channels:
        raise RuntimeError("Expect _random_samples.size(1) equals to input channel size.")
    if samples.size(2) != dims:
        raise RuntimeError(
            f"Expect _random_samples.size(2) equals to {dims}; got {samples.size(2)}."
        )
    for axis, n, k, o in zip("THW"[-dims:], sizes, kernel, out, strict=True):
        if k < 1 or o < 1 or o + k - 1 > n:
            raise RuntimeError(
                f"{name}(): pool size {k} and output size {o} do not fit the input along {axis}, "
                f"which has {n} elements"
            )

    # Offsets in the plane of all elements of all windows: (N, C, *out, *kernel).
    with no_grad():
        samples = samples[:batch]
        place = _C.zeros(1, dtype=_C.int64)
        for d in range(dims):
            # In two dimensions the first number is the column's.
            column = dims - 1 - d if dims == 2 else d
            first = _starts(samples[..., column], sizes[d], out[d], kernel[d])
            window = first.unsqueeze(-1) + _C.arange(kernel[d])
            shape = [batch, channels] + [1] * (2 * dims)
            shape[2 + d], shape[2 + dims + d] = out[d], kernel[d]
            place = place * sizes[d] + window.reshape(shape)
        place = place.reshape(batch, channels, *out, -1)
        flat = planes.detach().flatten(2)
        seen = flat.gather(2, place.flatten(2)).view(place.shape)
        winner = seen.max(-1)[1]
        nan = seen.isnan()
        if nan.any():
            # The last NaN of a window wins, as in every maximum pooling.
            order = _C.arange(seen.size(-1)) * nan
            winner = _C.where(nan.any(-1), order.max(-1)[0], winner)
        indices = place.gather(-1, winner.unsqueeze(-1)).squeeze(-1)
    result = planes.flatten(2).gather(2, indices.flatten(2)).view(indices.shape)
    return (result, indices) if batched else (result.squeeze(0), indices.squeeze(0))


def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool2d` with where the maxima were found.

    >>> import pycore
    >>> F = pycore.nn.functional
    >>> F.fractional_max_pool2d_with_indices(pycore.ones(1, 4, 4), 2, output_size=1)[1]
    tensor([[[10]]])
    """
    return _fractional(
        "fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio, _random_samples
    )


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Maxima of windows that lie at random, but evenly on the whole (Graham 2014).

    Args:
        input: `(N, C, H, W)` or `(C, H, W)`.
        output_size: of the result; or
        output_ratio: its ratio to the input's, between 0 and 1.
        return_indices: also return where the maxima were found.
        _random_samples: `(N, C, 2)` numbers in [0, 1) that place the windows; drawn when None.

    >>> import pycore
    >>> x = pycore.arange(25.0).view(1, 5, 5)
    >>> pycore.nn.functional.fractional_max_pool2d(x, 3, output_size=1)
    tensor([[[24.]]])
    """
    result = fractional_max_pool2d_with_indices(
        input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )
    return result if return_indices else result[0]


def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool3d` with where the maxima were found.

    >>> import pycore
    >>> F = pycore.nn.functional
    >>> F.fractional_max_pool3d_with_indices(pycore.ones(1, 2, 2, 2), 2, output_size=1)[1]
    tensor([[[[0]]]])
    """
    return _fractional(
        "fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio, _random_samples
    )


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """`fractional_max_pool2d` for `(N, C, T, H, W)` or `(C, T, H, W)`.

    >>> import pycore
    >>> x = pycore.arange(27.0).view(1, 3, 3, 3)
    >>> pycore.nn.functional.fractional_max_pool3d(x, 3, output_size=1)
    tensor([[[[26.]]]])
    """
    result = fractional_max_pool3d_with_indices(
        input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )
    return result if return_indices else result[0]
