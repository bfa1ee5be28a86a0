"""What one sample of an operator is, and how to run it on any library with PyTorch's names.

Knows NumPy and a module passed in; must not know particular operators (those are in
ops_samples.py).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Data:
    """A tensor to be: drawn from a range with a seed of its own, or given values."""

    shape: tuple[int, ...]
    kind: str  # "f": floating, "i": int64, "o": int8 (int64 for references), "b": bool
    low: float = -2.0
    high: float = 2.0
    values: Any = None
    fixed: bool = False  # keeps its dtype in every test (indices, masks)
    grad: bool = True  # whether its derivative is asked for
    seed: int = 0

    def array(self) -> np.ndarray:
        """The values as float64, int64 or bool."""
        dtype = {"f": np.float64, "i": np.int64, "o": np.int64, "b": np.bool_}[self.kind]
        if self.values is not None:
            return np.array(self.values, dtype=dtype).reshape(self.shape)
        rng = np.random.default_rng(self.seed)
        if self.kind == "b":
            return rng.random(self.shape) < 0.5
        if self.kind in "io":
            return rng.integers(int(self.low), int(self.high), self.shape, dtype=np.int64)
        # Rounded to 1/1024 so that float32 holds the same numbers.
        return np.round((self.low + rng.random(self.shape) * (self.high - self.low)) * 1024) / 1024


def f(*shape: int, lo: float = -2.0, hi: float = 2.0, grad: bool = True) -> Data:
    """Floating numbers from [lo, hi)."""
    return Data(shape, "f", lo, hi, grad=grad)


def i(*shape: int, lo: int = -5, hi: int = 6) -> Data:
    """Integers from [lo, hi)."""
    return Data(shape, "i", lo, hi)


def octets(*shape: int) -> Data:
    """Integers of 8 bits."""
    return Data(shape, "o", -128, 128)


def b(*shape: int) -> Data:
    """Coin flips."""
    return Data(shape, "b")


def values(data: Any, kind: str | None = None, grad: bool = True) -> Data:
    """Exactly these numbers; integers and bools keep their dtype in every test."""
    array = np.array(data)
    kind = kind or {"f": "f", "i": "i", "u": "i", "b": "b"}[array.dtype.kind]
    return Data(array.shape, kind, values=data, fixed=kind != "f", grad=grad)


index = values


@dataclass
class Sample:
    """One call of an operator: arguments (tensors as Data), and the same in NumPy."""

    op: str  # "add", "nn.relu"
    args: tuple[Any, ...]
    ref: Callable[..., Any] | None
    kwargs: dict[str, Any] = field(default_factory=dict)
    grad: bool = True  # differentiable with respect to its floating inputs
    gradgrad: bool = True
    tol: float = 1.0  # multiplies the tolerance of float32
    strides: bool = True  # takes tensors of any strides
    random: bool = False  # its values are the generator's business
    torch: bool = True  # PyTorch has it, with the same arguments
    number: int = 0

    def __str__(self) -> str:
        return f"{self.op}-{self.number}"


def walk(value: Any, change: Callable[[Data], Any]) -> Any:
    """The value with every Data in it (also inside lists and tuples) changed."""
    if isinstance(value, Data):
        return change(value)
    if isinstance(value, list | tuple) and not isinstance(value, str):
        return type(value)(walk(v, change) for v in value)
    return value


def datas(sample: Sample) -> list[Data]:
    found: list[Data] = []
    walk([list(sample.args), list(sample.kwargs.values())], lambda d: found.append(d))
    return found


class Table:
    """All samples, by operator."""

    def __init__(self) -> None:
        self.samples: dict[str, list[Sample]] = {}

    def add(
        self, op: str, *args: Any, ref: Callable[..., Any] | None = None, **options: Any
    ) -> None:
        """One sample. Options of Sample by their names, keyword arguments of the call in `kw`."""
        kwargs = options.pop("kw", {})
        here = self.samples.setdefault(op, [])
        sample = Sample(op, args, ref, dict(kwargs), number=len(here), **options)
        seed = zlib.crc32(f"{op}{len(here)}".encode())
        count = iter(range(1000))
        numbered = lambda d: d if d.values is not None else replace(d, seed=seed + next(count))  # noqa: E731
        sample.args = walk(sample.args, numbered)
        sample.kwargs = {k: walk(v, numbered) for k, v in sample.kwargs.items()}
        here.append(sample)

    def alias(self, name: str, target: str) -> None:
        """An operator with another's samples."""
        self.samples[name] = [replace(s, op=name) for s in self.samples[target]]

    def all(self) -> Iterable[Sample]:
        return (s for group in self.samples.values() for s in group)


