"""The list of workloads. A workload is a function of a library's module that returns a Case:

    @workload("gemm", "float32 512", limit=1.0)
    def gemm_512(torch, inputs):
        a, b = inputs.normal(512, 512), inputs.normal(512, 512)
        return Case("a @ b", {"a": a, "b": b}, check=lambda: [a @ b])

It serves pycore and every library with PyTorch's API. A library with another API gets a function of
its own under the same name: `@variant(gemm_512, "numpy")`. Must not import any library.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

TORCH_API = ("pycore", "torch")


@dataclass
class Case:
    """What is timed: a statement over names, and a function giving the outputs to compare."""

    statement: str
    names: dict[str, Any]
    check: Callable[[], Iterable[Any]]
    _: KW_ONLY
    # The outputs by float64 arithmetic from the same inputs, where the error is to be told too.
    exact: Callable[[], Iterable[np.ndarray]] | None = None
    model: Any = None  # a module and its arguments, of workloads that onnxruntime runs too
    arguments: tuple[Any, ...] = ()


def forward_and_backward(call: Callable[[], Any], leaves: Sequence[Any], seed: Any) -> Case:
    """A case that runs `call` and its derivative from `seed`, with new gradients of the leaves."""

    def run() -> Any:
        for leaf in leaves:
            leaf.grad = None
        y = call()
        y.backward(seed)
        return y

    return Case("run()", {"run": run}, lambda: [run(), *(leaf.grad for leaf in leaves)])


def float64(array: Any) -> np.ndarray:
    """What an array of any library holds."""
    return np.asarray(array.double().numpy() if hasattr(array, "double") else array, np.float64)


@dataclass
class Workload:
    group: str
    name: str
    builders: dict[str, Callable[[Any, Inputs], Case]]
    limit: float | None = None  # accepted ratio of pycore's time to torch's
    tolerance: float = 1e-4  # of outputs, relative to their largest element

    @property
    def key(self) -> str:
        return f"{self.group}/{self.name}"

    def has(self, library: str) -> bool:
        return library in TORCH_API or library in self.builders

    def builder(self, library: str) -> Callable[[Any, Inputs], Case]:
        return self.builders["torch" if library in TORCH_API else library]


class Inputs:
    """The same numbers for every library: drawn by NumPy, handed over as the library's arrays."""

    def __init__(
        self, convert: Callable[[np.ndarray], Any], seed: int = 0, threads: int = 1
    ) -> None:
        self._convert = convert
        self._draw = np.random.default_rng(seed)
        self.threads = threads  # for libraries that take it per model

    def normal(self, *shape: int, scale: float = 1.0) -> Any:
        return self._convert((self._draw.standard_normal(shape) * scale).astype(np.float32))

    def integers(self, high: int, *shape: int) -> Any:
        return self._convert(self._draw.integers(0, high, shape))

    def fill(self, model: Any) -> Any:
        """Gives every parameter of a PyTorch-like module numbers of the usual size; returns it."""
        for parameter in model.parameters():
            parameter.data.copy_(self.weight(*parameter.shape))
        return model

    def weight(self, *shape: int) -> Any:
        """Numbers of the usual size for a parameter of this shape."""
        return self.normal(*shape, scale=1 / np.sqrt(max(1, np.prod(shape[1:]))))


_all: dict[str, Workload] = {}


def workload(group: str, name: str, **options: Any) -> Callable[[Callable], Workload]:
    """Registers a function of (module, inputs) that returns a Case."""

    def register(build: Callable[[Any, Inputs], Case]) -> Workload:
        w = Workload(group, name, {"torch": build}, **options)
        if w.key in _all:
            raise ValueError(f"workload {w.key} exists twice")
        _all[w.key] = w
        return w

    return register


def variant(of: Workload, library: str) -> Callable[[Callable], Callable]:
    """Registers the function that builds a workload for a library with another API."""

    def register(build: Callable[[Any, Inputs], Case]) -> Callable:
        of.builders[library] = build
        return build

    return register


def all_workloads() -> dict[str, Workload]:
    """Every workload by its key, in order of files and lines."""
    from . import workloads

    for module in sorted(m.name for m in pkgutil.iter_modules(workloads.__path__)):
        importlib.import_module(f"{workloads.__name__}.{module}")
    return _all
