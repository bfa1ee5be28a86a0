"""Window functions of signal processing (Harris 1978).

Knows cosines of tensors; must not know other composites.
"""

from __future__ import annotations

from .. import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor


def _phases(name: str, length: int, periodic: Any, dtype: Any) -> Tensor:
    """0 to 1 over the window; in float64, so that rounding happens once."""
    if length < 0:
        raise RuntimeError(
            f"{name} requires non-negative window_length, got window_length={length}"
        )
    dtype = dtype or _C.get_default_dtype()
    if not dtype.is_floating_point:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dtype}")
    span = length if periodic else length - 1
    return _C.arange(length, dtype=_C.float64) / max(span, 1)


def _finish(window: Tensor, length: int, dtype: Any, requires_grad: Any) -> Tensor:
    if length == 1:
        window = _C.ones(1)
    window = window.to(dtype or _C.get_default_dtype())
    return window.requires_grad_() if requires_grad else window


def _cosines(name: str, length: int, periodic: Any, weights: tuple, options: dict) -> Tensor:
    dtype, grad = options.pop("dtype", None), options.pop("requires_grad", False)
    _C.empty(0, **options)
    angle = _phases(name, length, periodic, dtype) * (2 * 3.141592653589793)
    window = _C.full((length,), weights[0], dtype=_C.float64)
    for k, weight in enumerate(weights[1:], 1):
        window = window + (angle * k).cos() * (weight * (-1) ** k)
    return _finish(window, length, dtype, grad)


def hann_window(window_length: int, periodic: Any = True, **options: Any) -> Tensor:
    """Hann's window, `(1 - cos) / 2`.

    >>> import pycore
    >>> pycore.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _cosines("hann_window", window_length, periodic, (0.5, 0.5), options)


def hamming_window(
    window_length: int,
    periodic: Any = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    **options: Any,
) -> Tensor:
    """Hamming's window, `alpha - beta * cos`.

    >>> import pycore
    >>> pycore.hamming_window(4)
    tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    return _cosines("hamming_window", window_length, periodic, (alpha, beta), options)


def blackman_window(window_length: int, periodic: Any = True, **options: Any) -> Tensor:
    """Blackman's window of three cosines.

    >>> import pycore
    >>> pycore.blackman_window(3)[1:]
    tensor([0.6300, 0.6300])
    """
    return _cosines("blackman_window", window_length, periodic, (0.42, 0.5, 0.08), options)


def bartlett_window(window_length: int, periodic: Any = True, **options: Any) -> Tensor:
    """The triangular window.

    >>> import pycore
    >>> pycore.bartlett_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    dtype, grad = options.pop("dtype", None), options.pop("requires_grad", False)
    _C.empty(0, **options)
    phase = _phases("bartlett_window", window_length, periodic, dtype)
    return _finish(1 - (2 * phase - 1).abs(), window_length, dtype, grad)


def kaiser_window(
    window_length: int, periodic: Any = True, beta: float = 12.0, **options: Any
) -> Tensor:
    """Kaiser's window of shape `beta`, a ratio of Bessel functions (their power series).

    >>> import pycore
    >>> pycore.kaiser_window(3, periodic=False, beta=0.0)
    tensor([1., 1., 1.])
    """
    dtype, grad = options.pop("dtype", None), options.pop("requires_grad", False)
    _C.empty(0, **options)
    phase = _phases("kaiser_window", window_length, periodic, dtype) * 2 - 1
    window = _bessel_i0((1 - phase.square()).clamp(min=0).sqrt() * beta)
    return _finish(
        window / _bessel_i0(_C.tensor(float(beta), dtype=_C.float64)), window_length, dtype, grad
    )


def _bessel_i0(x: Tensor) -> Tensor:
    quarter = x.square() / 4
    term = total = _C.ones_like(x)
    k = 1
    while k < 500 and (term > total * 1e-17).any():
        term = term * quarter / (k * k)
        total = total + term
        k += 1
    return total
