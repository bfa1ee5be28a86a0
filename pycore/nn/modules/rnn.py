"""Recurrent layers over whole sequences, and their single steps.

Knows the operators `lstm`, `gru`, `rnn_tanh`, `rnn_relu` and packed sequences; must not know how
steps are computed.
"""

from __future__ import annotations

import math
import numbers
import warnings

from ... import _C
from .. import init
from ..parameter import Parameter
from ..utils.rnn import PackedSequence
from .module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}
_CHECKS = frozenset(
    {
        "check_forward_args",
        "check_hidden_size",
        "check_input",
        "get_expected_cell_size",
        "get_expected_hidden_size",
    }
)


def _check_sizes(input_size: int, hidden_size: int, num_layers: int, proj_size: int) -> None:
    if not isinstance(input_size, int):
        raise TypeError(f"input_size should be of type int, got: {type(input_size).__name__}")
    if input_size <= 0:
        raise ValueError("input_size must be greater than zero")
    if not isinstance(hidden_size, int):
        raise TypeError(f"hidden_size should be of type int, got: {type(hidden_size).__name__}")
    if hidden_size <= 0:
        raise ValueError("hidden_size must be greater than zero")
    if num_layers <= 0:
        raise ValueError("num_layers must be greater than zero")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if proj_size >= hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")


def _check_dropout(dropout: float, num_layers: int) -> None:
    if (
        not isinstance(dropout, numbers.Number)
        or not 0 <= dropout <= 1  # type: ignore[operator]
        or isinstance(dropout, bool)
    ):
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an "
            "element being zeroed"
        )
    if dropout > 0 and num_layers == 1:  # type: ignore[operator]
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
            f"expects num_layers greater than 1, but got dropout={dropout} and "
            f"num_layers={num_layers}",
            stacklevel=4,
        )


