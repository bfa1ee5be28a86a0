"""Samples of interpolation and sampling, in the form of products.py.

Knows no test framework.
"""

from __future__ import annotations

from typing import Any

from products import Sample


def _interpolate(x: tuple[int, ...], node: str = "", **kw: Any) -> Sample:
    title = f"interpolate {x} {kw}"
    return Sample(title, lambda t, F, a: F.interpolate(a, **kw), (x,), node)


_NODES = {"linear": "UpsampleLinear1DBackward0", "bilinear": "UpsampleBilinear2DBackward0",
          "trilinear": "UpsampleTrilinear3DBackward0"}  # fmt: skip

INTERPOLATIONS = [
    *[
        _interpolate(x, f"UpsampleNearest{exact}{len(x) - 2}DBackward0", mode=mode, size=size)
        for mode, exact in (("nearest", ""), ("nearest-exact", "Exact"))
        for x, size in (((2, 3, 5), 8), ((2, 2, 6, 5), (4, 8)), ((1, 2, 2, 3, 4), (3, 4, 2)))
    ],
    _interpolate((2, 3, 5), scale_factor=2),
    _interpolate((2, 3, 5, 4), scale_factor=(0.7, 1.6)),
    _interpolate((1, 1, 40, 50), scale_factor=1.7, mode="nearest"),
    _interpolate((2, 3, 5, 4), scale_factor=1.7, recompute_scale_factor=True, mode="bilinear"),
    *[
        _interpolate(x, _NODES[mode], mode=mode, size=size, align_corners=aligned)
        for aligned in (False, True, None)
        for mode, x, size in (
            ("linear", (2, 3, 5), 8),
            ("bilinear", (2, 2, 6, 5), (4, 8)),
            ("trilinear", (1, 2, 2, 3, 4), (3, 4, 2)),
        )
    ],
    _interpolate((1, 2, 3, 37), mode="bilinear", scale_factor=2),
    _interpolate((1, 2, 9, 70), mode="bilinear", size=(4, 33)),
    _interpolate((1, 2, 4, 4), mode="bilinear", size=(4, 4)),
    _interpolate((1, 2, 1, 3), mode="bilinear", size=(4, 1)),
    *[
        _interpolate((2, 2, 6, 5), "UpsampleBicubic2DBackward0", mode="bicubic", size=size,
                     align_corners=aligned)
        for size in ((4, 8), (12, 3))
        for aligned in (False, True)
    ],
    *[
        _interpolate((2, 2, 9, 8), f"Upsample{node}2DAaBackward0", mode=mode, size=size,
                     antialias=True)
        for mode, node in (("bilinear", "Bilinear"), ("bicubic", "Bicubic"), ("lanczos", "Lanczos"))
        for size in ((4, 11), (3, 3))
    ],
    _interpolate((2, 3, 7), mode="area", size=3),
    _interpolate((2, 3, 7, 6), mode="area", scale_factor=0.5),
    _interpolate((0, 3, 7, 6), mode="bilinear", size=(3, 3)),
]  # fmt: skip


def _sample(x: tuple[int, ...], grid: tuple[int, ...], **kw: Any) -> Sample:
    def call(t: Any, F: Any, a: Any, g: Any) -> Any:
        # Places spread over the input and beyond it, whatever numbers come.
        return F.grid_sample(a, (g * 1.7).sin() * 1.3, **kw)

    node = f"GridSampler{len(x) - 2}DBackward0"
    return Sample(f"grid_sample {x} {kw}", call, (x, grid), node)


SAMPLINGS = [
    *[
        _sample((2, 3, 5, 4), (2, 4, 3, 2), mode=mode, padding_mode=padding, align_corners=aligned)
        for mode in ("bilinear", "bicubic")
        for padding in ("zeros", "border", "reflection")
        for aligned in (False, True)
    ],
    _sample((1, 3, 5, 4), (1, 1, 37, 2), mode="nearest", align_corners=False),
    _sample((2, 2, 3, 4, 5), (2, 2, 3, 2, 3), align_corners=True),
    _sample((1, 2, 3, 4, 5), (1, 2, 3, 2, 3), padding_mode="reflection", align_corners=False),
    Sample("affine_grid", lambda t, F, a: F.affine_grid(a, (2, 1, 3, 4), align_corners=False),
           ((2, 2, 3),), "AffineGridGeneratorBackward0"),
    Sample("affine_grid 3d", lambda t, F, a: F.affine_grid(a, (2, 1, 2, 3, 1), align_corners=False),
           ((2, 3, 4),), "AffineGridGeneratorBackward0"),
]  # fmt: skip

SPATIAL = INTERPOLATIONS + SAMPLINGS
