"""Samples of interpolation and sampling of planes; read through ops_samples.py.

The references are dense matrices, one per dimension, written from the definition of each mode.
"""

from __future__ import annotations

import math

import numpy as np
from op_sample import T, f, values

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


# --- sampling -------------------------------------------------------------------------------------


def folded(x: float, n: int, padding: int, aligned: bool) -> float:
    if padding == 0:
        return x
    if padding == 2:
        low, span = (0.0, n - 1.0) if aligned else (-0.5, float(n))
        if span == 0:
            return 0.0
        x = abs(x - low) % (2 * span)
        x = (2 * span - x if x > span else x) + low
    return min(max(x, 0.0), n - 1.0)


def axis_taps(x: float, n: int, mode: int, padding: int, aligned: bool):
    """(element, weight) pairs of one dimension."""
    x = (x + 1) / 2 * (n - 1) if aligned else ((x + 1) * n - 1) / 2
    if mode == 2:
        taps = [(i, cubic(x - i, -0.75)) for i in range(math.floor(x) - 1, math.floor(x) + 3)]
        taps = [(math.trunc(folded(i, n, padding, aligned)), w) for i, w in taps]
    else:
        x = folded(x, n, padding, aligned)
        low = math.floor(x)
        taps = [(round(x), 1.0)] if mode == 1 else [(low, low + 1 - x), (low + 1, x - low)]
    return [(i, w) for i, w in taps if 0 <= i < n]


def grid_sampled(x, grid, mode, padding, aligned):
    batch, *places, dims = grid.shape
    out = np.zeros((batch, x.shape[1], *places))
    for n, *at in np.ndindex(batch, *places):
        taps = [((), 1.0)]
        for d in range(dims):
            size = x.shape[x.ndim - 1 - d]
            here = axis_taps(grid[(n, *at, d)], size, mode, padding, aligned)
            taps = [((i, *index), w * v) for index, w in taps for i, v in here]
        for index, w in taps:
            out[(n, slice(None), *at)] += w * x[(n, slice(None), *index)]
    return out


def places(*shape: int):
    """Places in the input and around it, none at a kink."""
    numbers = np.random.default_rng(7).integers(-1700, 1700, shape)
    return values(((numbers + 0.375) / 1024).tolist())


for padding in (0, 1, 2):
    for aligned in (False, True):
        for mode in (0, 1, 2):
            add(
                "grid_sampler",
                f(2, 2, 4, 5),
                places(2, 3, 3, 2),
                mode,
                padding,
                aligned,
                ref=grid_sampled,
                tol=20,
            )
    for mode in (0, 1):
        add(
            "grid_sampler",
            f(1, 2, 3, 4, 2),
            places(1, 2, 2, 2, 3),
            mode,
            padding,
            padding == 1,
            ref=grid_sampled,
            tol=20,
        )


def affine_places(theta, size, aligned):
    axes = []
    for n in size[2:]:
        axes.append(np.linspace(-1, 1, n) * (1 if aligned else (n - 1) / n) if n > 1 else [0.0])
    mesh = np.stack(np.meshgrid(*axes, indexing="ij")[::-1], -1)
    ones = np.ones((*mesh.shape[:-1], 1))
    return np.einsum("...j,nij->n...i", np.concatenate([mesh, ones], -1), theta)


for aligned in (False, True):
    add("affine_grid_generator", f(2, 2, 3), [2, 1, 3, 4], aligned, ref=affine_places)
    add("affine_grid_generator", f(2, 3, 4), [2, 1, 2, 1, 3], aligned, ref=affine_places)
