"""Convolutions of sizes at which each form of the kernels is used, against a sum over the taps."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import pytest

import pycore
import pycore.nn.functional as F


class Shape(NamedTuple):
    batch: int
    channels: tuple[int, int]
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1

    @property
    def weight(self) -> tuple[int, ...]:
        return (self.channels[1], self.channels[0] // self.groups, *self.kernel)

    @property
    def out(self) -> tuple[int, ...]:
        return tuple(
            (n + 2 * self.padding - self.dilation * (k - 1) - 1) // self.stride + 1
            for n, k in zip(self.size, self.kernel, strict=True)
        )


SHAPES = [
    # Few positions: weights are read as they lie.
    Shape(1, (40, 33), (7, 7), (3, 3), padding=1),
    Shape(3, (64, 45), (5, 6), (3, 3), padding=1),
    Shape(2, (70, 64), (9, 9), (3, 3), stride=2, padding=1),
    Shape(1, (300, 64), (4, 4), (3, 3), padding=1),
    Shape(17, (32, 32), (1, 1), (3, 3), padding=1),
    Shape(1, (64, 50), (14, 14), (3, 3), padding=1),
    Shape(3, (64, 33), (11, 11), (3, 3)),
    # Many positions: panels are packed.
    Shape(5, (36, 50), (13, 14), (3, 3), padding=1),
    Shape(2, (48, 64), (17, 33), (3, 2), padding=1),
    Shape(9, (32, 40), (12, 12), (3, 3), stride=3, padding=2),
    Shape(3, (64, 96), (11, 11), (3, 3), dilation=2, groups=2),
    Shape(2, (32, 64), (5, 6, 9), (3, 3, 3), padding=1),
    Shape(2, (33, 64), (301,), (5,), padding=2),
    Shape(3, (32, 64), (6, 6), (3, 3), padding=2),  # its gradient is no larger than padded
    # Winograd: few tiles, of one image or several, and many; sizes that cut the last tiles.
    Shape(2, (40, 45), (14, 14), (3, 3), padding=1),
    Shape(1, (300, 40), (17, 19), (3, 3)),
    Shape(1, (270, 33), (13, 13), (3, 3), padding=1),
    Shape(17, (32, 50), (4, 3), (3, 3), padding=1),
    Shape(9, (33, 64), (5, 6), (3, 3), padding=2),
    Shape(3, (64, 100), (8, 8), (3, 3), padding=1, groups=2),
    Shape(1, (32, 33), (41, 39), (3, 3), padding=1),
    Shape(3, (40, 50), (23, 22), (3, 3)),
    Shape(2, (300, 40), (28, 25), (3, 3), padding=2),
    Shape(5, (80, 64), (16, 17), (3, 3), padding=1, groups=2),
    Shape(2, (32, 32), (6, 150), (3, 3), padding=1),
    Shape(3, (16, 20), (21, 18), (3, 3), padding=1),
    # Patches side by side, of few channels.
    Shape(2, (3, 60), (48, 32), (16, 16), stride=16),
    Shape(3, (5, 40), (23, 38), (12, 12), stride=12, padding=1),
    # 1x1: a product, of each image or of all, and strided.
    Shape(1, (40, 50), (6, 7), (1, 1)),
    Shape(7, (40, 50), (5, 7), (1, 1)),
    Shape(4, (64, 96), (7, 7), (1, 1), groups=2),
    Shape(3, (33, 40), (12, 12), (1, 1)),
    Shape(1, (512, 520), (7, 7), (1, 1)),  # one position stands alone
    Shape(1, (520, 512), (9, 9), (1, 1), stride=2),  # 25: not worth it with vectors of 16
    Shape(1, (512, 512), (13, 13), (1, 1), stride=2),
    Shape(9, (64, 40), (15, 13), (1, 1), stride=2),  # many positions
    Shape(3, (40, 50), (9, 8), (1, 1), stride=2),
    Shape(2, (5, 6), (9, 71), (1, 1), stride=2),
    Shape(2, (6, 5), (10,), (1,), stride=3),
    Shape(2, (3, 4), (5, 4, 7), (1, 1, 1), stride=2, groups=1),
    # Few channels: vectors of positions, whole rows, several, or joined of two.
    Shape(2, (1, 6), (32, 32), (5, 5)),
    Shape(9, (6, 16), (14, 14), (3, 3)),
    Shape(2, (3, 7), (40, 45), (3, 3), stride=2, padding=1),
    Shape(2, (4, 10), (21, 22), (3, 2), dilation=2),
    Shape(1, (2, 13), (4, 5, 12), (2, 2, 3)),
    Shape(3, (2, 6), (3, 11, 20), (1, 2, 3), padding=1),
    Shape(2, (3, 17), (12, 13), (2, 4)),
    Shape(2, (3, 9), (9, 15), (3, 3)),
    # Rows split in four, whose last vectors overlap those before; of the last ones elements remain.
    Shape(2, (4, 32), (84, 84), (8, 8), stride=4),
    Shape(3, (2, 12), (9, 70), (5, 5), stride=4, padding=1),
    Shape(1, (3, 7), (6, 67), (2, 6), stride=4, padding=2),
    # Depthwise.
    Shape(3, (8, 8), (14, 14), (3, 3), padding=1, groups=8),
    Shape(2, (7, 7), (33, 50), (3, 3), padding=1, groups=7),
    Shape(2, (5, 5), (19, 21), (3, 3), stride=2, padding=1, groups=5),
    Shape(2, (5, 5), (24, 75), (3, 3), stride=2, groups=5),
    Shape(2, (4, 4), (13, 66), (3, 3), stride=2, padding=2, dilation=2, groups=4),
    Shape(2, (5, 5), (15, 9), (5, 5), stride=3, padding=2, groups=5),
    Shape(1, (4, 4), (3, 3), (3, 3), groups=4),
    Shape(2, (6, 6), (40,), (7,), padding=3, dilation=1, groups=6),
    Shape(2, (3, 3), (6, 7, 8), (3, 3, 3), stride=2, padding=1, groups=3),
    Shape(2, (4, 4), (9, 9), (1, 1), stride=2, groups=4),
]  # fmt: skip


def reference(s: Shape, x: np.ndarray, w: np.ndarray, gy: np.ndarray) -> tuple[np.ndarray, ...]:
    """y, grad_x and grad_weight in float64: each tap is a product of its own."""
    dims = len(s.size)
    pad = [(0, 0), (0, 0)] + [(s.padding, s.padding)] * dims
    padded = np.pad(x, pad)
    y = np.zeros((s.batch, s.channels[1], *s.out))
    gx, gw = np.zeros_like(padded), np.zeros_like(w)
    ins, outs = (c // s.groups for c in s.channels)
    for tap in itertools.product(*map(range, s.kernel)):
        at = tuple(
            slice(t * s.dilation, t * s.dilation + (n - 1) * s.stride + 1, s.stride)
            for t, n in zip(tap, s.out, strict=True)
        )
        for g in range(s.groups):
            i, o = slice(g * ins, (g + 1) * ins), slice(g * outs, (g + 1) * outs)
            here = (slice(None), i, *at)
            weight = w[(o, slice(None), *tap)]
            y[:, o] += np.einsum("oi,bi...->bo...", weight, padded[here])
            gx[here] += np.einsum("oi,bo...->bi...", weight, gy[:, o])
            flat = padded[here].reshape(s.batch, ins, -1), gy[:, o].reshape(s.batch, outs, -1)
            gw[(o, slice(None), *tap)] = np.einsum("bip,bop->oi", *flat)
    inner = tuple(slice(s.padding, s.padding + n) for n in s.size)
    return y, gx[(slice(None), slice(None), *inner)], gw


def numbers(s: Shape, dtype: str) -> list[np.ndarray]:
    draw = np.random.default_rng(8).standard_normal
    shapes = [(s.batch, s.channels[0], *s.size), s.weight, (s.channels[1],)]
    shapes.append((s.batch, s.channels[1], *s.out))
    return [draw(shape).astype(dtype) for shape in shapes]


def run(s: Shape, arrays: list[np.ndarray]) -> list[np.ndarray]:
    x, w, bias, gy = map(pycore.from_numpy, arrays)
    leaves = [t.clone().requires_grad_() for t in (x, w, bias)]
    options: dict[str, Any] = {"stride": s.stride, "padding": s.padding}
    options |= {"dilation": s.dilation, "groups": s.groups}
    y = getattr(F, f"conv{len(s.size)}d")(*leaves, **options)
    y.backward(gy)
    grads = [t.grad.numpy() for t in leaves if t.grad is not None]
    return [y.detach().numpy(), *grads]


def close(got: np.ndarray, expected: np.ndarray, terms: int) -> bool:
    epsilon = np.finfo(got.dtype).eps
    scale = max(1.0, np.abs(expected).max(initial=0))
    return bool(np.abs(got - expected).max(initial=0) <= 4 * epsilon * math.sqrt(terms) * scale)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_forward_and_gradients(shape: Shape, dtype: str) -> None:
    arrays = numbers(shape, dtype)
    x, w, bias, gy = (a.astype("float64") for a in arrays)
    y, gx, gw = reference(shape, x, w, gy)
    y += bias.reshape(-1, *(1 for _ in shape.size))
    gb = gy.sum(axis=(0, *range(2, gy.ndim)))
    got = run(shape, arrays)
    positions = shape.batch * math.prod(shape.out)
    terms = (math.prod(shape.weight[1:]), math.prod(shape.weight), positions, positions)
    for mine, true, count in zip(got, (y, gx, gw, gb), terms, strict=True):
        assert mine.shape == true.shape
        assert close(mine, true, count)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_threads_do_not_change_bits(shape: Shape) -> None:
    arrays = numbers(shape, "float32")
    before = pycore.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            pycore.set_num_threads(threads)
            results.append([a.tobytes() for a in run(shape, arrays)])
    finally:
        pycore.set_num_threads(before)
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_infinities_reach_only_what_sees_them(shape: Shape) -> None:
    """One infinite position of x, and in turn of grad_y, in the last image and channel."""
    x, w, bias, gy = numbers(shape, "float32")
    ones = [np.ones(a.shape) for a in (x, w, gy)]

    def marked(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        changed, mark = a.copy(), np.zeros(a.shape)
        changed.reshape(-1)[-1], mark.reshape(-1)[-1] = np.inf, 1
        return changed, mark

    changed, mark = marked(x)
    y, _, gw = reference(shape, mark, *ones[1:])
    got = run(shape, [changed, w, bias, gy])
    assert np.array_equal(~np.isfinite(got[0]), y > 0)
    assert np.isfinite(got[1]).all()
    assert np.array_equal(~np.isfinite(got[2]), gw > 0)

    changed, mark = marked(gy)
    _, gx, _ = reference(shape, *ones[:2], mark)
    got = run(shape, [x, w, bias, changed])
    assert np.array_equal(~np.isfinite(got[1]), gx > 0)
    assert np.isfinite(got[2][:-1]).all()  # padding times infinity is of the last channel too


@pytest.mark.parametrize(
    ("x", "w", "stride", "padding"),
    [((3, 64, 5, 5), (64, 40, 4, 4), 2, 1), ((2, 32, 6, 6), (32, 33, 1, 1), 2, 0),
     ((4, 40, 3, 3), (40, 40, 2, 2), 2, 0)],
    ids=str,
)  # fmt: skip
def test_transposed_is_the_gradient(x: tuple, w: tuple, stride: int, padding: int) -> None:
    draw = np.random.default_rng(9).standard_normal
    a, b, c = (pycore.from_numpy(draw(n).astype("float64")) for n in (x, w, (w[1],)))
    y = F.conv_transpose2d(a, b, c, stride, padding)
    leaf = pycore.zeros(y.shape, dtype=pycore.float64).requires_grad_()
    F.conv2d(leaf, b, None, stride, padding).backward(a)
    assert np.allclose(y.numpy(), leaf.grad.numpy() + c.numpy().reshape(-1, 1, 1), atol=1e-12)


def forms(x: np.ndarray, w: np.ndarray, gy: np.ndarray) -> list[list[np.ndarray]]:
    """y, grad_x and grad_weight of a padded 3x3 convolution, each in the Winograd form, in a plain
    one (as the middle of 5x5) and exact."""
    wide = np.zeros((*w.shape[:2], 5, 5), w.dtype)
    wide[:, :, 1:4, 1:4] = w
    results, paths = [], []
    for weight, pad, dtype in ((w, 1, "f"), (wide, 2, "f"), (w, 1, "d")):
        a, b = (pycore.from_numpy(v.astype(dtype)).requires_grad_() for v in (x, weight))
        with pycore.explain() as report:
            y = F.conv2d(a, b, None, 1, pad)
            y.backward(pycore.from_numpy(gy.astype(dtype)))
        assert a.grad is not None and b.grad is not None
        grad_weight = b.grad.numpy()
        results.append([y.detach().numpy(), a.grad.numpy(), grad_weight[..., pad - 1 :, pad - 1 :]])
        results[-1][2] = results[-1][2][..., :3, :3]
        paths.append(str(report))
    if pycore._C._isa() != "baseline":
        found = [(path.count("F(2x2, 3x3)"), path.count("F(3x3, 2x2)")) for path in paths]
        assert found == [(2, 1), (0, 0), (0, 0)]
    return [list(three) for three in zip(*results, strict=True)]


@pytest.mark.parametrize(("channels", "size"), [(32, 30), (64, 28), (128, 14), (300, 15)])
def test_winograd_loses_a_bit(channels: int, size: int) -> None:
    draw = np.random.default_rng(10).standard_normal
    x = np.maximum(draw((2, channels, size, size)), 0).astype("float32")
    w = draw((48, channels, 3, 3)).astype("float32")
    gy = draw((2, 48, size, size)).astype("float32")
    for mine, plain, exact in forms(x, w, gy):

        def error(y: np.ndarray, exact: np.ndarray = exact) -> float:
            return float(np.sqrt(np.square(y - exact).mean()))

        assert error(mine) <= 2.5 * error(plain)


@pytest.mark.parametrize("value", [1.5e38, -3e38, math.inf, -math.inf, math.nan])
def test_winograd_leaves_what_is_not_finite_to_other_forms(value: float) -> None:
    """Sums of neighbours overflow where a plain sum of products does not, or become NaN."""
    draw = np.random.default_rng(11).standard_normal
    x, w = (draw(n).astype("float32") * 1e-2 for n in ((2, 32, 16, 17), (40, 32, 3, 3)))
    x[1, 5, 6:8, 7:9] = value
    gy = np.zeros((2, 40, 16, 17), "float32")
    gy[0, 3, 9:, 2:4] = value
    for mine, _, exact in forms(x, w, gy):
        expected = exact.astype("float32")
        finite = np.isfinite(expected)
        assert np.array_equal(mine[~finite], expected[~finite], equal_nan=True)
        assert np.allclose(mine[finite], expected[finite], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", [pycore.bfloat16, pycore.float16])
@pytest.mark.parametrize("size", [(9,), (6, 7), (1, 1), (2, 3, 4)])
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_narrow_products_of_positions(dtype: Any, size: tuple, batch: int, threads: int) -> None:
    pycore.manual_seed(0)
    conv = getattr(F, f"conv{len(size)}d")
    narrow = [
        pycore.randn(s).to(dtype).requires_grad_()
        for s in ((batch, 24, *size), (40, 24) + (1,) * len(size), (40,))
    ]
    wide = [t.detach().double().requires_grad_() for t in narrow]
    gradient = pycore.randn(batch, 40, *size).to(dtype)
    results = []
    for x, weight, bias in (narrow, wide):
        y = conv(x, weight, bias)
        assert y.dtype == x.dtype
        y.backward(gradient.to(y.dtype))
        results.append((y, x.grad, weight.grad, bias.grad))
    for got, expected in zip(*results, strict=True):
        assert got.dtype == dtype
        bound = 2.0 ** (-8 if dtype == pycore.bfloat16 else -11) * 1.01
        error = (got.double() - expected).abs()
        assert bool((error <= bound * expected.abs() + 1e-4).all())


def test_narrow_transposed_products_with_output_padding() -> None:
    x, weight = pycore.randn(2, 3, 4).bfloat16(), pycore.randn(3, 5, 1).bfloat16()
    y = F.conv_transpose1d(x, weight, output_padding=1, dilation=2)
    expected = F.conv_transpose1d(x.double(), weight.double(), output_padding=1, dilation=2)
    assert y.shape == expected.shape == (2, 5, 5)
    assert pycore.allclose(y.double(), expected, rtol=2.0**-8)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_transposed_without_batch_or_size(dims):
    """An empty batch may have an empty image; nothing else may."""
    convolve = getattr(pycore.nn.functional, f"conv_transpose{dims}d")
    x = pycore.ones(0, 2, *(1,) * dims, requires_grad=True)
    w = pycore.ones(2, 3, *(2,) * dims, requires_grad=True)
    y = convolve(x, w, padding=1)
    y.sum().backward()
    assert y.shape == (0, 3, *(0,) * dims) and x.grad.shape == x.shape and not w.grad.any()
    with pytest.raises(RuntimeError, match="Output size is too small"):
        convolve(pycore.ones(1, *x.shape[1:]), w, padding=1)
