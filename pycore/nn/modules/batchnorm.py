"""Normalisation by batch statistics, and by those of each sample's channels.

Knows the functional forms; must not know how statistics are computed.
"""

from __future__ import annotations

from ... import _C
from .. import functional as F, init
from ..parameter import Parameter
from .module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
]


class _NormBase(Module):
    """Scale, shift and running statistics, with one entry per channel each."""

    # Since version 2 the count of batches is part of the state.
    _version = 2
    num_features: int
    eps: float
    momentum: float | None
    affine: bool
    track_running_stats: bool

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            value = None
            if wanted:
                value = Parameter(_C.empty(num_features, device=device, dtype=dtype))
            self.register_parameter(name, value)
        if track_running_stats:
            self.register_buffer("running_mean", _C.zeros(num_features, device=device, dtype=dtype))
            self.register_buffer("running_var", _C.ones(num_features, device=device, dtype=dtype))
            self.register_buffer("num_batches_tracked", _C.tensor(0, dtype=_C.int64, device=device))
        else:
            self.register_buffer("running_mean", None)
            self.register_buffer("running_var", None)
            self.register_buffer("num_batches_tracked", None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the batches seen: mean 0, variance 1."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Forget the batches seen; scale 1 and shift 0."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        raise NotImplementedError

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        version = local_metadata.get("version", None)
        key = prefix + "num_batches_tracked"
        is_old = version is None or version < 2
        if is_old and self.track_running_stats and key not in state_dict:
            count = self.num_batches_tracked
            state_dict[key] = count if count is not None else _C.tensor(0, dtype=_C.int64)
        super()._load_from_state_dict(
            state_dict,
            prefix,
            local_metadata,
            strict,
            missing_keys,
            unexpected_keys,
            error_msgs,
        )


class _BatchNorm(_NormBase):
    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # then the statistics are plain averages of all batches
                momentum = 1.0 / float(self.num_batches_tracked)
        mean, var = self.running_mean, self.running_var
        use_batch = self.training or (mean is None and var is None)
        if self.training and not self.track_running_stats:
            mean = var = None  # kept from elsewhere, but not to be updated
        return F.batch_norm(input, mean, var, self.weight, self.bias, use_batch, momentum, self.eps)


class BatchNorm1d(_BatchNorm):
    """Normalise channels over the batch (Ioffe, Szegedy 2015).

    Shape: `(N, C)` or `(N, C, L)`. While training the batch's mean and biased variance are used
    and the running ones updated (with the unbiased variance); in evaluation the running ones.

    >>> import pycore
    >>> pycore.nn.BatchNorm1d(3)(pycore.randn(8, 3)).shape
    pycore.Size([8, 3])
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (2, 3):
            raise ValueError(f"expected 2D or 3D input (got {input.dim()}D input)")


class BatchNorm2d(_BatchNorm):
    """Normalise channels over the batch and the plane; shape `(N, C, H, W)`.

    >>> import pycore
    >>> pycore.nn.BatchNorm2d(3)(pycore.randn(8, 3, 4, 4)).shape
    pycore.Size([8, 3, 4, 4])
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() != 4:
            raise ValueError(f"expected 4D input (got {input.dim()}D input)")


class BatchNorm3d(_BatchNorm):
    """Normalise channels over the batch and the volume; shape `(N, C, D, H, W)`.

    >>> import pycore
    >>> pycore.nn.BatchNorm3d(3)(pycore.randn(2, 3, 4, 4, 4)).shape
    pycore.Size([2, 3, 4, 4, 4])
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() != 5:
            raise ValueError(f"expected 5D input (got {input.dim()}D input)")


class _InstanceNorm(_NormBase):
    _dims: tuple[int, int]  # dimensions of an input without and with a batch

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in self._dims:
            single, batched = self._dims
            raise ValueError(f"expected {single}D or {batched}D input (got {input.dim()}D input)")

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        single, _ = self._dims
        channel_dim = input.dim() - self._dims[1] + 1
        if input.size(channel_dim) != self.num_features and self.affine:
            raise ValueError(
                f"expected input's size at dim={channel_dim} to match num_features "
                f"({self.num_features}), but got: {input.size(channel_dim)}."
            )
        batched = input.unsqueeze(0) if input.dim() == single else input
        out = F.instance_norm(
            batched,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum if self.momentum is not None else 0.0,
            self.eps,
        )
        return out.squeeze(0) if input.dim() == single else out


class InstanceNorm1d(_InstanceNorm):
    """Normalise every channel of every sample by itself; shape `(N, C, L)` or `(C, L)`.

    >>> import pycore
    >>> pycore.nn.InstanceNorm1d(3)(pycore.randn(2, 3, 5)).shape
    pycore.Size([2, 3, 5])
    """

    _dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Normalise every channel of every sample by itself; `(N, C, H, W)` or `(C, H, W)`.

    >>> import pycore
    >>> pycore.nn.InstanceNorm2d(3)(pycore.randn(2, 3, 5, 5)).shape
    pycore.Size([2, 3, 5, 5])
    """

    _dims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Normalise every channel of every sample by itself; `(N, C, D, H, W)` or `(C, D, H, W)`.

    >>> import pycore
    >>> pycore.nn.InstanceNorm3d(3)(pycore.randn(2, 3, 4, 4, 4)).shape
    pycore.Size([2, 3, 4, 4, 4])
    """

    _dims = (4, 5)
