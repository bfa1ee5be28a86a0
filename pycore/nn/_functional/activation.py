"""Activations that Python composes: soft maxima with their implicit dimension, random ones.

Knows tensors and differentiable operators; must not know modules.
"""

from __future__ import annotations

import warnings

from ... import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor


def _implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    """The dimension meant by `dim=None`, with the warning that it should be given."""
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. "
        "Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """`exp(x) / sum(exp(x))` along `dim`; computed in `dtype` when it is given.

    >>> import pycore
    >>> pycore.nn.functional.softmax(pycore.zeros(4), dim=0)
    tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    if dim is None:
        dim = _implicit_dim("softmax", input.dim(), _stacklevel)
    return input.softmax(dim) if dtype is None else input.softmax(dim, dtype=dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """Logarithm of `softmax`, computed without its overflow.

    >>> import pycore
    >>> pycore.nn.functional.log_softmax(pycore.zeros(1), dim=0)
    tensor([0.])
    """
    if dim is None:
        dim = _implicit_dim("log_softmax", input.dim(), _stacklevel)
    return input.log_softmax(dim) if dtype is None else input.log_softmax(dim, dtype=dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """`softmax(-x)`: the smallest entry gets the largest share.

    >>> import pycore
    >>> pycore.nn.functional.softmin(pycore.zeros(2), dim=0)
    tensor([0.5000, 0.5000])
    """
    if dim is None:
        dim = _implicit_dim("softmin", input.dim(), _stacklevel)
    return (-input).softmax(dim) if dtype is None else (-input).softmax(dim, dtype=dtype)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """Sample from the Gumbel-softmax distribution (Jang, Gu, Poole 2017).

    Args:
        logits: unnormalised log probabilities of any shape.
        tau: temperature, positive.
        hard: return one-hot samples that have the gradient of the soft ones.
        dim: dimension over which the probabilities sum to one.

    >>> import pycore
    >>> pycore.nn.functional.gumbel_softmax(pycore.zeros(2, 5), hard=True).sum()
    tensor(2.)
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    noise = -_C.empty_like(logits).exponential_().log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    one_hot = _C.zeros_like(logits).scatter_(dim, index, 1.0)
    return one_hot - soft.detach() + soft


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """Leaky ReLU whose slope is drawn uniformly from [lower, upper] while training.

    In evaluation the slope is the middle of that range.

    >>> import pycore
    >>> pycore.nn.functional.rrelu(pycore.tensor([-2.0, 3.0]), 0.5, 0.5)
    tensor([-1.,  3.])
    """
    if lower > upper:
        raise RuntimeError(
            f"Lower bound should be less than or equal to the upper bound, "
            f"got lower={lower}, upper={upper}"
        )
    if training:
        # One number in double precision per element that is not positive, in memory order.
        flat = input.detach() <= 0
        drawn = _C.empty(int(flat.sum()), dtype=_C.float64).uniform_(lower, upper)
        slope = _C.ones_like(input.detach())
        slope[flat] = drawn.to(input.dtype)
        result = input * slope
    else:
        middle = (lower + upper) / 2
        result = _C.where(input <= 0, input * middle, input)
    return input.copy_(result) if inplace else result


def _in_place(function: Any, name: str) -> Any:
    def in_place(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return function(input, *args, **kwargs, inplace=True)

    in_place.__name__ = in_place.__qualname__ = name
    in_place.__doc__ = f"In-place form of `{name[:-1]}`; returns its input."
    return in_place


relu_ = _in_place(_C._nn.relu, "relu_")
elu_ = _in_place(_C._nn.elu, "elu_")
selu_ = _in_place(_C._nn.selu, "selu_")
celu_ = _in_place(_C._nn.celu, "celu_")
leaky_relu_ = _in_place(_C._nn.leaky_relu, "leaky_relu_")
hardtanh_ = _in_place(_C._nn.hardtanh, "hardtanh_")
threshold_ = _in_place(_C._nn.threshold, "threshold_")
rrelu_ = _in_place(rrelu, "rrelu_")
