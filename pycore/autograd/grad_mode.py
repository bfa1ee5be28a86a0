"""Switches for recording gradients: contexts that are decorators too.

Knows only the two thread-local flags of the extension; must not know tensors or modules.
"""

from __future__ import annotations

from functools import wraps

from .. import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Decorated = TypeVar("Decorated", bound=Callable[..., Any])

__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled"]

_get_grad = _C.is_grad_enabled
_set_grad = _C._set_grad_enabled
_get_inference = _C.is_inference_mode_enabled
_set_inference = _C._set_inference_mode

_GENERATOR_FLAG = 0x20  # inspect.CO_GENERATOR; importing inspect would cost milliseconds


def _is_generator_function(function: Callable[..., Any]) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and bool(code.co_flags & _GENERATOR_FLAG)


class _ModeDecorator:
    """Lets a context manager decorate functions, generator functions and classes."""

    __slots__ = ()

    def clone(self) -> _ModeDecorator:
        """Return a fresh context: one object must not be entered twice at the same time."""
        return type(self)()

    def __enter__(self) -> None:
        raise NotImplementedError

    def __exit__(self, *exc: object) -> None:
        raise NotImplementedError

    def __call__(self, function: Decorated) -> Decorated:
        if isinstance(function, type):
            import warnings

            warnings.warn(
                "Decorating classes is deprecated and will be disabled in future versions. "
                "You should only decorate functions or methods. "
                "To preserve the current behavior of class decoration, "
                "you can directly decorate the `__init__` method and nothing else.",
                FutureWarning,
                stacklevel=2,
            )
            function.__init__ = self(function.__init__)  # type: ignore[misc]
            return function
        fresh = self.clone
        if _is_generator_function(function):
            return _wrap_generator(fresh, function)

        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with fresh():
                return function(*args, **kwargs)

        return wrapper


def _wrap_generator(fresh: Callable[[], Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """Hold the mode only while the generator's own body runs, never in its consumer."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        resume, payload = generator.send, None
        while True:
            try:
                with fresh():
                    item = resume(payload)
            except StopIteration as stop:
                return stop.value
            try:
                resume, payload = generator.send, (yield item)
            except GeneratorExit:
                with fresh():
                    generator.close()
                raise
            except BaseException as error:
                resume, payload = generator.throw, error  # type: ignore[assignment]

    return wrapper


class no_grad(_ModeDecorator):
    """Stop recording operations, as a context or a decorator.

    >>> import pycore
    >>> x = pycore.ones(2, requires_grad=True)
    >>> with pycore.no_grad():
    ...     (x * 2).requires_grad
    False
    """

    __slots__ = ("prev",)

    def __new__(cls, function: Callable[..., Any] | None = None) -> no_grad:
        self = object.__new__(cls)
        return self if function is None else self(function)  # type: ignore[return-value]

    def __enter__(self) -> None:
        self.prev = _get_grad()
        _set_grad(False)

    def __exit__(self, *exc: object) -> None:
        _set_grad(self.prev)


class enable_grad(_ModeDecorator):
    """Record operations again inside a `no_grad` region, as a context or a decorator.

    >>> import pycore
    >>> x = pycore.ones(2, requires_grad=True)
    >>> with pycore.no_grad(), pycore.enable_grad():
    ...     (x * 2).requires_grad
    True
    """

    __slots__ = ("prev",)

    def __new__(cls, function: Callable[..., Any] | None = None) -> enable_grad:
        self = object.__new__(cls)
        return self if function is None else self(function)  # type: ignore[return-value]

    def __enter__(self) -> None:
        self.prev = _get_grad()
        _set_grad(True)

    def __exit__(self, *exc: object) -> None:
        _set_grad(self.prev)


class set_grad_enabled(_ModeDecorator):
    """Switch recording on or off by a flag: at once as a call, or for a block or a function.

    >>> import pycore
    >>> with pycore.set_grad_enabled(False):
    ...     pycore.is_grad_enabled()
    False
    """

    __slots__ = ("mode", "prev")

    def __init__(self, mode: bool) -> None:
        self.prev = _get_grad()
        self.mode = mode
        _set_grad(mode)

    def __call__(self, function: Decorated) -> Decorated:
        # As a decorator the flag concerns the function only, so take back the call's effect.
        _set_grad(self.prev)
        return super().__call__(function)

    def __enter__(self) -> None:
        _set_grad(self.mode)

    def __exit__(self, *exc: object) -> None:
        _set_grad(self.prev)

    def __repr__(self) -> str:
        return f"{type(self).__module__}.{type(self).__name__}(mode={self.mode})"

    def __str__(self) -> str:
        return f"{type(self).__module__}.{type(self).__name__}(mode={self.mode})"

    def clone(self) -> set_grad_enabled:
        return type(self)(self.mode)


class inference_mode(_ModeDecorator):
    """`no_grad` whose tensors may never take part in recording later.

    >>> import pycore
    >>> with pycore.inference_mode():
    ...     y = pycore.ones(2)
    >>> y.is_inference()
    True
    """

    __slots__ = ("_prev", "mode")

    def __new__(cls, mode: Any = True) -> inference_mode:
        if isinstance(mode, bool):
            return object.__new__(cls)
        return cls(True)(mode)  # type: ignore[no-any-return]  # bare decorator: the argument is the function

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        self._prev = (_get_inference(), _get_grad())
        _set_inference(self.mode)
        if self.mode:
            _set_grad(False)

    def __exit__(self, *exc: object) -> None:
        inference, grad = self._prev
        _set_inference(inference)
        _set_grad(grad)

    def clone(self) -> inference_mode:
        return type(self)(self.mode)
