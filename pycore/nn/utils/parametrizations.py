"""Ready-made parametrizations: weight norm, spectral norm, orthogonal matrices.

Knows parametrization and modules; must not know particular layers beyond the transposed ones.
"""

from __future__ import annotations

from ... import _C
from ...autograd.grad_mode import no_grad
from .. import functional as F
from ..modules.module import Module
from . import parametrize
from ._orthogonal_maps import (
    cayley,
    geqrf,
    householder_product,
    is_orthogonal,
    make_orthogonal,
    matrix_exp,
)
from ._weight_norm import norm_except_dim, normalized_weight
from .spectral_norm import output_dim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def _tensor_of(module: Any, name: str) -> Tensor:
    tensor = getattr(module, name, None)
    if not isinstance(tensor, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return tensor


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return normalized_weight(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Train a weight as direction and length (Salimans, Kingma 2016).

    The weight becomes `original0 * original1 / norm(original1)` with the norm over all dimensions
    but `dim`, or over everything when None. State dicts of the older `nn.utils.weight_norm` load.

    >>> import pycore
    >>> m = pycore.nn.utils.parametrizations.weight_norm(pycore.nn.Linear(20, 40), name="weight")
    >>> m.parametrizations.weight.original0.shape, m.parametrizations.weight.original1.shape
    (pycore.Size([40, 1]), pycore.Size([40, 20]))
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename_old_keys(
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        old = [f"{prefix}{name}_g", f"{prefix}{name}_v"]
        if all(key in state_dict for key in old):
            for number, key in enumerate(old):
                new = f"{prefix}parametrizations.{name}.original{number}"
                state_dict[new] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(rename_old_keys)
    return module


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(
        self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        ndim = weight.dim()
        if not -ndim <= dim < ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] "
                f"but got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but "
                f"got n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % ndim
        self.eps = eps
        if ndim > 1:  # a vector is divided by its norm, which needs no estimates
            self.n_power_iterations = n_power_iterations
            matrix = self._as_matrix(weight)
            rows, columns = matrix.size()
            u = matrix.new_empty(rows).normal_(0, 1)
            v = matrix.new_empty(columns).normal_(0, 1)
            self.register_buffer("_u", F.normalize(u, dim=0, eps=eps))
            self.register_buffer("_v", F.normalize(v, dim=0, eps=eps))
            self._iterate(matrix, 15)

    def _as_matrix(self, weight: Tensor) -> Tensor:
        if self.dim != 0:
            others = [axis for axis in range(weight.dim()) if axis != self.dim]
            weight = weight.permute(self.dim, *others)
        return weight.flatten(1)

    def _iterate(self, matrix: Tensor, times: int) -> None:
        """Power iteration on the estimates of the largest singular vectors, in place."""
        with no_grad():
            for _ in range(times):
                self._u = F.normalize(_C.mv(matrix, self._v), dim=0, eps=self.eps, out=self._u)
                self._v = F.normalize(_C.mv(matrix.t(), self._u), dim=0, eps=self.eps, out=self._v)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.dim() == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._as_matrix(weight)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        # The next call overwrites the estimates, which backward of this one must not see.
        u, v = self._u.clone(), self._v.clone()
        return weight / _C.dot(u, _C.mv(matrix, v))

    def right_inverse(self, value: Tensor) -> Tensor:
        # Not an inverse, since norms are lost, but a weight of norm 1 is its own.
        return value


def spectral_norm(
    module: Any,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Any:
    """Divide a weight by its largest singular value (Miyato et al. 2018).

    The singular vectors are estimated by `n_power_iterations` whenever the weight is read in
    training mode. `dim` numbers the outputs: 1 for transposed convolutions, else 0, when None.

    >>> import pycore
    >>> m = pycore.nn.utils.parametrizations.spectral_norm(pycore.nn.Linear(3, 4)).eval()
    >>> bool((m.weight @ m.parametrizations.weight[0]._v).norm() < 1.01)
    True
    """
    weight = _tensor_of(module, name)
    dim = output_dim(module) if dim is None else dim
    parametrize.register_parametrization(
        module, name, _SpectralNorm(weight, n_power_iterations, dim, eps)
    )
    return module


_ORTHOGONAL_MAPS = ("matrix_exp", "cayley", "householder")


class _Orthogonal(Module):
    base: Tensor

    def __init__(self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool = True):
        super().__init__()
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        transposed = X.size(-2) < X.size(-1)
        if transposed:
            X = X.transpose(-2, -1)
        n, k = X.size(-2), X.size(-1)
        if self.orthogonal_map == "householder":
            # Reflectors lie below the diagonal, which holds signs and takes no gradient.
            A = X.tril(-1)
            tau = 2.0 / (1.0 + (A * A).sum(-2))
            Q = householder_product(A, tau)
            Q = Q * X.diagonal(0, -2, -1).detach().trunc().unsqueeze(-2)
        else:
            X = X.tril()
            if n != k:
                fill = X.new_zeros(n, n - k).expand(*X.shape[:-2], n, n - k)
                X = _C.cat([X, fill], -1)
            A = X - X.transpose(-2, -1)
            Q = matrix_exp(A) if self.orthogonal_map == "matrix_exp" else cayley(A)
            if n != k:
                Q = Q[..., :k]
        if hasattr(self, "base"):
            Q = self.base @ Q
        return Q.transpose(-2, -1) if transposed else Q

    def right_inverse(self, Q: Tensor) -> Tensor:
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. "
                f"Got a tensor of shape {Q.shape}."
            )
        with no_grad():
            return self._inverse(Q)

    def _inverse(self, given: Tensor) -> Tensor:
        transposed = given.size(-2) < given.size(-1)
        Q = given.transpose(-2, -1) if transposed else given
        n, k = Q.size(-2), Q.size(-1)
        if not hasattr(self, "base"):
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley "
                    "parametrizations when use_trivialization=False."
                )
            A, tau = geqrf(Q)
            diagonal = A.diagonal(0, -2, -1)
            signs = diagonal.sign()
            # A scale of 0 means no reflection: the identity, whose sign LAPACK leaves to us.
            diagonal.copy_(_C.where(tau == 0.0, -signs, signs))
            return A.transpose(-2, -1) if transposed else A
        if n == k:
            Q = Q.clone() if is_orthogonal(Q) else make_orthogonal(Q)
        else:
            fill = _C.randn(*Q.shape[:-2], n, n - k, dtype=Q.dtype)
            Q = make_orthogonal(_C.cat([Q, fill], -1))
        self.base = Q
        # Minus the identity, at which every one of the maps gives the identity.
        start = _C.zeros_like(given)
        start.diagonal(0, -2, -1).fill_(-1.0)
        return start


def orthogonal(
    module: Any,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Any:
    """Keep a matrix, or every matrix of a batch `(*, n, k)`, orthogonal while it is trained.

    Columns are orthonormal for n >= k, rows otherwise. Maps (Lezcano-Casado 2019):
    `"matrix_exp"` and `"cayley"` of skew-symmetric matrices, and `"householder"`, the product of
    reflections; None takes the first for square matrices and the last for others. With
    `use_trivialization` the parameter is relative to the matrix it was first, which needs more
    memory and makes training easier; without it only `"householder"` can be assigned to.

    >>> import pycore
    >>> m = pycore.nn.utils.parametrizations.orthogonal(pycore.nn.Linear(20, 40))
    >>> Q = m.weight
    >>> (Q.T @ Q).allclose(pycore.eye(20), atol=1e-5)
    True
    """
    weight = _tensor_of(module, name)
    if weight.dim() < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.dim()} dimensions."
        )
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.size(-2) == weight.size(-1) else "householder"
    if orthogonal_map not in _ORTHOGONAL_MAPS:
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". '
            f"Got: {orthogonal_map}"
        )
    made = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    parametrize.register_parametrization(module, name, made, unsafe=True)
    return module
