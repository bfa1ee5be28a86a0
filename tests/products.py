"""Samples of matrix products, convolutions and pooling, for the tests of these operators.

Each calls an operator of either package on float tensors. Knows no test framework.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Sample(NamedTuple):
    name: str
    call: Callable[..., Any]  # (package, functional, *tensors)
    shapes: tuple[tuple[int, ...], ...]
    node: str = ""  # name of grad_fn, as in PyTorch

    def __str__(self) -> str:
        return self.name


def _matmul(a: tuple[int, ...], b: tuple[int, ...], node: str) -> Sample:
    return Sample(f"matmul{a}{b}", lambda t, F, x, y: t.matmul(x, y), (a, b), node)


def _linear(x: tuple[int, ...], bias: bool, node: str) -> Sample:
    shapes = (x, (4, 3), (4,)) if bias else (x, (4, 3))
    return Sample(f"linear{x}{'+b' if bias else ''}", lambda t, F, *a: F.linear(*a), shapes, node)


def _linalg(package: Any) -> Any:
    return package.linalg if hasattr(package, "linalg") else package._C._linalg


def _einsum(equation: str, *shapes: tuple[int, ...]) -> Sample:
    return Sample(f"einsum {equation}", lambda t, F, *a: t.einsum(equation, *a), shapes)


PRODUCTS = [
    Sample("mm", lambda t, F, a, b: t.mm(a, b), ((3, 4), (4, 2)), "MmBackward0"),
    Sample("mm.T", lambda t, F, a, b: t.mm(a.t(), b.t()), ((4, 3), (2, 4)), "MmBackward0"),
    Sample("mm empty", lambda t, F, a, b: t.mm(a, b), ((3, 0), (0, 2)), "MmBackward0"),
    Sample("bmm", lambda t, F, a, b: t.bmm(a, b), ((2, 3, 4), (2, 4, 2)), "BmmBackward0"),
    Sample(
        "bmm.T",
        lambda t, F, a, b: t.bmm(a.transpose(1, 2), b.transpose(0, 1)),
        ((2, 4, 3), (4, 2, 2)),
        "BmmBackward0",
    ),
    Sample("mv", lambda t, F, a, b: t.mv(a, b), ((3, 4), (4,)), "MvBackward0"),
    Sample("dot", lambda t, F, a, b: t.dot(a, b), ((5,), (5,)), "DotBackward0"),
    Sample("vdot", lambda t, F, a, b: t.vdot(a, b), ((5,), (5,))),
    Sample("outer", lambda t, F, a, b: t.outer(a, b), ((3,), (4,)), "MulBackward0"),
    Sample("inner", lambda t, F, a, b: t.inner(a, b), ((2, 3), (4, 3)), "ViewBackward0"),
    Sample("inner 1d", lambda t, F, a, b: t.inner(a, b), ((3,), (3,)), "ViewBackward0"),
    Sample(
        "addmm", lambda t, F, c, a, b: t.addmm(c, a, b), ((2,), (3, 4), (4, 2)), "AddmmBackward0"
    ),
    Sample(
        "addmm scaled",
        lambda t, F, c, a, b: t.addmm(c, a, b, beta=0.5, alpha=2),
        ((3, 2), (3, 4), (4, 2)),
        "AddmmBackward0",
    ),
    Sample("addmm column", lambda t, F, c, a, b: t.addmm(c, a, b), ((3, 1), (3, 4), (4, 2))),
    Sample("addmm beta 0", lambda t, F, c, a, b: t.addmm(c, a, b, beta=0), ((2,), (3, 4), (4, 2))),
    Sample(
        "addmv",
        lambda t, F, c, a, b: t.addmv(c, a, b, beta=0.5, alpha=2),
        ((3,), (3, 4), (4,)),
        "AddmvBackward0",
    ),
    Sample(
        "addr", lambda t, F, c, a, b: t.addr(c, a, b, beta=3), ((3, 4), (3,), (4,)), "AddrBackward0"
    ),
    Sample(
        "baddbmm",
        lambda t, F, c, a, b: t.baddbmm(c, a, b, beta=0.5, alpha=2),
        ((3, 2), (2, 3, 4), (2, 4, 2)),
        "BaddbmmBackward0",
    ),
    Sample(
        "addbmm",
        lambda t, F, c, a, b: t.addbmm(c, a, b, beta=0.5, alpha=2),
        ((3, 2), (2, 3, 4), (2, 4, 2)),
        "AddbmmBackward0",
    ),
    _matmul((3,), (3,), "DotBackward0"),
    _matmul((2, 3), (3,), "MvBackward0"),
    _matmul((3,), (3, 2), "SqueezeBackward4"),
    _matmul((2, 3), (3, 2), "MmBackward0"),
    _matmul((4, 2, 3), (3, 2), "UnsafeViewBackward0"),
    _matmul((4, 2, 3), (3,), "UnsafeViewBackward0"),
    _matmul((3,), (4, 3, 2), "UnsafeViewBackward0"),
    _matmul((2, 3), (4, 3, 2), ""),
    _matmul((4, 2, 3), (4, 3, 2), "UnsafeViewBackward0"),
    _matmul((4, 1, 2, 3), (5, 3, 2), "UnsafeViewBackward0"),
    _matmul((2, 1, 3, 1, 2, 3), (1, 2, 1, 4, 3, 2), "UnsafeViewBackward0"),
    _matmul((0, 2, 3), (3, 2), "UnsafeViewBackward0"),
    Sample(
        "attention",
        lambda t, F, q, k: q.transpose(1, 2) @ k.transpose(1, 2).transpose(-1, -2),
        ((2, 5, 3, 4), (2, 6, 3, 4)),
        "UnsafeViewBackward0",
    ),
    _linear((3,), True, "ViewBackward0"),
    _linear((5, 3), True, "AddmmBackward0"),
    _linear((2, 5, 3), True, "ViewBackward0"),
    _linear((2, 2, 5, 3), True, "ViewBackward0"),
    _linear((0, 3), True, "AddmmBackward0"),
    _linear((3,), False, "SqueezeBackward4"),
    _linear((5, 3), False, "MmBackward0"),
    _linear((2, 5, 3), False, "UnsafeViewBackward0"),
    Sample("linear 2d bias", lambda t, F, *a: F.linear(*a), ((5, 3), (4, 3), (5, 4))),
    Sample("linear w 1d", lambda t, F, *a: F.linear(*a), ((5, 3), (3,)), "MvBackward0"),
    Sample("linear x.T", lambda t, F, x, *a: F.linear(x.t(), *a), ((3, 5), (4, 3), (4,))),
    Sample("multi_dot", lambda t, F, *a: _linalg(t).multi_dot(a), ((2,), (2, 5), (5, 3), (3, 4))),
    _einsum("ij,jk->ik", (2, 3), (3, 4)),
    _einsum("ij,jk", (2, 3), (3, 4)),
    _einsum("ba,b", (2, 3), (2,)),
    _einsum("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    _einsum("ii->i", (3, 3)),
    _einsum("ii", (3, 3)),
    _einsum("iji->j", (3, 2, 3)),
    _einsum("ij->ji", (3, 2)),
    _einsum("ij->", (3, 2)),
    _einsum("i->i", (3,)),
    _einsum("i,j->ij", (3,), (2,)),
    _einsum("i,i->i", (3,), (3,)),
    _einsum("i,ij,j->", (3,), (3, 2), (2,)),
    _einsum("...i,...j->...ij", (5, 3), (5, 2)),
    _einsum("...ij,jk->...ik", (2, 5, 3), (3, 2)),
    _einsum("b...,...c->bc...", (2, 4), (4, 3)),
    _einsum("i...->...", (2, 3)),
    _einsum("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
    _einsum("ij,ij->i", (1, 4), (3, 4)),
    _einsum("abc,cd,de->abe", (2, 3, 4), (4, 5), (5, 2)),
    _einsum(" i j , j k -> i k ", (2, 3), (3, 4)),
]


def _conv(d: int, x: tuple[int, ...], w: tuple[int, ...], bias: bool = True, **kw: Any) -> Sample:
    name = f"conv{d}d {x} {w} {kw or ''}"
    shapes = (x, w, (w[0],)) if bias else (x, w)
    node = "ConvolutionBackward0" if len(x) == d + 2 else "SqueezeBackward1"
    return Sample(name, lambda t, F, *a: getattr(F, f"conv{d}d")(*a, **kw), shapes, node)


def _transposed(d: int, x: tuple[int, ...], w: tuple[int, ...], **kw: Any) -> Sample:
    name = f"conv_transpose{d}d {x} {w} {kw or ''}"
    shapes = (x, w, (w[1] * kw.get("groups", 1),))
    return Sample(name, lambda t, F, *a: getattr(F, f"conv_transpose{d}d")(*a, **kw), shapes)


CONVOLUTIONS = [
    _conv(1, (2, 3, 7), (4, 3, 3)),
    _conv(1, (3, 7), (4, 3, 3), stride=2, padding=1),
    _conv(1, (2, 4, 9), (6, 2, 3), stride=2, padding=2, dilation=2, groups=2),
    _conv(1, (2, 3, 8), (4, 3, 4), padding="same"),
    _conv(1, (2, 3, 8), (4, 3, 4), False, padding="valid"),
    _conv(2, (2, 1, 6, 6), (3, 1, 3, 3)),
    _conv(2, (1, 2, 6, 5), (3, 2, 2, 3), False, stride=(2, 1), padding=(1, 2), dilation=(1, 2)),
    _conv(2, (2, 4, 5, 5), (4, 1, 3, 3), padding=1, groups=4),
    _conv(2, (2, 4, 5, 5), (6, 2, 3, 3), stride=3, padding=1, groups=2),
    _conv(2, (2, 3, 4, 4), (5, 3, 1, 1)),
    _conv(2, (2, 3, 5, 5), (2, 3, 1, 1), stride=2),
    _conv(2, (2, 3, 5, 5), (2, 3, 1, 1), padding=1),
    _conv(2, (3, 6, 6), (2, 3, 4, 3), padding="same", dilation=(1, 2)),
    _conv(2, (0, 3, 5, 5), (2, 3, 3, 3)),
    _conv(2, (1, 1, 3, 3), (1, 1, 3, 3)),
    _conv(3, (1, 2, 4, 5, 4), (2, 2, 2, 3, 2), stride=(1, 2, 1), padding=1),
    _conv(3, (2, 3, 4, 4), (2, 2, 2, 2, 2)),
    _transposed(1, (2, 3, 5), (3, 2, 3)),
    _transposed(1, (2, 4, 5), (4, 2, 3), stride=2, padding=1, output_padding=1, groups=2),
    _transposed(2, (2, 3, 4, 4), (3, 2, 3, 3), stride=2, padding=1, output_padding=1),
    _transposed(2, (1, 3, 3, 4), (3, 2, 2, 3), stride=(1, 3), dilation=(2, 1)),
    _transposed(2, (1, 2, 3, 3), (2, 2, 3, 3), dilation=3, output_padding=2),
    _transposed(2, (1, 2, 3, 3), (2, 3, 1, 1)),
    _transposed(3, (1, 2, 3, 2, 3), (2, 1, 2, 2, 2), stride=2),
]


def _pool(name: str, x: tuple[int, ...], *args: Any, node: str = "", **kw: Any) -> Sample:
    title = f"{name} {x} {args} {kw or ''}"
    return Sample(title, lambda t, F, a: getattr(F, name)(a, *args, **kw), (x,), node)


POOLS = [
    _pool("max_pool1d", (2, 3, 8), 2, node="SqueezeBackward1"),
    _pool("max_pool1d", (3, 9), 3, 2, 1, dilation=2, ceil_mode=True),
    _pool("max_pool1d", (2, 3, 8), 2, return_indices=True),
    _pool("max_pool2d", (2, 3, 6, 6), 2, node="MaxPool2DWithIndicesBackward0"),
    _pool("max_pool2d", (3, 7, 7), (3, 2), 2, 1, ceil_mode=True),
    _pool("max_pool2d", (2, 3, 9, 8), 3, (2, 1), (1, 0), (2, 1), return_indices=True),
    _pool("max_pool2d", (0, 3, 6, 6), 2),
    _pool("max_pool3d", (1, 2, 4, 5, 4), 2, 1, 1, node="MaxPool3DWithIndicesBackward0"),
    _pool("avg_pool1d", (2, 3, 8), 2, node="SqueezeBackward1"),
    _pool("avg_pool1d", (3, 9), 3, 2, 1, ceil_mode=True, count_include_pad=False),
    _pool("avg_pool2d", (2, 3, 6, 6), 2, node="AvgPool2DBackward0"),
    _pool("avg_pool2d", (2, 3, 7, 8), (3, 2), (2, 3), 1, True, False),
    _pool("avg_pool2d", (3, 7, 8), 3, 2, 1, True, True),
    _pool("avg_pool2d", (3, 7, 8), 3, 1, divisor_override=5),
    _pool("avg_pool3d", (1, 2, 4, 5, 4), 2, 1, 1, node="AvgPool3DBackward0"),
    _pool("adaptive_avg_pool1d", (2, 3, 8), 3, node="SqueezeBackward1"),
    _pool("adaptive_avg_pool2d", (2, 3, 8, 6), (4, 3), node="AdaptiveAvgPool2DBackward0"),
    _pool("adaptive_avg_pool2d", (3, 7, 5), (3, 4)),
    _pool("adaptive_avg_pool2d", (2, 3, 7, 5), 1, node="MeanBackward1"),
    _pool("adaptive_avg_pool3d", (1, 2, 4, 5, 4), (2, 3, 4), node="AdaptiveAvgPool3DBackward0"),
    _pool("adaptive_max_pool1d", (2, 3, 8), 3, node="SqueezeBackward1"),
    _pool("adaptive_max_pool2d", (2, 3, 8, 6), (4, 3), node="AdaptiveMaxPool2DBackward0"),
    _pool("adaptive_max_pool2d", (3, 7, 5), (3, 4), True),
    _pool("adaptive_max_pool3d", (1, 2, 4, 5, 4), (2, 3, 4), node="AdaptiveMaxPool3DBackward0"),
]

MIN_POOLS = [
    _pool("min_pool1d", (2, 3, 8), 2),
    _pool("min_pool1d", (3, 9), 3, 2, 1, 2, True),
    _pool("min_pool2d", (2, 3, 6, 6), 2),
    _pool("min_pool2d", (2, 3, 9, 8), 3, (2, 1), (1, 0), (2, 1)),
    _pool("min_pool3d", (1, 2, 4, 5, 4), 2, 1, 1),
]
