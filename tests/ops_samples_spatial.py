"""Samples of interpolation and sampling of planes; read through ops_samples.py.

The references are dense matrices, one per dimension, written from the definition of each mode.
"""

from __future__ import annotations

import math

import numpy as np
from op_sample import T, f

add = T.add


def place(o: int, n: int, m: int, aligned: bool) -> float:
    """Where in the input the centre of output o lies."""
    if aligned:
        return o * (n - 1) / max(m - 1, 1)
    return (o + 0.5) * n / m - 0.5


def cubic(x: float, a: float) -> float:
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


FILTERS = {
    "linear": (1, lambda x: max(0.0, 1 - abs(x))),
    "cubic": (2, lambda x: cubic(x, -0.5)),
    "lanczos": (3, lambda x: np.sinc(x) * np.sinc(x / 3) if abs(x) < 3 else 0.0),
}


def matrix(mode: str, n: int, m: int, aligned: bool = False) -> np.ndarray:
    """The (m, n) matrix that resamples n values to m."""
    w = np.zeros((m, n))
    kind, _, antialias = mode.partition("-")
    for o in range(m):
        if mode == "nearest":
            w[o, min(o * n // m, n - 1)] = 1
        elif mode == "nearest-exact":
            w[o, min(int((o + 0.5) * n / m), n - 1)] = 1
        elif antialias:
            reach, function = FILTERS[kind]
            step = (n - 1) / max(m - 1, 1) if aligned else n / m
            scale, center = max(step, 1), step * (o + 0.5)
            low = max(int(center - reach * scale + 0.5), 0)
            for i in range(low, min(int(center + reach * scale + 0.5), n)):
                w[o, i] = function((i + 0.5 - center) / scale)
            w[o] /= w[o].sum()
        else:
            x = place(o, n, m, aligned)
            if kind == "linear":
                x = max(x, 0.0)
            for i in range(math.floor(x) - 1, math.floor(x) + 3):
                weight = max(0.0, 1 - abs(x - i)) if kind == "linear" else cubic(x - i, -0.75)
                w[o, min(max(i, 0), n - 1)] += weight
    return w


def resampled(mode: str):
    def reference(x, size, aligned=False, factors=None):
        size = size or [int(n * s) for n, s in zip(x.shape[2:], factors, strict=True)]
        for d, m in enumerate(size):
            w = matrix(mode, x.shape[d + 2], m, aligned)
            x = np.moveaxis(np.tensordot(x, w, (d + 2, 1)), -1, d + 2)
        return x

    return reference


SHAPES = {1: ((2, 3, 7), [5], [12]), 2: ((2, 2, 4, 7), [6, 3], [2, 9])}
SHAPES[3] = ((1, 2, 3, 4, 2), [2, 5, 4], [5, 3, 2])
for dims, (shape, size, other) in SHAPES.items():
    for name, mode in (
        ("upsample_nearest", "nearest"),
        ("_upsample_nearest_exact", "nearest-exact"),
    ):
        for wanted in (size, other):
            add(f"nn.{name}{dims}d", f(*shape), wanted, ref=resampled(mode))
SMOOTH = {
    "upsample_linear1d": "linear",
    "upsample_bilinear2d": "linear",
    "upsample_trilinear3d": "linear",
    "upsample_bicubic2d": "cubic",
    "_upsample_bilinear2d_aa": "linear-aa",
    "_upsample_bicubic2d_aa": "cubic-aa",
    "_upsample_lanczos2d_aa": "lanczos-aa",
}
for name, mode in SMOOTH.items():
    dims = 1 if "1d" in name else 3 if "3d" in name else 2
    shape, size, other = SHAPES[dims]
    for wanted in (size, other):
        for aligned in (False, True):
            add("nn." + name, f(*shape), wanted, aligned, ref=resampled(mode), tol=2)
add("nn.upsample_bilinear2d", f(1, 2, 3, 40), None, False, [2.0, 3.0], ref=resampled("linear"))
