"""Activation layers.

Knows the functional forms; must not know anything else. Unless said otherwise a layer works
element by element on a tensor of any shape.
"""

from __future__ import annotations

import warnings

from ... import _C
from .. import functional as F
from ..parameter import Parameter
from .attention import MultiheadAttention as MultiheadAttention  # where PyTorch keeps it
from .module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


def _inplace_text(inplace: bool) -> str:
    return "inplace=True" if inplace else ""


class _InPlace(Module):
    """Constructor and printing of the activations whose only option is to overwrite their input."""

    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return _inplace_text(self.inplace)


class ReLU(_InPlace):
    """`max(0, x)`.

    >>> import pycore
    >>> pycore.nn.ReLU()(pycore.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, self.inplace)


class SELU(_InPlace):
    """Scaled ELU that keeps mean 0 and variance 1 (Klambauer et al. 2017).

    >>> import pycore
    >>> pycore.nn.SELU()(pycore.zeros(1))
    tensor([0.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.selu(input, self.inplace)


class SiLU(_InPlace):
    """`x * sigmoid(x)`, also called swish.

    >>> import pycore
    >>> pycore.nn.SiLU()(pycore.zeros(1))
    tensor([0.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.silu(input, self.inplace)


class Mish(_InPlace):
    """`x * tanh(softplus(x))` (Misra 2019).

    >>> import pycore
    >>> pycore.nn.Mish()(pycore.zeros(1))
    tensor([0.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.mish(input, self.inplace)


class ELU(Module):
    """`x` above 0, `alpha * (exp(x) - 1)` below.

    >>> import pycore
    >>> pycore.nn.ELU()(pycore.zeros(1))
    tensor([0.])
    """

    inplace: bool

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        text = f"alpha={self.alpha}"
        return text + ", inplace=True" if self.inplace else text


class CELU(Module):
    """`max(0, x) + min(0, alpha * (exp(x / alpha) - 1))` (Barron 2017).

    >>> import pycore
    >>> pycore.nn.CELU()(pycore.zeros(1))
    tensor([0.])
    """

    inplace: bool

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.celu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        text = f"alpha={self.alpha}"
        return text + ", inplace=True" if self.inplace else text


class LeakyReLU(Module):
    """`x` above 0, `negative_slope * x` below.

    >>> import pycore
    >>> pycore.nn.LeakyReLU(0.5)(pycore.tensor([-1.0, 2.0]))
    tensor([-0.5000,  2.0000])
    """

    inplace: bool

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        text = f"negative_slope={self.negative_slope}"
        return text + ", inplace=True" if self.inplace else text


class Sigmoid(Module):
    """`1 / (1 + exp(-x))`.

    >>> import pycore
    >>> pycore.nn.Sigmoid()(pycore.zeros(1))
    tensor([0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return input.sigmoid()


class Tanh(Module):
    """Hyperbolic tangent.

    >>> import pycore
    >>> pycore.nn.Tanh()(pycore.zeros(1))
    tensor([0.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return input.tanh()


class LogSigmoid(Module):
    """Logarithm of the sigmoid, without its underflow.

    >>> import pycore
    >>> pycore.nn.LogSigmoid()(pycore.zeros(1))
    tensor([-0.6931])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.logsigmoid(input)


class Softsign(Module):
    """`x / (1 + |x|)`.

    >>> import pycore
    >>> pycore.nn.Softsign()(pycore.ones(1))
    tensor([0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softsign(input)


class Tanhshrink(Module):
    """`x - tanh(x)`.

    >>> import pycore
    >>> pycore.nn.Tanhshrink()(pycore.zeros(1))
    tensor([0.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanhshrink(input)


class Hardsigmoid(Module):
    """`clamp(x / 6 + 1/2, 0, 1)`.

    >>> import pycore
    >>> pycore.nn.Hardsigmoid()(pycore.zeros(1))
    tensor([0.5000])
    """

    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.hardsigmoid(input, self.inplace)


class Hardswish(Module):
    """`x * clamp(x / 6 + 1/2, 0, 1)` (Howard et al. 2019).

    >>> import pycore
    >>> pycore.nn.Hardswish()(pycore.tensor([-3.0, 3.0]))
    tensor([-0., 3.])
    """

    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.hardswish(input, self.inplace)


class Hardtanh(Module):
    """`clamp(x, min_val, max_val)`; ValueError unless `max_val > min_val`.

    >>> import pycore
    >>> pycore.nn.Hardtanh()(pycore.tensor([-2.0, 0.5]))
    tensor([-1.0000,  0.5000])
    """

    min_val: float
    max_val: float
    inplace: bool

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        if min_value is not None:
            warnings.warn(
                "keyword argument `min_value` is deprecated and rename to `min_val`",
                FutureWarning,
                stacklevel=2,
            )
            min_val = min_value
        if max_value is not None:
            warnings.warn(
                "keyword argument `max_value` is deprecated and rename to `max_val`",
                FutureWarning,
                stacklevel=2,
            )
            max_val = max_value
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace
        if self.max_val <= self.min_val:
            raise AssertionError(
                f"max_val ({self.max_val}) must be greater than min_val ({self.min_val})"
            )

    def forward(self, input: Tensor) -> Tensor:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        text = f"min_val={self.min_val}, max_val={self.max_val}"
        return text + ", inplace=True" if self.inplace else text


class ReLU6(Hardtanh):
    """`clamp(x, 0, 6)`.

    >>> import pycore
    >>> pycore.nn.ReLU6()(pycore.tensor([-1.0, 8.0]))
    tensor([0., 6.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        return _inplace_text(self.inplace)


class Threshold(Module):
    """`x` where it exceeds `threshold`, else `value`.

    >>> import pycore
    >>> pycore.nn.Threshold(0.1, 20.0)(pycore.tensor([0.0, 1.0]))
    tensor([20.,  1.])
    """

    threshold: float
    value: float
    inplace: bool

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        text = f"threshold={self.threshold}, value={self.value}"
        return text + ", inplace=True" if self.inplace else text


class RReLU(Module):
    """Leaky ReLU with a slope drawn from [lower, upper] while training (Xu et al. 2015).

    >>> import pycore
    >>> pycore.nn.RReLU(0.5, 0.5)(pycore.tensor([-2.0, 3.0]))
    tensor([-1.,  3.])
    """

    lower: float
    upper: float
    inplace: bool

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        text = f"lower={self.lower}, upper={self.upper}"
        return text + ", inplace=True" if self.inplace else text


class GELU(Module):
    """`x * Phi(x)` with the normal distribution function (Hendrycks, Gimpel 2016).

    `approximate="tanh"` uses the tanh formula.

    >>> import pycore
    >>> pycore.nn.GELU()(pycore.zeros(1))
    tensor([0.])
    """

    approximate: str

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class GLU(Module):
    """`a * sigmoid(b)` with the two halves a, b of dimension `dim` (Dauphin et al. 2016).

    >>> import pycore
    >>> pycore.nn.GLU()(pycore.zeros(4, 2)).shape
    pycore.Size([4, 1])
    """

    dim: int

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class PReLU(Module):
    """Leaky ReLU whose slope is a parameter, one for all or one per channel (dimension 1).

    >>> import pycore
    >>> pycore.nn.PReLU()(pycore.tensor([-2.0, 3.0])).detach()
    tensor([-0.5000,  3.0000])
    """

    num_parameters: int

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(_C.empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the slopes to their first value."""
        self.weight.data.fill_(self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class Softplus(Module):
    """`log(1 + exp(beta * x)) / beta`; linear where `beta * x` exceeds `threshold`.

    >>> import pycore
    >>> pycore.nn.Softplus()(pycore.zeros(1))
    tensor([0.6931])
    """

    beta: float
    threshold: float

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Hardshrink(Module):
    """`x` outside [-lambd, lambd], else 0.

    >>> import pycore
    >>> pycore.nn.Hardshrink()(pycore.tensor([0.25, 1.0]))
    tensor([0., 1.])
    """

    lambd: float

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Softshrink(Module):
    """`x` moved towards 0 by `lambd`, and 0 where that would cross it.

    >>> import pycore
    >>> pycore.nn.Softshrink()(pycore.tensor([0.25, 1.0]))
    tensor([0.0000, 0.5000])
    """

    lambd: float

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class _SoftBase(Module):
    """The dimension of a soft maximum; None picks one, with a warning at every call."""

    dim: int | None

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("dim", None)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_SoftBase):
    """`exp(x) / sum(exp(x))` along `dim`.

    >>> import pycore
    >>> pycore.nn.Softmax(dim=0)(pycore.zeros(4))
    tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim, _stacklevel=5)


class LogSoftmax(_SoftBase):
    """Logarithm of `Softmax`, computed without its overflow.

    >>> import pycore
    >>> pycore.nn.LogSoftmax(dim=0)(pycore.zeros(1))
    tensor([0.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim, _stacklevel=5)


class Softmin(_SoftBase):
    """`Softmax` of `-x`.

    >>> import pycore
    >>> pycore.nn.Softmin(dim=0)(pycore.zeros(2))
    tensor([0.5000, 0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softmin(input, self.dim, _stacklevel=5)


class Softmax2d(Module):
    """`Softmax` over the channels of `(N, C, H, W)` or `(C, H, W)`.

    >>> import pycore
    >>> pycore.nn.Softmax2d()(pycore.zeros(1, 2, 1, 1)).flatten()
    tensor([0.5000, 0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() not in (3, 4):
            raise ValueError(
                f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead"
            )
        return F.softmax(input, -3, _stacklevel=5)
