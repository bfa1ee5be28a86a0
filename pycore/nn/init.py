"""Initial values of parameters.

Knows the tensors' in-place random fills; must not know layers. Every function fills its tensor in
place without recording, returns it, and draws its numbers in an order that is part of the
contract: equal seeds give equal weights.
"""

from __future__ import annotations

import math
import warnings

from .. import _C
from ..autograd.grad_mode import no_grad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

Tensor = _C.Tensor

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_LINEAR = frozenset(
    ["linear", "sigmoid"]
    + [f"{kind}{n}d" for kind in ("conv", "conv_transpose") for n in (1, 2, 3)]
)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights must grow to make up for an activation.

    Args:
        nonlinearity: `linear`, `conv1d`..., `sigmoid`, `tanh`, `relu`, `leaky_relu` or `selu`.
        param: the negative slope of `leaky_relu`, 0.01 when None.

    Raises ValueError for other names.

    >>> import pycore
    >>> round(pycore.nn.init.calculate_gain("leaky_relu", 0.2), 4)
    1.3868
    """
    if nonlinearity in _LINEAR:
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "selu":
        return 3.0 / 4  # found by experiment, not by theory
    if nonlinearity == "leaky_relu":
        if param is None:
            slope = 0.01
        elif isinstance(param, (int, float)) and not isinstance(param, bool):
            slope = param
        else:
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def _fans(tensor: Tensor) -> tuple[int, int]:
    """Inputs and outputs that one weight of a layer connects: (fan_in, fan_out)."""
    if tensor.dim() < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    field = 1
    for extent in tensor.shape[2:]:
        field *= extent
    return tensor.size(1) * field, tensor.size(0) * field


_calculate_fan_in_and_fan_out = _fans


def _fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return _fans(tensor)[mode == "fan_out"]


_calculate_correct_fan = _fan


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with numbers drawn uniformly from [a, b).

    >>> import pycore
    >>> w = pycore.nn.init.uniform_(pycore.empty(3, 5))
    """
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with normal numbers of this mean and standard deviation.

    >>> import pycore
    >>> w = pycore.nn.init.normal_(pycore.empty(3, 5))
    """
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Tensor:
    """Fill with normal numbers restricted to [a, b], by drawing again what falls outside.

    Where less than 0.3 of the normal distribution lies in [a, b], the candidates are uniform
    instead and each is accepted with its share of the highest density there.

    >>> import pycore
    >>> w = pycore.nn.init.trunc_normal_(pycore.empty(3, 5))
    >>> bool(w.abs().max() <= 2)
    True
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )

    def below(x: float) -> float:
        return (1.0 + math.erf((x - mean) / std / math.sqrt(2.0))) / 2.0

    with no_grad():
        if below(b) - below(a) > 0.3:
            return _redraw_normal(tensor, mean, std, a, b, generator)
        return _redraw_uniform(tensor, mean, std, a, b, generator)


# Both draw the whole tensor anew in every round, which fixes the numbers that are used up.


def _redraw_normal(
    tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Any
) -> Tensor:
    tensor.normal_(mean, std, generator=generator)
    while True:
        outside = (tensor < a) | (tensor > b)
        if not bool(outside.any()):
            return tensor
        fresh = _C.empty_like(tensor).normal_(mean, std, generator=generator)
        tensor.copy_(_C.where(outside, fresh, tensor))


