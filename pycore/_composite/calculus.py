"""Differences, gradients and integrals of sampled functions.

Knows slices and sums of tensors; must not know other composites.
"""

from __future__ import annotations

from .. import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

Tensor = _C.Tensor


def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """The `n`-th differences of neighbours along `dim`; bool gives where neighbours differ.

    `prepend` and `append` are joined to the input first.

    >>> import pycore
    >>> pycore.diff(pycore.tensor([1, 3, 2]))
    tensor([ 2, -1])
    """
    if input.dim() == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    for name, extra in (("prepend", prepend), ("append", append)):
        if extra is not None and extra.dim() != input.dim():
            raise RuntimeError(
                f"diff expects {name} or append to be the same dimension as input; got "
                f"{extra.dim()}, expected {input.dim()}"
            )
    parts = [part for part in (prepend, input, append) if part is not None]
    out = _C.cat(parts, dim) if len(parts) > 1 else input
    size = out.size(dim)
    if n == 0:
        return out.clone() if out is input else out
    for _ in range(min(n, size)):
        size -= 1
        after, before = out.narrow(dim, 1, size), out.narrow(dim, 0, size)
        out = after.logical_xor(before) if out.dtype == _C.bool else after - before
    return out


def _spacings(input: Tensor, spacing: Any, dims: Sequence[int]) -> list[Any]:
    if isinstance(spacing, (int, float)):
        return [float(spacing)] * len(dims)
    if isinstance(spacing, Tensor):
        spacing = [spacing]
    if len(spacing) != len(dims):
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar, or a list of length "
            f"equal to the number of dimensions to differentiate ({len(dims)}), but got "
            f"{len(spacing)}"
        )
    return list(spacing)


def gradient(
    input: Tensor, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """Estimates the gradient of sampled values: central differences, one-sided at the edges.

    `spacing` is a number, one number per dimension, or one tensor of coordinates per dimension.

    >>> import pycore
    >>> pycore.gradient(pycore.tensor([1.0, 4.0, 9.0, 16.0]))
    (tensor([3., 4., 6., 7.]),)
    """
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    if dim is None:
        one = isinstance(spacing, (int, float)) or input.dim() == 1
        dims = list(range(input.dim())) if one or not isinstance(spacing, Tensor) else [0]
    else:
        dims = [dim] if isinstance(dim, int) else list(dim)
    if not input.is_floating_point():
        input = input.to(_C.get_default_dtype())
    return tuple(
        _gradient_along(input, d, h, edge_order)
        for d, h in zip(dims, _spacings(input, spacing, dims), strict=True)
    )


def _gradient_along(x: Tensor, dim: int, h: Any, edge_order: int) -> Tensor:
    size = x.size(dim)
    if size < edge_order + 1:
        raise RuntimeError(
            "torch.gradient expected each dimension size to be at least edge_order+1; got "
            f"{size} in dimension {dim}"
        )
    x = x.movedim(dim, -1)
    steps = (
        h.diff().to(x.dtype) if isinstance(h, Tensor) else _C.full((size - 1,), h, dtype=x.dtype)
    )
    slopes = x.diff() / steps
    left, right = slopes[..., :-1], slopes[..., 1:]
    a, b = steps[:-1], steps[1:]
    # Weighted so that parabolas are differentiated exactly.
    inner = (left * b + right * a) / (a + b)
    first, last = slopes[..., :1], slopes[..., -1:]
    if edge_order == 2:
        first = first - (right[..., :1] - left[..., :1]) * (a[:1] / (a[:1] + b[:1]))
        last = last + (right[..., -1:] - left[..., -1:]) * (b[-1:] / (a[-1:] + b[-1:]))
    return _C.cat([first, inner, last], -1).movedim(-1, dim)


def _panels(y: Tensor, x: Tensor | None, dx: Any, dim: int) -> Tensor:
    if x is None:
        step: Any = 1.0 if dx is None else dx
    else:
        step = x.diff(dim=-1 if x.dim() == 1 else dim)
        if x.dim() == 1:
            shape = [1] * y.dim()
            shape[dim] = -1
            step = step.view(shape)
    size = max(y.size(dim) - 1, 0)
    return (y.narrow(dim, 1, size) + y.narrow(dim, 0, size)) * step / 2 if y.size(dim) else y


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integral along `dim` by the trapezoidal rule; `x` gives coordinates, `dx` their distance.

    >>> import pycore
    >>> pycore.trapezoid(pycore.tensor([1.0, 5.0, 10.0]))
    tensor(10.5000)
    """
    if isinstance(x, (int, float)):
        x, dx = None, x
    return _panels(y, x, dx, dim).sum(dim)


trapz = trapezoid


def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1
) -> Tensor:
    """The running integral along `dim` by the trapezoidal rule, one value less than `y` has.

    >>> import pycore
    >>> pycore.cumulative_trapezoid(pycore.tensor([1.0, 5.0, 10.0]))
    tensor([ 3.0000, 10.5000])
    """
    if isinstance(x, (int, float)):
        x, dx = None, x
    return _panels(y, x, dx, dim).cumsum(dim)
