"""Operators written in Python: ``Function`` with a forward and a backward of its own.

Knows the extension's node and saved-tensor objects; must not know modules or particular operators.
"""

from __future__ import annotations

from .. import _C
from .grad_mode import no_grad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class FunctionCtx:
    """What ``forward`` leaves for ``backward``; plain attributes may be added freely.

    Attributes:
        needs_input_grad: one bool per argument of ``forward``: whether its gradient is wanted.
    """

    needs_input_grad: tuple[bool, ...] = ()
    materialize_grads: bool = True
    to_save: tuple[Any, ...] = ()
    dirty_tensors: tuple[Any, ...] = ()
    non_differentiable: tuple[Any, ...] = ()
    _saved: tuple[Any, ...] | None = ()
    _node: Any = None

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep inputs, outputs or other tensors (or None) for ``backward``.

        Kept like this, a tensor that is overwritten before backward is an error instead of a wrong
        gradient, and an output makes no reference cycle.
        """
        self.to_save = tensors

    def mark_dirty(self, *tensors: Any) -> None:
        """Declare inputs that ``forward`` changed in place; they must be returned as outputs."""
        self.dirty_tensors = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Declare outputs that never require a gradient, such as indices."""
        self.non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether ``backward`` sees zeros (the default) or None where no gradient arrived."""
        self.materialize_grads = value

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The tensors given to :meth:`save_for_backward`, checked for later changes."""
        if self._saved is None:
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly access saved "
                "tensors after they have already been freed). Saved intermediate values of the "
                "graph are freed when you call .backward() or autograd.grad(). Specify "
                "retain_graph=True if you need to backward through the graph a second time or if "
                "you need to access saved tensors after calling backward."
            )
        return tuple(None if s is None else s.unpack(self._node) for s in self._saved)

    def _seal(self, made_here: list[Any]) -> None:
        """Turn ``to_save`` into saved tensors once the outputs have their history."""
        for position, tensor in enumerate(self.to_save):
            if tensor is not None and not isinstance(tensor, _C.Tensor):
                raise TypeError(
                    "save_for_backward can only save variables, but argument "
                    f"{position} is of type {type(tensor).__name__}"
                )
        self._saved = tuple(
            None if t is None else _C._SavedTensor(t, any(t is out for out in made_here))
            for t in self.to_save
        )
        self.to_save = ()
        self.dirty_tensors = ()
        self.non_differentiable = ()