class RNNBase(Module):
    """What `LSTM`, `GRU` and `RNN` share: weights of all layers and directions, and their names.

    Layer k has `weight_ih_l{k}`, `weight_hh_l{k}`, `bias_ih_l{k}`, `bias_hh_l{k}` and, with
    `proj_size`, `weight_hr_l{k}`; those of the backward direction end in `_reverse`. All start
    uniform in +-1/sqrt(hidden_size).

    >>> import pycore
    >>> pycore.nn.RNNBase("GRU", 2, 3).weight_ih_l0.shape
    pycore.Size([9, 2])
    """

    mode: str
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    proj_size: int

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        _check_dropout(dropout, num_layers)
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        if not isinstance(bias, bool):
            raise TypeError(f"bias should be of type bool, got: {type(bias).__name__}")
        if not isinstance(batch_first, bool):
            raise TypeError(
                f"batch_first should be of type bool, got: {type(batch_first).__name__}"
            )
        _check_sizes(input_size, hidden_size, num_layers, proj_size)
        if mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + mode)

        width = _GATES[mode] * hidden_size
        state = proj_size or hidden_size
        self._flat_weights_names: list[str] = []
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            features = input_size if layer == 0 else state * self._num_directions
            for suffix in ("", "_reverse")[: self._num_directions]:
                shapes: dict[str, tuple[int, ...]] = {
                    f"weight_ih_l{layer}{suffix}": (width, features),
                    f"weight_hh_l{layer}{suffix}": (width, state),
                }
                if bias:
                    shapes[f"bias_ih_l{layer}{suffix}"] = (width,)
                    shapes[f"bias_hh_l{layer}{suffix}"] = (width,)
                if proj_size:
                    shapes[f"weight_hr_l{layer}{suffix}"] = (proj_size, hidden_size)
                for name, shape in shapes.items():
                    setattr(self, name, Parameter(_C.empty(shape, device=device, dtype=dtype)))
                self._flat_weights_names.extend(shapes)
                self._all_weights.append(list(shapes))
        self.reset_parameters()

    @property
    def _num_directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _flat_weights(self) -> list[Any]:
        """All weights in the order the operators take them."""
        try:
            return list(map(self._parameters.__getitem__, self._flat_weights_names))
        except KeyError:  # replaced by something else than a parameter
            return [getattr(self, name) for name in self._flat_weights_names]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The weights of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self) -> None:
        """Do nothing: a call for GPUs, where weights in one block are faster."""

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # PyTorch's pickles hold the weights a second time.
        state = {k: v for k, v in state.items() if k not in ("_flat_weights", "_flat_weight_refs")}
        state.setdefault("proj_size", 0)
        super().__setstate__(state)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size != 0:
            text += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            text += f", num_layers={self.num_layers}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if self.batch_first is not False:
            text += f", batch_first={self.batch_first}"
        if self.dropout != 0:
            text += f", dropout={self.dropout}"
        if self.bidirectional is not False:
            text += f", bidirectional={self.bidirectional}"
        return text

    # --- what a call checks -----------------------------------------------------------------------
    # The operators check the same and more, so these run where an operator has refused, and before
    # it only where a subclass has checks of its own.
    _own_checks = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "_own_checks" not in cls.__dict__ and not _CHECKS.isdisjoint(cls.__dict__):
            cls._own_checks = True

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """Raise unless `input` has the dtype, dimensions and features of this layer."""
        dtype = self._flat_weights[0].dtype
        if input.dtype != dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({dtype}). "
                f"Convert input: input.to({dtype}), or convert model: model.to({input.dtype})"
            )
        expected = 3 if batch_sizes is None else 2
        if input.dim() != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.dim()}")
        if self.input_size != input.size(-1):
            raise RuntimeError(
                "input.size(-1) must be equal to input_size. "
                f"Expected {self.input_size}, got {input.size(-1)}"
            )

    def get_expected_hidden_size(
        self, input: Tensor, batch_sizes: Tensor | None
    ) -> tuple[int, int, int]:
        """The shape of the initial state `h` for this input."""
        return self._state_shape(input, batch_sizes, self.proj_size or self.hidden_size)

    def _state_shape(
        self, input: Tensor, batch_sizes: Tensor | None, width: int
    ) -> tuple[int, int, int]:
        if batch_sizes is not None:
            batch = int(batch_sizes[0])
        else:
            batch = input.size(0 if self.batch_first else 1)
        return (self.num_layers * (2 if self.bidirectional else 1), batch, width)

    def check_hidden_size(
        self,
        hx: Tensor,
        expected_hidden_size: tuple[int, int, int],
        msg: str = "Expected hidden size {}, got {}",
    ) -> None:
        """Raise unless the state `hx` has the expected shape."""
        if hx.size() != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.size())))

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        """Raise unless input and initial state fit this layer and each other."""
        self.check_input(input, batch_sizes)
        expected = self.get_expected_hidden_size(input, batch_sizes)
        self.check_hidden_size(hidden, expected)

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """The state with its sequences in another order."""
        return hx if permutation is None else hx.index_select(1, permutation)

    _operator: Any

    def _run(self, input: Tensor, batch_sizes: Tensor | None, hx: Any) -> Any:
        """What the operator returns; what it refuses is told in the words of the checks."""
        if self._own_checks:
            self.check_forward_args(input, hx, batch_sizes)
        try:
            if batch_sizes is None:
                return self._operator(
                    input, hx, self._flat_weights, self.bias, self.num_layers, self.dropout,
                    self.training, self.bidirectional, self.batch_first,
                )  # fmt: skip
            return self._operator(
                input, batch_sizes, hx, self._flat_weights, self.bias, self.num_layers,
                self.dropout, self.training, self.bidirectional,
            )  # fmt: skip
        except Exception:
            try:
                self.check_forward_args(input, hx, batch_sizes)
            except Exception as refusal:
                raise refusal from None
            raise

    def _initial(self, input: Tensor, batch_sizes: Tensor | None) -> Any:
        if batch_sizes is not None:
            batch = int(batch_sizes[0])
        else:
            batch = input.size(0 if self.batch_first else 1)
        layers = self.num_layers * 2 if self.bidirectional else self.num_layers
        return self._zeros(layers, batch, input.dtype)

    # --- one state: GRU and RNN -------------------------------------------------------------------

    _word = ""  # PyTorch's text says "tensor" for one of them

    def forward(self, input: Any, hx: Any = None) -> Any:
        if isinstance(input, PackedSequence):
            data, batch_sizes, order, back = input
            hx = self._initial(data, batch_sizes) if hx is None else self.permute_hidden(hx, order)
            output, hidden = self._run(data, batch_sizes, hx)
            packed = PackedSequence(output, batch_sizes, order, back)
            return packed, self.permute_hidden(hidden, back)
        dims = input.dim()
        if dims not in (2, 3):
            raise ValueError(
                f"{type(self).__name__}: Expected input to be 2D or 3D, "
                f"got {dims}D{self._word} instead"
            )
        if hx is not None and hx.dim() != dims:
            kind = "batched 3-D" if dims == 3 else "unbatched 2-D"
            raise RuntimeError(
                f"For {kind} input, hx should also be {dims}-D but got {hx.dim()}-D tensor"
            )
        batch_dim = 0 if self.batch_first else 1
        if dims == 2:
            input = input.unsqueeze(batch_dim)
            hx = None if hx is None else hx.unsqueeze(1)
        if hx is None:
            hx = self._initial(input, None)
        output, hidden = self._run(input, None, hx)
        if dims == 2:
            return output.squeeze(batch_dim), hidden.squeeze(1)
        return output, hidden

    def _zeros(self, layers: int, batch: int, dtype: Any) -> Any:
        """States to start from, for `layers` layers and directions."""
        return _C.zeros((layers, batch, self.hidden_size), dtype=dtype)


