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

_batch_norm = _C._nn.batch_norm

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "SyncBatchNorm",
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
    # Numbers of dimensions that `_check_input_dim` is known to accept, and is not asked about.
    _dims: tuple[int, ...] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "_check_input_dim" in cls.__dict__ and "_dims" not in cls.__dict__:
            cls._dims = ()

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() not in self._dims:
            self._check_input_dim(input)
        # The tables themselves: a look-up of each attribute costs as much as the kernel of a batch.
        fields = self.__dict__
        training, momentum = fields["training"], fields["momentum"]
        try:
            buffers, parameters = fields["_buffers"], fields["_parameters"]
            mean, var = buffers["running_mean"], buffers["running_var"]
            weight, bias = parameters["weight"], parameters["bias"]
            count = buffers["num_batches_tracked"]
        except KeyError:  # parametrized, or replaced by attributes of another kind
            mean, var, count = self.running_mean, self.running_var, self.num_batches_tracked
            weight, bias = self.weight, self.bias
        use_batch = training
        if not training:
            use_batch = mean is None and var is None
        elif not fields["track_running_stats"]:
            mean = var = None  # kept from elsewhere, but not to be updated
        elif count is not None:
            count.add_(1)
            if momentum is None:  # then the statistics are plain averages of all batches
                momentum = 1.0 / float(count)
        if momentum is None:
            momentum = 0.0
        return _batch_norm(input, mean, var, weight, bias, use_batch, momentum, fields["eps"])


class BatchNorm1d(_BatchNorm):
    """Normalise channels over the batch (Ioffe, Szegedy 2015).

    Shape: `(N, C)` or `(N, C, L)`. While training the batch's mean and biased variance are used
    and the running ones updated (with the unbiased variance); in evaluation the running ones.

    >>> import pycore
    >>> pycore.nn.BatchNorm1d(3)(pycore.randn(8, 3)).shape
    pycore.Size([8, 3])
    """

    _dims = (2, 3)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (2, 3):
            raise ValueError(f"expected 2D or 3D input (got {input.dim()}D input)")


class BatchNorm2d(_BatchNorm):
    """Normalise channels over the batch and the plane; shape `(N, C, H, W)`.

    >>> import pycore
    >>> pycore.nn.BatchNorm2d(3)(pycore.randn(8, 3, 4, 4)).shape
    pycore.Size([8, 3, 4, 4])
    """

    _dims = (4,)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() != 4:
            raise ValueError(f"expected 4D input (got {input.dim()}D input)")


class BatchNorm3d(_BatchNorm):
    """Normalise channels over the batch and the volume; shape `(N, C, D, H, W)`.

    >>> import pycore
    >>> pycore.nn.BatchNorm3d(3)(pycore.randn(2, 3, 4, 4, 4)).shape
    pycore.Size([2, 3, 4, 4, 4])
    """

    _dims = (5,)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() != 5:
            raise ValueError(f"expected 5D input (got {input.dim()}D input)")


class SyncBatchNorm(_BatchNorm):
    """Batch norm over the batches of all processes; in one process that of `BatchNorm1d` to `3d`.

    Shape: `(N, C, *)`. There are no process groups, so `process_group` is kept without effect.

    >>> import pycore
    >>> pycore.nn.SyncBatchNorm(3)(pycore.randn(8, 3, 4)).shape
    pycore.Size([8, 3, 4])
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self.process_group = process_group

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least 2D input (got {input.dim()}D input)")
        if input.size(1) == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """Replace every batch norm of a model by a synchronised one with the same tensors.

        Returns the model, or the new layer if the model is a batch norm itself.

        >>> import pycore
        >>> net = pycore.nn.Sequential(pycore.nn.BatchNorm1d(3))
        >>> type(pycore.nn.SyncBatchNorm.convert_sync_batchnorm(net)[0]).__name__
        'SyncBatchNorm'
        """
        result: Any = module
        if isinstance(module, _BatchNorm):
            result = SyncBatchNorm(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
                bias=module.bias is not None,
            )
            if module.affine:
                result.weight, result.bias = module.weight, module.bias
            result.running_mean, result.running_var = module.running_mean, module.running_var
            result.num_batches_tracked = module.num_batches_tracked
            result.training = module.training
        for name, child in module.named_children():
            result.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return result


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
