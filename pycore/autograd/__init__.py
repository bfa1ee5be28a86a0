"""Automatic differentiation: `backward`, `grad`, custom functions, grad modes, checks.

Knows the extension's engine; must not know modules.
"""

from __future__ import annotations

import warnings

from .. import _C
from .grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled

# Not lazy: a later import of the module would hide the function of the same name.
from .gradcheck import gradcheck, gradgradcheck

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from . import function as function, functional as functional, graph as graph
    from .function import Function as Function

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]


def _as_tuple(x: Any) -> tuple[Any, ...]:
    return (x,) if x is None or isinstance(x, _C.Tensor) else tuple(x)


def _gradients(tensors: tuple[Any, ...], given: Any) -> tuple[Any, ...]:
    grads = _as_tuple(given)
    if given is None:
        return (None,) * len(tensors)
    if len(grads) != len(tensors):
        raise RuntimeError(
            f"got {len(tensors)} tensors and {len(grads)} gradients; expected one gradient per tensor"
        )
    return grads


def _one_by_one(run: Any, batches: tuple[Any, ...], retain: bool) -> tuple[Any, ...]:
    """Gradients for batches of gradients: dimension 0 counts the batch, in and out."""
    sizes = {len(g) for g in batches if g is not None}
    if len(sizes) != 1:
        raise ValueError(
            f"grad: is_grads_batched=True needs gradients of one size in dimension 0, got {sizes}"
        )
    (count,) = sizes
    runs = [
        run(tuple(None if g is None else g[i] for g in batches), retain or i + 1 < count)
        for i in range(count)
    ]
    return tuple(None if g[0] is None else _C.stack(g) for g in zip(*runs, strict=True))


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Accumulate the gradients of `tensors` into `.grad` of the leaves they came from.

    Args:
        tensors: one tensor or several; those with more than one element need a gradient.
        grad_tensors: the gradients to start from, one per tensor, or None for ones.
        retain_graph: keep the graph for another run; defaults to `create_graph`.
        create_graph: record the computation of the gradients, for higher derivatives.
        grad_variables: an old name of `grad_tensors`.
        inputs: accumulate into these leaves only.

    >>> import pycore
    >>> x = pycore.tensor([1., 2.], requires_grad=True)
    >>> pycore.autograd.backward((x * x).sum())
    >>> x.grad
    tensor([2., 4.])
    """
    if grad_variables is not None:
        warnings.warn(
            "`grad_variables` is deprecated. Use `grad_tensors` instead.",
            FutureWarning,
            stacklevel=2,
        )
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to "
                "`backward()`. Please only use `grad_tensors`."
            )
        grad_tensors = grad_variables
    roots = _as_tuple(tensors)
    retain = create_graph if retain_graph is None else retain_graph
    if inputs is not None:
        inputs = _as_tuple(inputs)
        if not inputs:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    _C._run_backward(
        roots, _gradients(roots, grad_tensors), retain, create_graph, inputs, True, True
    )


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> Sequence[Any]:
    """The gradients of the sum of `outputs` with respect to `inputs`, without touching `.grad`.

    Returns one tensor per input; None for unused ones if `allow_unused`, zeros if
    `materialize_grads`. With `is_grads_batched`, `grad_outputs` and the results have one more
    dimension in front, and one run is made for each of its elements. `only_inputs` is accepted for
    compatibility: nothing but the inputs' gradients is ever computed.

    >>> import pycore
    >>> x = pycore.tensor(3., requires_grad=True)
    >>> pycore.autograd.grad(x ** 2, x)
    (tensor(6.),)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True"
        )
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (it is always True); to "
            "accumulate the gradients of other leaves, use autograd.backward",
            FutureWarning,
            stacklevel=2,
        )
    roots, wanted = _as_tuple(outputs), _as_tuple(inputs)
    retain = create_graph if retain_graph is None else retain_graph
    unused = bool(allow_unused) or materialize_grads

    def run(gradients: tuple[Any, ...], keep: bool) -> Any:
        return _C._run_backward(roots, gradients, keep, create_graph, wanted, False, unused)

    if is_grads_batched:
        found = _one_by_one(run, _as_tuple(grad_outputs), retain)
    else:
        found = run(_gradients(roots, grad_outputs), retain)
    if materialize_grads:
        found = tuple(
            _C.zeros_like(x) if g is None else g for g, x in zip(found, wanted, strict=True)
        )
    return found


class set_detect_anomaly:
    """Turns anomaly mode on or off: backward errors and NaN then name the forward line."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.prev = _C.is_anomaly_enabled()
        _C._set_anomaly(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        _C._set_anomaly(self.prev, True)


class detect_anomaly:
    """A context in which anomaly mode is on.

    >>> import pycore
    >>> with pycore.autograd.detect_anomaly():
    ...     pycore.ones(1, requires_grad=True).sum().backward()
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan

    def __enter__(self) -> None:
        self.prev = _C.is_anomaly_enabled()
        _C._set_anomaly(True, self.check_nan)

    def __exit__(self, *exc: object) -> None:
        _C._set_anomaly(self.prev, True)


Variable = _C.Tensor

_LAZY = {
    "Function": "function",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _LAZY:
        value = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    elif name in ("function", "functional", "graph", "profiler", "variable"):
        try:
            return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError:
            raise AttributeError(f"module '{__name__}' has no attribute '{name}'") from None
    else:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    globals()[name] = value
    return value