class RNN(RNNBase):
    """A simple recurrent network: `h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)` (Elman 1990).

    Args:
        input_size, hidden_size: features of the input and of the state.
        num_layers: layers above each other; each reads the outputs of the one below.
        nonlinearity: "tanh" or "relu".
        bias: whether there are `b_ih` and `b_hh`.
        batch_first: input and output are `(N, L, *)` instead of `(L, N, *)`; states stay.
        dropout: probability of dropping outputs between layers while training.
        bidirectional: a second network reads backwards; outputs stand side by side.

    Shape: input `(L, N, input_size)`, `(L, input_size)` or a `PackedSequence`; state
    `(layers * directions, N, hidden_size)`, zeros if not given. Returns the outputs
    `(L, N, directions * hidden_size)` and the last state.

    >>> import pycore
    >>> output, h = pycore.nn.RNN(10, 20, 2)(pycore.zeros(5, 3, 10))
    >>> output.shape, h.shape
    (pycore.Size([5, 3, 20]), pycore.Size([2, 3, 20]))
    """

    _word = " tensor"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            self.nonlinearity = args[3]
            args = args[:3] + args[4:]
        else:
            self.nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{self.nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__("RNN_" + self.nonlinearity.upper(), *args, **kwargs)

    @property
    def _operator(self) -> Any:
        return _C.rnn_tanh if self.mode == "RNN_TANH" else _C.rnn_relu


class GRU(RNNBase):
    """Gated recurrent units (Cho et al. 2014).

    `r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)`, `z` likewise,
    `n = tanh(W_in x + b_in + r * (W_hn h + b_hn))`, `h = (1 - z) * n + z * h`.

    Arguments and shapes are those of `RNN`, without `nonlinearity`; weights have the rows of the
    three gates reset, update, new below each other.

    >>> import pycore
    >>> output, h = pycore.nn.GRU(10, 20, batch_first=True)(pycore.zeros(3, 5, 10))
    >>> output.shape, h.shape
    (pycore.Size([3, 5, 20]), pycore.Size([1, 3, 20]))
    """

    _operator = staticmethod(_C.gru)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter, Schmidhuber 1997, with forget gates).

    Gates `i`, `f`, `o` are sigmoids and `g` a tanh of `W_i* x + b_i* + W_h* h + b_h*`;
    `c = f * c + i * g`, `h = o * tanh(c)`.

    Arguments and shapes are those of `RNN`, without `nonlinearity`, and `proj_size`: the width of
    `h` if that is to be `W_hr (o * tanh(c))` (Sak et al. 2014). The state is a pair `(h, c)`;
    weights have the rows of the four gates input, forget, cell, output below each other.

    >>> import pycore
    >>> output, (h, c) = pycore.nn.LSTM(10, 20, proj_size=5)(pycore.zeros(7, 3, 10))
    >>> output.shape, h.shape, c.shape
    (pycore.Size([7, 3, 5]), pycore.Size([1, 3, 5]), pycore.Size([1, 3, 20]))
    """

    _operator = staticmethod(_C.lstm)
    _own_checks = False  # those below say what the operator checks

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(
        self, input: Tensor, batch_sizes: Tensor | None
    ) -> tuple[int, int, int]:
        """The shape of the initial state `c` for this input."""
        return self._state_shape(input, batch_sizes, self.hidden_size)

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        self.check_input(input, batch_sizes)
        self.check_hidden_size(
            hidden[0],
            self.get_expected_hidden_size(input, batch_sizes),
            "Expected hidden[0] size {}, got {}",
        )
        self.check_hidden_size(
            hidden[1],
            self.get_expected_cell_size(input, batch_sizes),
            "Expected hidden[1] size {}, got {}",
        )

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        if permutation is None:
            return hx
        return hx[0].index_select(1, permutation), hx[1].index_select(1, permutation)

    def _zeros(self, layers: int, batch: int, dtype: Any) -> Any:
        c = _C.zeros((layers, batch, self.hidden_size), dtype=dtype)
        if not self.proj_size:
            return c, c
        return _C.zeros((layers, batch, self.proj_size), dtype=dtype), c

    def forward(self, input: Any, hx: Any = None) -> Any:
        if isinstance(input, PackedSequence):
            data, batch_sizes, order, back = input
            hx = self._initial(data, batch_sizes) if hx is None else self.permute_hidden(hx, order)
            output, h, c = self._run(data, batch_sizes, hx)
            packed = PackedSequence(output, batch_sizes, order, back)
            return packed, self.permute_hidden((h, c), back)
        dims = input.dim()
        if dims not in (2, 3):
            raise ValueError(f"LSTM: Expected input to be 2D or 3D, got {dims}D instead")
        batch_dim = 0 if self.batch_first else 1
        if dims == 2:
            input = input.unsqueeze(batch_dim)
        if hx is None:
            hx = self._initial(input, None)
        else:
            if hx[0].dim() != dims or hx[1].dim() != dims:
                kind = "batched 3-D" if dims == 3 else "unbatched 2-D"
                raise RuntimeError(
                    f"For {kind} input, hx and cx should also be {dims}-D but got "
                    f"({hx[0].dim()}-D, {hx[1].dim()}-D) tensors"
                )
            if dims == 2:
                hx = (hx[0].unsqueeze(1), hx[1].unsqueeze(1))
        output, h, c = self._run(input, None, hx)
        if dims == 2:
            return output.squeeze(batch_dim), (h.squeeze(1), c.squeeze(1))
        return output, (h, c)


# --- single steps ---------------------------------------------------------------------------------


class RNNCellBase(Module):
    """What the cells share: `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`.

    `num_chunks` is the number of gates. All start uniform in +-1/sqrt(hidden_size).

    >>> import pycore
    >>> pycore.nn.RNNCellBase(2, 3, bias=True, num_chunks=4).weight_hh.shape
    pycore.Size([12, 3])
    """

    input_size: int
    hidden_size: int
    bias: bool

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        width = num_chunks * hidden_size
        make = lambda *shape: Parameter(_C.empty(shape, device=device, dtype=dtype))  # noqa: E731
        self.weight_ih = make(width, input_size)
        self.weight_hh = make(width, hidden_size)
        if bias:
            self.bias_ih = make(width)
            self.bias_hh = make(width)
        else:
            self.register_parameter("bias_ih", None)
            self.register_parameter("bias_hh", None)
        self.reset_parameters()

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            text += f", nonlinearity={self.nonlinearity}"
        return text

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _check(self, name: str, value: Tensor) -> None:
        if value.dim() not in (1, 2):
            raise ValueError(
                f"{type(self).__name__}: Expected {name} to be 1D or 2D, got {value.dim()}D instead"
            )

    def _zeros(self, input: Tensor) -> Tensor:
        return _C.zeros((input.size(0), self.hidden_size), dtype=input.dtype)

    def _step(self, operator: Any, input: Tensor, hx: Tensor | None) -> Tensor:
        """One step of a cell with one state."""
        self._check("input", input)
        if hx is not None:
            self._check("hidden", hx)
        batched = input.dim() == 2
        if not batched:
            input = input.unsqueeze(0)
        if hx is None:
            hx = self._zeros(input)
        elif not batched:
            hx = hx.unsqueeze(0)
        result = operator(input, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return result if batched else result.squeeze(0)


class RNNCell(RNNCellBase):
    """One step of `RNN`: `h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`, or relu.

    Shape: input `(N, input_size)` or `(input_size)`, state and result `(N, hidden_size)` or
    `(hidden_size)`; the state is zero if not given.

    >>> import pycore
    >>> pycore.nn.RNNCell(10, 20)(pycore.zeros(3, 10)).shape
    pycore.Size([3, 20])
    """

    nonlinearity: str

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity == "tanh":
            return self._step(_C.rnn_tanh_cell, input, hx)
        if self.nonlinearity == "relu":
            return self._step(_C.rnn_relu_cell, input, hx)
        raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")


class LSTMCell(RNNCellBase):
    """One step of `LSTM`: input and `(h, c)` give the next `(h, c)`.

    Shapes are those of `RNNCell`.

    >>> import pycore
    >>> h, c = pycore.nn.LSTMCell(10, 20)(pycore.zeros(3, 10))
    >>> h.shape
    pycore.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        self._check("input", input)
        if hx is not None:
            for i, value in enumerate(hx):
                self._check(f"hx[{i}]", value)
        batched = input.dim() == 2
        if not batched:
            input = input.unsqueeze(0)
        if hx is None:
            zeros = self._zeros(input)
            hx = (zeros, zeros)
        elif not batched:
            hx = (hx[0].unsqueeze(0), hx[1].unsqueeze(0))
        h, c = _C.lstm_cell(input, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return (h, c) if batched else (h.squeeze(0), c.squeeze(0))


class GRUCell(RNNCellBase):
    """One step of `GRU`. Shapes are those of `RNNCell`.

    >>> import pycore
    >>> pycore.nn.GRUCell(10, 20)(pycore.zeros(3, 10)).shape
    pycore.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step(_C.gru_cell, input, hx)
