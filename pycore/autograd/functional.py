"""Jacobians, Hessians and their products with vectors, by reverse-mode differentiation.

Knows `grad` only; must not know operators' derivatives.
"""

from __future__ import annotations

from .. import _C
from . import grad as _grad
from .grad_mode import enable_grad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Tensors = tuple[_C.Tensor, ...]

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def _tensors(x: Any, what: str, where: str) -> tuple[bool, Tensors]:
    """(whether x was a tuple, x as a tuple of tensors)."""
    is_tuple = isinstance(x, tuple)
    found = x if is_tuple else (x,)
    for i, t in enumerate(found):
        if not isinstance(t, _C.Tensor):
            element = f"Value at index {i} of the tuple" if is_tuple else "The value"
            raise TypeError(
                f"The {what} given to {where} must be either a Tensor or a tuple of Tensors. "
                f"{element} has type {type(t)}."
            )
    return is_tuple, found


def _prepared(inputs: Tensors, create_graph: bool) -> Tensors:
    """Fresh tensors to differentiate by: joined to the inputs' own history if that is wanted."""
    if create_graph:
        return tuple(
            x.view_as(x) if x.requires_grad else x.detach().requires_grad_() for x in inputs
        )
    return tuple(x.detach().requires_grad_() for x in inputs)


def _finished(results: Tensors, as_tuple: bool, create_graph: bool) -> Any:
    if not create_graph:
        results = tuple(r.detach() for r in results)
    return results if as_tuple else results[0]


def _check_strict(outputs: Tensors, strict: bool, where: str) -> None:
    if strict:
        for i, y in enumerate(outputs):
            if not y.requires_grad:
                raise RuntimeError(
                    f"{where}: output {i} of the user-provided function does not require gradients. "
                    "The outputs must be computed in a differentiable manner from the input when "
                    "running in strict mode."
                )


def _gradients(
    outputs: Tensors, inputs: Tensors, vectors: Any, create_graph: bool, strict: bool, where: str
) -> Tensors:
    """Gradients of the outputs; zeros where an input has no influence (an error if strict)."""
    pairs = [
        (y, None if vectors is None else v)
        for y, v in zip(outputs, vectors or outputs, strict=True)
        if y.requires_grad
    ]
    if not pairs:
        return tuple(_C.zeros_like(x) for x in inputs)
    ys, vs = zip(*pairs, strict=True)
    found = _grad(ys, inputs, vs, create_graph=create_graph, retain_graph=True, allow_unused=True)
    for i, g in enumerate(found):
        if strict and g is None:
            raise RuntimeError(
                f"{where}: output is independent of input {i}; this is not allowed in strict mode."
            )
    return tuple(_C.zeros_like(x) if g is None else g for g, x in zip(found, inputs, strict=True))


