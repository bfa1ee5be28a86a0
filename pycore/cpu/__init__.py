"""The CPU as a device among others: always there, one, and never behind."""

from __future__ import annotations

from .._absent import answering

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

globals().update(
    answering(
        __name__,
        {
            "is_available": True,
            "is_initialized": True,
            "device_count": 1,
            "current_device": "cpu",
            "set_device": None,
            "synchronize": None,
        },
    )
)


class Stream:
    """Work on the CPU is done when the call returns; a stream orders nothing."""

    def __init__(self, priority: int = -1) -> None:
        pass


def current_stream(device: Any = None) -> Stream:
    """A stream that orders nothing."""
    return Stream()


def __getattr__(name: str) -> Any:
    if name == "amp":
        from importlib import import_module

        return import_module(f"{__name__}.amp")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
