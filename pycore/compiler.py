"""The switches of `compile`, which leaves functions as they are."""

from __future__ import annotations

from ._absent import answering

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

globals().update(
    answering(
        __name__,
        {
            "is_compiling": False,
            "is_dynamo_compiling": False,
            "is_exporting": False,
            "reset": None,
            "cudagraph_mark_step_begin": None,
        },
    )
)


def disable(fn: Any = None, recursive: bool = True, **kwargs: Any) -> Any:
    """The same function, or a decorator that leaves it as it is."""
    return (lambda f: f) if fn is None else fn


def allow_in_graph(fn: Any) -> Any:
    """The same function."""
    return fn


def compile(*args: Any, **kwargs: Any) -> Any:
    """`pycore.compile`."""
    from . import compile as same

    return same(*args, **kwargs)