class _BackwardCall:
    """What the engine calls for a node of a Function: gradients of outputs in, of inputs out."""

    __slots__ = ("context", "function", "inputs", "outputs")

    def __init__(
        self, function: type[Function], context: FunctionCtx, inputs: tuple[Any, ...], outputs: Any
    ) -> None:
        self.function = function
        self.context = context
        # Only what the checks need: holding the tensors would keep them, and their graph, alive.
        self.inputs = tuple(isinstance(x, _C.Tensor) for x in inputs)
        self.outputs = tuple(
            (tuple(x.shape), x.dtype) if isinstance(x, _C.Tensor) else None for x in outputs
        )

    def __call__(self, node: Any, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        context = self.context
        context._node = node
        try:
            results = self.function._backward_rule()(context, *self._incoming(grads))
        finally:
            context._node = None  # the node owns this object: a lasting reference would be a cycle
        return self._outgoing(results)

    def release(self) -> None:
        """The graph is freed: let go of the saved tensors."""
        self.context._saved = None if self.context._saved else ()

    def _incoming(self, grads: tuple[Any, ...]) -> list[Any]:
        from .. import zeros

        arriving = iter(grads)
        full = []
        for info in self.outputs:
            grad = None
            if info is not None:
                grad = next(arriving)
                if grad is None and self.context.materialize_grads:
                    grad = zeros(info[0], dtype=info[1])
            full.append(grad)
        return full

    def _outgoing(self, results: Any) -> tuple[Any, ...]:
        name = f"{self.function.__name__}Backward"
        grads = results if isinstance(results, tuple) else (results,)
        expected = len(self.inputs)
        if len(grads) > expected and all(g is None for g in grads[expected:]):
            grads = grads[:expected]
        if len(grads) != expected:
            raise RuntimeError(
                f"function {name} returned an incorrect number of gradients "
                f"(expected {expected}, got {len(grads)})"
            )
        for position, (grad, is_tensor) in enumerate(zip(grads, self.inputs, strict=True)):
            if grad is None:
                continue
            if not is_tensor:
                raise RuntimeError(
                    f"function {name} returned a gradient different than None at position "
                    f"{position + 1}, but the corresponding forward input was not a Variable"
                )
            if not isinstance(grad, _C.Tensor):
                raise TypeError(f"expected Variable or None (got {type(grad).__name__})")
        return grads


class Function:
    """Base of operators with a derivative written in Python.

    Subclasses define static ``forward(ctx, *args)``, or ``forward(*args)`` together with
    ``setup_context(ctx, inputs, output)``, and ``backward(ctx, *grads)``, which returns one
    gradient, or None, per argument of ``forward``. Call it through :meth:`apply`. ``backward`` is
    recorded when a graph is asked for, so second derivatives work if its operators have them.

    Example:
        >>> import pycore
        >>> class Cube(pycore.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x**3
        ...     @staticmethod
        ...     def backward(ctx, grad):
        ...         (x,) = ctx.saved_tensors
        ...         return grad * 3 * x**2
        >>> x = pycore.tensor(2.0, requires_grad=True)
        >>> Cube.apply(x).backward()
        >>> x.grad
        tensor(12.)
    """

    _context_class: type[FunctionCtx] = FunctionCtx

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._context_class = type(f"{cls.__name__}Backward", (FunctionCtx,), {})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        import warnings

        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all "
            "static, so you should invoke them on the class itself.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. "
            f"Make forward and backward static and call {type(self).__name__}.apply(...)."
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The operator itself; runs without recording."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Fills ``ctx`` after a ``forward`` that does not take one."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Gradients of the arguments of ``forward``, one each."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD."
        )

    vjp = backward  # a second name that subclasses may use instead

    @classmethod
    def _backward_rule(cls) -> Callable[..., Any]:
        has_backward = cls.backward is not Function.backward
        has_vjp = cls.vjp is not Function.vjp
        if has_backward and has_vjp:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. "
                "You should only implement one of them."
            )
        return cls.vjp if has_vjp else cls.backward

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward`` and record ``backward`` for it."""
        separate = cls.setup_context is not Function.setup_context
        if kwargs and not separate:
            raise TypeError(f"{cls.__name__}.apply() takes no keyword arguments")
        if separate:
            args = _bind_defaults(cls.forward, args, kwargs)
        context = cls._context_class()
        needs = tuple(isinstance(x, _C.Tensor) and x.requires_grad for x in args)
        context.needs_input_grad = needs
        recording = any(needs) and _C.is_grad_enabled()
        with no_grad():
            if separate:
                result = cls.forward(*args)
                cls.setup_context(context, args, result)
            else:
                result = cls.forward(context, *args)
            outputs = list(result) if isinstance(result, tuple) else [result]
            differentiable = _prepare_outputs(context, args, outputs, recording)
        if recording:
            _record(cls, context, args, outputs, differentiable)
        return tuple(outputs) if isinstance(result, tuple) else outputs[0]


def _contains(tensors: Any, tensor: Any) -> bool:
    return any(tensor is t for t in tensors)  # `in` would compare elements


def _prepare_outputs(
    context: FunctionCtx, args: tuple[Any, ...], outputs: list[Any], recording: bool
) -> list[bool]:
    """Makes each output ready to take a history of its own; tells which ones will."""
    if any(not _contains(outputs, t) for t in context.dirty_tensors):
        raise RuntimeError(
            "Some elements marked as dirty during the forward method were not returned as output. "
            "The inputs that are modified inplace must all be outputs of the Function."
        )
    flags = []
    for i, out in enumerate(outputs):
        if not isinstance(out, _C.Tensor):
            flags.append(False)
            continue
        is_input = _contains(args, out)
        is_dirty = _contains(context.dirty_tensors, out)
        differentiable = (
            recording
            and out.dtype.is_floating_point
            and not _contains(context.non_differentiable, out)
        )
        if differentiable and is_dirty:
            if out.is_leaf and out.requires_grad:
                raise RuntimeError(
                    "a leaf Variable that requires grad is being used in an in-place operation."
                )
        elif not is_dirty and (is_input or out.requires_grad or out._base is not None):
            # An input, or a view of one, keeps the history it has: the output becomes another
            # tensor on the same memory.
            outputs[i] = out.detach()
        flags.append(differentiable)
    return flags


def _record(
    function: type[Function],
    context: FunctionCtx,
    args: tuple[Any, ...],
    outputs: list[Any],
    differentiable: list[bool],
) -> None:
    tensors = [
        (out, flag)
        for out, flag in zip(outputs, differentiable, strict=True)
        if isinstance(out, _C.Tensor)
    ]
    _C._make_python_node(
        type(context).__name__,
        tuple(x if isinstance(x, _C.Tensor) else None for x in args),
        [out for out, _ in tensors],
        _BackwardCall(function, context, args, outputs),
        {i for i, (_, flag) in enumerate(tensors) if not flag},
    )
    context._seal([out for out, flag in tensors if flag])


def _bind_defaults(
    forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, ...]:
    """Positional arguments for ``forward`` with keywords and defaults filled in."""
    import inspect

    bound = inspect.signature(forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args


class _NoSecondDerivative(Function):
    """Passes values on; differentiating them is an error."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Any) -> Any:
        return tuple(None if t is None else t.detach() for t in tensors[:count])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator for a ``backward`` that cannot be differentiated again.

    It then runs without recording, and asking for a second derivative is an error, not a wrong
    answer.

    Example:
        >>> import pycore
        >>> class Double(pycore.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         return x * 2
        ...     @staticmethod
        ...     @pycore.autograd.function.once_differentiable
        ...     def backward(ctx, grad):
        ...         return grad * 2
        >>> x = pycore.ones(2, requires_grad=True)
        >>> Double.apply(x).sum().backward()
        >>> x.grad
        tensor([2., 2.])
    """
    from functools import wraps

    @wraps(backward)
    def wrapper(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            results = backward(ctx, *grads)
        wanted = any(isinstance(g, _C.Tensor) and g.requires_grad for g in grads)
        if not (wanted and _C.is_grad_enabled()):
            return results
        values = results if isinstance(results, tuple) else (results,)
        guarded = _NoSecondDerivative.apply(len(values), *values, *grads)
        return guarded if isinstance(results, tuple) else guarded[0]

    return wrapper
