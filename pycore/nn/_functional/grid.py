"""Sampling images at the places of a grid, and grids of affine maps.

Knows the extension's operators; must not know modules.
"""

from __future__ import annotations

import warnings

from ... import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

Tensor = _C.Tensor

GRID_SAMPLE_INTERPOLATION_MODES = {"bilinear": 0, "nearest": 1, "bicubic": 2}
GRID_SAMPLE_PADDING_MODES = {"zeros": 0, "border": 1, "reflection": 2}


def _warn_of_default() -> None:
    warnings.warn(
        "Default grid_sample and affine_grid behavior has changed to align_corners=False since "
        "1.3.0. Please specify align_corners=True if the old behavior is desired. See the "
        "documentation of grid_sample for details.",
        stacklevel=3,
    )


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Values of `input` at the places that `grid` names.

    Args:
        input: `(N, C, H, W)` or `(N, C, D, H, W)`.
        grid: `(N, *, 2)` with (x, y), or `(N, *, 3)` with (x, y, z); -1 to 1 spans the input.
        mode: `bilinear` (trilinear in 5-D), `nearest`, or `bicubic` (4-D only).
        padding_mode: what lies outside: `zeros`, the `border`, or its `reflection`.
        align_corners: -1 and 1 are the centres of the corner elements rather than their edges;
            None means False, and warns.

    Shape: `(N, C, *)`. Floating dtypes. Differentiable by `input` and `grid`, any number of times.

    >>> import pycore
    >>> x = pycore.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> grid = pycore.tensor([[[[0.0, 0.0], [1.0, 1.0]]]])
    >>> pycore.nn.functional.grid_sample(x, grid, align_corners=True)
    tensor([[[[2.5000, 4.0000]]]])
    """
    if mode not in GRID_SAMPLE_INTERPOLATION_MODES:
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', "
            f"but got: '{mode}'"
        )
    if padding_mode not in GRID_SAMPLE_PADDING_MODES:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or "
            f"'reflection', but got: '{padding_mode}'"
        )
    if align_corners is None:
        _warn_of_default()
    return _C.grid_sampler(
        input,
        grid,
        GRID_SAMPLE_INTERPOLATION_MODES[mode],
        GRID_SAMPLE_PADDING_MODES[padding_mode],
        bool(align_corners),
    )


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid for `grid_sample` that an affine map makes of the elements of an image.

    Args:
        theta: `(N, 2, 3)` or `(N, 3, 4)`, floating.
        size: of the output image, `(N, C, H, W)` or `(N, C, D, H, W)`.
        align_corners: as in `grid_sample`.

    Shape: `(N, H, W, 2)` or `(N, D, H, W, 3)`.

    >>> import pycore
    >>> theta = pycore.tensor([[[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    >>> pycore.nn.functional.affine_grid(theta, (1, 1, 1, 2), align_corners=False)
    tensor([[[[-1.,  0.],
              [ 1.,  0.]]]])
    """
    if align_corners is None:
        _warn_of_default()
        align_corners = False
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if len(size) not in (4, 5):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, "
            f"respectively. Got size {size}."
        )
    dims = len(size) - 2
    if theta.dim() != 3 or tuple(theta.shape[1:]) != (dims, dims + 1):
        raise ValueError(
            f"Expected a batch of {dims}D affine matrices of shape Nx{dims}x{dims + 1} for size "
            f"{size}. Got {theta.shape}."
        )
    if align_corners and min(size[2:]) == 1:
        warnings.warn(
            "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when "
            "align_corners=True. This is not an intended use case of affine_grid. See the "
            "documentation of affine_grid for details.",
            stacklevel=2,
        )
    elif min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    return _C.affine_grid_generator(theta, size, align_corners)