def _vectors(v: Any, like: Tensors, where: str) -> Tensors:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"{where}: the vector v can only be None if there is one tensor of one element"
            )
        return (_C.ones_like(like[0]),)
    _, vs = _tensors(v, "v", where)
    if len(vs) != len(like):
        raise RuntimeError(f"{where}: v has {len(vs)} tensors; expected {len(like)}")
    for i, (a, b) in enumerate(zip(vs, like, strict=True)):
        if a.shape != b.shape:
            raise RuntimeError(
                f"v has invalid size: should be {b.shape} but got {a.shape} (entry {i} in {where})"
            )
    return vs


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of `func` at `inputs`.

    Args:
        func: takes tensors, returns a tensor or a tuple of tensors.
        inputs: a tensor or a tuple of tensors.
        create_graph: make the result differentiable.
        strict: raise where an output does not depend on an input, instead of giving zeros.
        vectorize: accepted; the rows are computed one after the other either way.
        strategy: "reverse-mode" only.

    Returns a tensor of shape `(*output.shape, *input.shape)`; nested tuples of them (outputs first)
    where `func` returns or takes tuples.

    >>> import pycore
    >>> jacobian(lambda x: x ** 2, pycore.tensor([1., 2.]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy != "reverse-mode":
        raise NotImplementedError(f"jacobian: strategy={strategy!r} is not available")
    with enable_grad():
        inputs_are_tuple, given = _tensors(inputs, "inputs", "jacobian")
        xs = _prepared(given, create_graph)
        outputs_are_tuple, ys = _tensors(
            func(*xs), "outputs of the user-provided function", "jacobian"
        )
        _check_strict(ys, strict, "jacobian")
        table = []
        for y in ys:
            flat = y.reshape(-1)
            rows = [
                _gradients((flat[i],), xs, None, create_graph, strict, "jacobian")
                for i in range(flat.numel())
            ]
            table.append(
                tuple(
                    _C.stack([row[k] for row in rows]).view(*y.shape, *x.shape)
                    if rows
                    else _C.zeros(*y.shape, *x.shape, dtype=x.dtype)
                    for k, x in enumerate(xs)
                )
            )
        results = [_finished(row, inputs_are_tuple, create_graph) for row in table]
    return tuple(results) if outputs_are_tuple else results[0]


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of a function that returns one number.

    Returns a tensor of shape `(*input.shape, *input.shape)`, or a tuple of tuples of them.

    >>> import pycore
    >>> hessian(lambda x: (x ** 3).sum(), pycore.tensor([1., 2.]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    inputs_are_tuple, given = _tensors(inputs, "inputs", "hessian")

    def gradient(*xs: Any) -> Any:
        y = _single(func(*xs), "hessian")
        _check_strict((y,), strict, "hessian")
        return _gradients((y,), xs, None, True, strict, "hessian")

    with enable_grad():
        xs = _prepared(given, create_graph)
        table = jacobian(gradient, xs, True, strict, vectorize, outer_jacobian_strategy)
        results = tuple(_finished(row, inputs_are_tuple, create_graph) for row in table)
    return results if inputs_are_tuple else results[0]


def _single(y: Any, where: str) -> Any:
    _, ys = _tensors(y, "outputs of the user-provided function", where)
    if len(ys) != 1 or ys[0].numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {where} should contain a single element"
        )
    return ys[0]


def vjp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(output, product of the vector `v` with the Jacobian): one run of reverse mode.

    >>> import pycore
    >>> vjp(lambda x: x ** 2, pycore.tensor([1., 2.]), pycore.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    with enable_grad():
        inputs_are_tuple, given = _tensors(inputs, "inputs", "vjp")
        xs = _prepared(given, create_graph)
        outputs_are_tuple, ys = _tensors(func(*xs), "outputs of the user-provided function", "vjp")
        _check_strict(ys, strict, "vjp")
        vs = _vectors(v, ys, "vjp")
        found = _gradients(ys, xs, vs, create_graph, strict, "vjp")
        return (
            _finished(ys, outputs_are_tuple, create_graph),
            _finished(found, inputs_are_tuple, create_graph),
        )


def jvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(output, product of the Jacobian with the vector `v`).

    By reverse mode twice: the vector-Jacobian product is linear in its vector, and differentiating
    it by that vector gives the other product.

    >>> import pycore
    >>> jvp(lambda x: x ** 2, pycore.tensor([1., 2.]), pycore.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    with enable_grad():
        _, given = _tensors(inputs, "inputs", "jvp")
        xs = _prepared(given, create_graph)
        vs = _vectors(v, given, "jvp")
        outputs_are_tuple, ys = _tensors(func(*xs), "outputs of the user-provided function", "jvp")
        _check_strict(ys, strict, "jvp")
        probes = tuple(_C.zeros_like(y, requires_grad=True) for y in ys)
        through = _gradients(ys, xs, probes, True, strict, "jvp")
        found = _gradients(through, probes, vs, create_graph, False, "jvp")
        return (
            _finished(ys, outputs_are_tuple, create_graph),
            _finished(found, outputs_are_tuple, create_graph),
        )


def vhp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(output, product of the vector `v` with the Hessian) of a function that returns one number.

    >>> import pycore
    >>> vhp(lambda x: (x ** 3).sum(), pycore.tensor([1., 2.]), pycore.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    with enable_grad():
        inputs_are_tuple, given = _tensors(inputs, "inputs", "vhp")
        vs = _vectors(v, given, "vhp")
        xs = _prepared(given, create_graph)
        y = _single(func(*xs), "vhp")
        _check_strict((y,), strict, "vhp")
        slopes = _gradients((y,), xs, None, True, strict, "vhp")
        found = _gradients(slopes, xs, vs, create_graph, strict, "vhp")
        return (
            _finished((y,), False, create_graph),
            _finished(found, inputs_are_tuple, create_graph),
        )


def hvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(output, product of the Hessian with the vector `v`): the Hessian is symmetric, see `vhp`.

    >>> import pycore
    >>> hvp(lambda x: (x ** 3).sum(), pycore.tensor([1., 2.]), pycore.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    return vhp(func, inputs, v, create_graph, strict)
