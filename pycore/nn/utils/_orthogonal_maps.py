"""Maps onto orthogonal matrices, differentiable and batched: what `parametrizations.orthogonal` uses.

Knows tensors, and NumPy for factorisations; must not know modules. Matrices are `(*, n, k)`.
"""

from __future__ import annotations

import math

from ... import _C
from ...autograd.function import Function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor


def matrix_exp(a: Tensor) -> Tensor:
    """`exp(A)` of square matrices by scaling and squaring.

    Taylor's polynomial of degree 18 of `A / 2**s`, with `s` so that the norm is at most 1, has a
    remainder below float64's precision; then it is squared `s` times.
    """
    n = a.size(-1)
    norm = float(a.detach().abs().sum(-2).max()) if a.numel() else 0.0
    if not math.isfinite(norm):
        return a * math.nan
    squarings = max(0, math.ceil(math.log2(norm))) if norm > 0 else 0
    scaled = a / 2.0**squarings
    identity = _C.eye(n, dtype=a.dtype)
    # Horner's rule: I + A(I + A/2(I + A/3(...)))
    result = identity + scaled / 18.0
    for order in range(17, 0, -1):
        result = identity + (scaled @ result) / float(order)
    for _ in range(squarings):
        result = result @ result
    return result


class _Solve(Function):
    """`A^-1 B` for square matrices, by NumPy's LAPACK."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        import numpy

        x = _C.from_numpy(numpy.linalg.solve(a.detach().numpy(), b.detach().numpy()))
        ctx.save_for_backward(a, x)
        return x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        a, x = ctx.saved_tensors
        grad_b = _Solve.apply(a.transpose(-2, -1), grad)
        return -grad_b @ x.transpose(-2, -1), grad_b


def cayley(a: Tensor) -> Tensor:
    """`(I - A/2)^-1 (I + A/2)`, orthogonal for skew-symmetric A (Cayley 1846)."""
    identity = _C.eye(a.size(-1), dtype=a.dtype)
    return _Solve.apply(identity - a * 0.5, identity + a * 0.5)


def householder_product(a: Tensor, tau: Tensor) -> Tensor:
    """The first k columns of `H_1 ... H_k` with `H_i = I - tau_i v_i v_i^T`.

    `v_i` is 0 above row i, 1 in it, and column i of `a` below.
    """
    n, k = a.size(-2), a.size(-1)
    unit = _C.eye(n, k, dtype=a.dtype)
    vectors = a.tril(-1) + unit
    result = unit.expand(a.shape)
    for column in range(k - 1, -1, -1):
        v = vectors[..., column].unsqueeze(-1)
        scale = tau[..., column].unsqueeze(-1).unsqueeze(-1)
        result = result - (scale * v) @ (v.transpose(-2, -1) @ result)
    return result


def geqrf(a: Tensor) -> tuple[Tensor, Tensor]:
    """LAPACK's QR factorisation: R above and reflectors below the diagonal, and their scales."""
    import numpy

    n, k = a.size(-2), a.size(-1)
    flat = a.detach().reshape(-1, n, k)
    packed, scales = _C.empty_like(flat), _C.empty(flat.size(0), min(n, k), dtype=a.dtype)
    for number in range(flat.size(0)):
        h, tau = numpy.linalg.qr(flat[number].numpy(), mode="raw")
        packed[number] = _C.tensor(h.T, dtype=a.dtype)
        scales[number] = _C.tensor(tau, dtype=a.dtype)
    return packed.reshape(a.shape), scales.reshape(*a.shape[:-2], min(n, k))


def make_orthogonal(a: Tensor) -> Tensor:
    """The orthogonal factor of a QR factorisation whose R has a positive diagonal."""
    packed, tau = geqrf(a)
    signs = packed.diagonal(0, -2, -1).sign()
    return householder_product(packed, tau) * signs.unsqueeze(-2)


def is_orthogonal(q: Tensor) -> bool:
    """Whether the columns are orthonormal, up to rounding."""
    n, k = q.size(-2), q.size(-1)
    tolerance = 10.0 * n * _EPSILON[str(q.dtype).rpartition(".")[2]]
    product = q.transpose(-2, -1) @ q
    return bool(
        _C.allclose(product, _C.eye(k, dtype=q.dtype).expand(product.shape), atol=tolerance)
    )


_EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
