"""Interpolation: which operator serves a mode, and how sizes are given.

Knows the extension's operators; must not know modules.
"""

from __future__ import annotations

import operator
import warnings

from ... import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor
_nn = _C._nn

# By mode and number of spatial dimensions. The second table takes align_corners.
_COPYING = {
    ("nearest", 1): _nn.upsample_nearest1d,
    ("nearest", 2): _nn.upsample_nearest2d,
    ("nearest", 3): _nn.upsample_nearest3d,
    ("nearest-exact", 1): _nn._upsample_nearest_exact1d,
    ("nearest-exact", 2): _nn._upsample_nearest_exact2d,
    ("nearest-exact", 3): _nn._upsample_nearest_exact3d,
}
_SMOOTH = {
    ("linear", 1): _nn.upsample_linear1d,
    ("bilinear", 2): _nn.upsample_bilinear2d,
    ("trilinear", 3): _nn.upsample_trilinear3d,
    ("bicubic", 2): _nn.upsample_bicubic2d,
}
_ANTIALIASED = {
    "bilinear": _nn._upsample_bilinear2d_aa,
    "bicubic": _nn._upsample_bicubic2d_aa,
    "lanczos": _nn._upsample_lanczos2d_aa,
}
_AREA = {1: _nn.adaptive_avg_pool1d, 2: _nn.adaptive_avg_pool2d, 3: _nn.adaptive_avg_pool3d}
_RANK_OF = {"linear": 3, "bilinear": 4, "trilinear": 5}


def _sizes(input: Tensor, size: Any) -> list[int]:
    dims = input.dim() - 2
    if not isinstance(size, list | tuple):
        size = [size] * dims
    elif len(size) != dims:
        raise ValueError(
            "Input and output must have the same number of spatial dimensions, but got input with "
            f"spatial dimensions of {list(input.shape[2:])} and output size of {size}. Please "
            "provide input tensor in (N, C, d1, d2, ...,dK) format and output size in "
            "(o1, o2, ...,oK) format."
        )
    for extent in size:
        if isinstance(extent, bool) or not hasattr(extent, "__index__"):
            raise TypeError(
                "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, "
                f"int, int], but got size with types {[type(x) for x in size]}"
            )
    return [operator.index(extent) for extent in size]


def _factors(input: Tensor, scale_factor: Any) -> list[float]:
    dims = input.dim() - 2
    if not isinstance(scale_factor, list | tuple):
        return [scale_factor] * dims
    if len(scale_factor) != dims:
        raise ValueError(
            "Input and scale_factor must have the same number of spatial dimensions, but got input "
            f"with spatial dimensions of {list(input.shape[2:])} and scale_factor of shape "
            f"{scale_factor}. Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
            "scale_factor in (s1, s2, ...,sK) format."
        )
    return list(scale_factor)


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resize the spatial dimensions of `(N, C, L)`, `(N, C, H, W)` or `(N, C, D, H, W)`.

    Args:
        size: the new extents, one number or one per dimension; or
        scale_factor: what to multiply them by.
        mode: `nearest` (as OpenCV has it), `nearest-exact` (as Pillow), `linear` (3-D input),
            `bilinear` and `bicubic` (4-D), `trilinear` (5-D), `area` (means of what an output
            covers), or `lanczos` (4-D, `antialias` only).
        align_corners: the interpolating modes put the corner elements of input and output at the
            same places; otherwise (default) their outer edges.
        recompute_scale_factor: interpolate by the ratio of the sizes, which rounding may have moved
            away from `scale_factor`.
        antialias: `bilinear`, `bicubic`, `lanczos`: weigh all inputs that an output covers, as
            Pillow does.

    Floating dtypes; the nearest, bilinear, bicubic and lanczos modes take uint8 too and round.
    Differentiable any number of times. ValueError for arguments that do not go together,
    NotImplementedError for a mode that does not fit the input, RuntimeError for empty sizes.

    >>> import pycore
    >>> x = pycore.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> pycore.nn.functional.interpolate(x, size=(2, 3), mode="bilinear", align_corners=True)
    tensor([[[[1.0000, 1.5000, 2.0000],
              [3.0000, 3.5000, 4.0000]]]])
    """
    copies = mode in ("nearest", "nearest-exact", "area")
    if copies and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear "
            "| bicubic | trilinear"
        )
    dims = input.dim() - 2
    if size is not None:
        if scale_factor is not None:
            raise ValueError("only one of size or scale_factor should be defined")
        sizes, factors = _sizes(input, size), None
        if recompute_scale_factor:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    elif scale_factor is not None:
        sizes, factors = None, _factors(input, scale_factor)
        if recompute_scale_factor or mode == "area":
            extents = input.shape[2:]
            sizes = [int(n * factor) for n, factor in zip(extents, factors, strict=True)]
            factors = None
    else:
        raise ValueError("either size or scale_factor should be defined")

    if antialias and not (mode in _ANTIALIASED and dims == 2):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires "
            "a 4-D tensor as input"
        )
    if copy := _COPYING.get((mode, dims)):
        return copy(input, sizes, factors)
    if mode == "area" and dims in _AREA:
        return _AREA[dims](input, sizes)
    aligned = bool(align_corners)
    if mode == "lanczos" and dims == 2:
        if aligned:
            raise ValueError("Lanczos mode does not support align_corners=True")
        if not antialias:
            raise ValueError("Lanczos mode requires antialias=True")
    if antialias:
        return _ANTIALIASED[mode](input, sizes, aligned, factors)
    if smooth := _SMOOTH.get((mode, dims)):
        return smooth(input, sizes, aligned, factors)
    if mode in _RANK_OF and dims in (1, 2, 3):
        raise NotImplementedError(
            f"Got {dims + 2}D input, but {mode} mode needs {_RANK_OF[mode]}D input"
        )
    raise NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {dims + 2}D) for the modes: "
        "nearest | linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got "
        f"{mode})"
    )


def _deprecated(name: str) -> None:
    warnings.warn(
        f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=3,
    )


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """The former name of `interpolate`; warns.

    >>> import warnings, pycore
    >>> with warnings.catch_warnings(action="ignore"):
    ...     pycore.nn.functional.upsample(pycore.ones(1, 1, 2), 3)
    tensor([[[1., 1., 1.]]])
    """
    _deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with `mode="nearest"`; warns.

    >>> import warnings, pycore
    >>> with warnings.catch_warnings(action="ignore"):
    ...     pycore.nn.functional.upsample_nearest(pycore.ones(1, 1, 2), 3)
    tensor([[[1., 1., 1.]]])
    """
    _deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with `mode="bilinear"` and aligned corners; warns.

    >>> import warnings, pycore
    >>> with warnings.catch_warnings(action="ignore"):
    ...     pycore.nn.functional.upsample_bilinear(pycore.ones(1, 1, 1, 2), (1, 3))
    tensor([[[[1., 1., 1.]]]])
    """
    _deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)