# --- running --------------------------------------------------------------------------------------


def tensor(m: Any, data: Data, dtype: str = "float32", grad: bool = False) -> Any:
    """The data as a tensor of library m; floating ones in the given dtype."""
    name = {"f": dtype, "i": "int64", "o": "int8", "b": "bool"}[data.kind]
    array = data.array()
    t = m.tensor(array.tolist(), dtype=getattr(m, name))
    if tuple(t.shape) != data.shape:
        t = t.reshape(data.shape)
    return t.requires_grad_() if grad and data.kind == "f" and data.grad else t


def resolve(m: Any, op: str) -> Callable[..., Any]:
    """The function or method of library m that an operator's name stands for."""
    space, _, name = op.rpartition(".")
    if space:
        if m.__name__ == "pycore":
            return getattr(getattr(m._C, "_" + space), name)
        return getattr(m.nn.functional if space == "nn" else getattr(m, space), name)
    if name[0] == "_" and hasattr(getattr(m, "_C", None), name):
        return getattr(m._C, name)
    if hasattr(m, name) and not isinstance(getattr(m, name), type):
        function = getattr(m, name)
        if callable(function):
            return function
    return getattr(m.Tensor, name)


def build(m: Any, sample: Sample, dtype: str = "float32", grad: bool = False, make: Any = None):
    """(args, kwargs) of library m."""
    make = make or (lambda d: tensor(m, d, dtype, grad and sample.grad))
    named = lambda v: getattr(m, v.name) if isinstance(v, DType) else v  # noqa: E731
    args = tuple(named(walk(a, make)) for a in sample.args)
    return args, {k: named(walk(v, make)) for k, v in sample.kwargs.items()}


def run(
    m: Any, sample: Sample, dtype: str = "float32", grad: bool = False, make: Any = None
) -> Any:
    args, kwargs = build(m, sample, dtype, grad, make)
    return resolve(m, sample.op)(*args, **kwargs)


@dataclass(frozen=True)
class DType:
    """A dtype by name, for keyword arguments."""

    name: str


def flat(result: Any) -> list[Any]:
    """Results as a list: a single one, or all of a tuple."""
    return list(result) if isinstance(result, tuple | list) else [result]


def as_numpy(result: Any) -> np.ndarray:
    """A tensor or number as an array (floats as float64)."""
    if hasattr(result, "detach"):
        shape = tuple(result.shape)
        kind = result.dtype
        data = result.detach().clone()
        if kind.is_floating_point:
            return np.array(data.double().tolist(), dtype=np.float64).reshape(shape)
        return np.array(data.tolist()).reshape(shape)
    return np.asarray(result)


def reference(sample: Sample) -> list[np.ndarray]:
    """What NumPy says."""
    assert sample.ref is not None
    args = [walk(a, Data.array) for a in sample.args]
    kwargs = {k: walk(v, Data.array) for k, v in sample.kwargs.items()}
    result = sample.ref(*args, **kwargs)
    return (
        [np.asarray(r) for r in result]
        if isinstance(result, tuple | list)
        else [np.asarray(result)]
    )


def scattered(m: Any, t: Any) -> Any:
    """The same values with gaps and in another order in memory."""
    if t.dim() == 0:
        return t
    if t.dim() == 1:
        wide = m.zeros(2 * t.shape[0] + 1, dtype=t.dtype)
        part = wide[1::2]
        part.copy_(t)
        return part
    # Column order, and every second column of a wider tensor.
    shape = [*t.shape[:-2], t.shape[-1], 2 * t.shape[-2]]
    part = m.zeros(shape, dtype=t.dtype)[..., ::2].transpose(-1, -2)
    part.copy_(t)
    return part


# The one table that the files ops_samples*.py fill.
T = Table()