def _redraw_uniform(
    tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Any
) -> Tensor:
    highest = ((max(a, min(mean, b)) - mean) / std) ** 2  # of the density, at its peak in [a, b]
    waiting: Any = None
    while True:
        fresh = _C.empty_like(tensor).uniform_(a, b, generator=generator)
        share = fresh.sub(mean).div_(std).pow_(2).sub_(highest).mul_(-0.5)
        rejected = _C.empty_like(tensor).uniform_(generator=generator).log_() > share
        tensor.copy_(fresh if waiting is None else _C.where(waiting, fresh, tensor))
        waiting = rejected if waiting is None else waiting & rejected
        if not bool(waiting.any()):
            return tensor


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value.

    >>> import pycore
    >>> pycore.nn.init.constant_(pycore.empty(2), 0.3)
    tensor([0.3000, 0.3000])
    """
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones.

    >>> import pycore
    >>> pycore.nn.init.ones_(pycore.empty(2))
    tensor([1., 1.])
    """
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros.

    >>> import pycore
    >>> pycore.nn.init.zeros_(pycore.empty(2))
    tensor([0., 0.])
    """
    with no_grad():
        return tensor.zero_()


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity; ValueError unless it has 2 dimensions.

    >>> import pycore
    >>> pycore.nn.init.eye_(pycore.empty(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with no_grad():
        tensor.zero_()
        tensor.diagonal().fill_(1)
    return tensor


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Make a convolution weight of 3, 4 or 5 dimensions pass its channels through.

    >>> import pycore
    >>> pycore.nn.init.dirac_(pycore.empty(1, 1, 3))
    tensor([[[0., 1., 0.]]])
    """
    if tensor.dim() not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    out_channels, in_channels = tensor.size(0), tensor.size(1)
    if out_channels % groups:
        raise ValueError("dim 0 must be divisible by groups")
    per_group = out_channels // groups
    centre = tuple(extent // 2 for extent in tensor.shape[2:])
    with no_grad():
        tensor.zero_()
        for group in range(groups):
            for channel in range(min(per_group, in_channels)):
                tensor[(group * per_group + channel, channel, *centre)] = 1
    return tensor


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Uniform with variance `gain**2 * 2 / (fan_in + fan_out)` (Glorot, Bengio 2010).

    >>> import pycore
    >>> w = pycore.nn.init.xavier_uniform_(pycore.empty(3, 5))
    """
    fan_in, fan_out = _fans(tensor)
    bound = math.sqrt(3.0) * (gain * math.sqrt(2.0 / float(fan_in + fan_out)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Normal with variance `gain**2 * 2 / (fan_in + fan_out)` (Glorot, Bengio 2010).

    >>> import pycore
    >>> w = pycore.nn.init.xavier_normal_(pycore.empty(3, 5))
    """
    fan_in, fan_out = _fans(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / float(fan_in + fan_out)), generator)


def _is_empty(tensor: Tensor) -> bool:
    if 0 not in tensor.shape:
        return False
    warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
    return True


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Uniform with variance `gain**2 / fan` (He et al. 2015).

    Args:
        a: negative slope of the leaky ReLU that follows.
        mode: `fan_in` keeps the variance of the forward pass, `fan_out` of the backward pass.
        nonlinearity: see `calculate_gain`.

    >>> import pycore
    >>> w = pycore.nn.init.kaiming_uniform_(pycore.empty(3, 5), nonlinearity="relu")
    """
    if _is_empty(tensor):
        return tensor
    std = calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Normal with variance `gain**2 / fan` (He et al. 2015); see `kaiming_uniform_`.

    >>> import pycore
    >>> w = pycore.nn.init.kaiming_normal_(pycore.empty(3, 5), mode="fan_out")
    """
    if _is_empty(tensor):
        return tensor
    std = calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))
    return normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """Fill with a (semi-)orthogonal matrix times `gain` (Saxe et al. 2013).

    Dimensions after the first are taken as one; ValueError below 2 dimensions.

    >>> import pycore
    >>> w = pycore.nn.init.orthogonal_(pycore.empty(3, 3))
    >>> bool((w @ w.T - pycore.eye(3)).abs().max() < 1e-5)
    True
    """
    if tensor.dim() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.size(0)
    columns = tensor.numel() // rows
    import numpy  # few programs need it at their start

    with no_grad():
        flat = tensor.new_empty((rows, columns)).normal_(0, 1, generator=generator)
        wide = rows < columns
        if flat.element_size() == 2:
            flat = flat.float()
        q, r = numpy.linalg.qr((flat.t() if wide else flat).numpy())
        # QR leaves the signs open; fixing them makes the distribution uniform.
        q = q * numpy.sign(numpy.diagonal(r))
        if wide:
            q = q.T
        tensor.view_as(flat).copy_(_C.from_numpy(numpy.ascontiguousarray(q)))
        return tensor.mul_(gain)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Normal numbers with a share of `sparsity` zeros in every column (Martens 2010).

    >>> import pycore
    >>> w = pycore.nn.init.sparse_(pycore.empty(10, 5), sparsity=0.1)
    >>> (w == 0).sum(0)
    tensor([1, 1, 1, 1, 1])
    """
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns):
            tensor[_C.randperm(rows)[:zeros], column] = 0
    return tensor


def _old_name(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    new = function.__name__
    old = new[:-1]

    def deprecated(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(
            f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    deprecated.__name__ = deprecated.__qualname__ = old
    deprecated.__doc__ = f"Deprecated name of `{new}`."
    return deprecated


uniform = _old_name(uniform_)
normal = _old_name(normal_)
constant = _old_name(constant_)
eye = _old_name(eye_)
dirac = _old_name(dirac_)
xavier_uniform = _old_name(xavier_uniform_)
xavier_normal = _old_name(xavier_normal_)
kaiming_uniform = _old_name(kaiming_uniform_)
kaiming_normal = _old_name(kaiming_normal_)
orthogonal = _old_name(orthogonal_)
sparse = _old_name(sparse_)
