"""Layers that change the spatial size by interpolation.

Knows the functional form; must not know how it interpolates.
"""

from __future__ import annotations

from ... import _C
from .. import functional as F
from .module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor

__all__ = ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]


class Upsample(Module):
    """Resize the spatial dimensions, as `functional.interpolate` does.

    Args:
        size: the new extents; or
        scale_factor: what to multiply them by.
        mode: `nearest`, `linear`, `bilinear`, `bicubic`, `trilinear` ...
        align_corners: keep the corner elements in place (interpolating modes).
        recompute_scale_factor: interpolate by the ratio of the sizes.

    Shape: `(N, C, *)` to `(N, C, *size)`.

    >>> import pycore
    >>> pycore.nn.Upsample(scale_factor=2)(pycore.zeros(1, 3, 4, 5)).shape
    pycore.Size([1, 3, 8, 10])
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        if isinstance(scale_factor, tuple):
            self.scale_factor: Any = tuple(float(factor) for factor in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            recompute_scale_factor=self.recompute_scale_factor,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Before there was a choice, ratios of sizes were used.
        state.setdefault("recompute_scale_factor", True)
        super().__setstate__(state)

    def extra_repr(self) -> str:
        if self.scale_factor is not None:
            info = f"scale_factor={self.scale_factor!r}"
        else:
            info = f"size={self.size!r}"
        return f"{info}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """`Upsample` of `(N, C, H, W)` with the nearest element.

    >>> import pycore
    >>> pycore.nn.UpsamplingNearest2d(scale_factor=2)(pycore.ones(1, 1, 1, 2))
    tensor([[[[1., 1., 1., 1.],
              [1., 1., 1., 1.]]]])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """`Upsample` of `(N, C, H, W)`, bilinear with aligned corners.

    >>> import pycore
    >>> pycore.nn.UpsamplingBilinear2d(size=(1, 3))(pycore.tensor([[[[1.0, 2.0]]]]))
    tensor([[[[1.0000, 1.5000, 2.0000]]]])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
