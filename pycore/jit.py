"""Compilation of Python: there is nothing to gain here, so functions and modules are left as they are.

Must not pretend to have compiled: there is no ScriptModule, and nothing to save as one.
"""

from __future__ import annotations

from typing import Final as Final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn


class ScriptModule:
    """For `isinstance`: no module is one."""


class ScriptFunction:
    """For `isinstance`: no function is one."""


def script(obj: Any, *args: Any, **kwargs: Any) -> Any:
    """The same function, class or module, which runs as it did.

    >>> script(abs)(-1)
    1
    """
    return obj


def trace(func: Any, example_inputs: Any = None, *args: Any, **kwargs: Any) -> Any:
    """The same function or module. PyTorch would keep the branches that the example takes; here
    every call decides anew."""
    return func


def script_if_tracing(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The same function."""
    return fn


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """A decorator, with or without arguments, that changes nothing."""
    return drop if callable(drop) else lambda fn: fn


def unused(fn: Any) -> Any:
    """The same function."""
    return fn


def export(fn: Any) -> Any:
    """The same function."""
    return fn


def interface(obj: Any) -> Any:
    """The same class."""
    return obj


def is_scripting() -> bool:
    """Always False."""
    return False


def is_tracing() -> bool:
    """Always False."""
    return False


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value."""
    return the_value


def freeze(mod: Any, *args: Any, **kwargs: Any) -> Any:
    """The same module."""
    return mod


def optimize_for_inference(mod: Any, *args: Any, **kwargs: Any) -> Any:
    """The same module."""
    return mod


def save(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError: use `pycore.save` on a state dict."""
    raise NotImplementedError(
        "jit.save: there are no compiled modules; save the state_dict instead"
    )


def load(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError: compiled modules of PyTorch cannot be read."""
    raise NotImplementedError(
        "jit.load: compiled modules cannot be read; load a state_dict instead"
    )
