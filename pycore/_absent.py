"""What a device that is not there answers, for the modules of all such devices.

Must not know any particular device but by its name.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn


def refusing(module: str, names: str, message: str) -> dict[str, Callable[..., NoReturn]]:
    """Functions of these names that raise AssertionError."""

    def make(name: str) -> Callable[..., NoReturn]:
        def refuse(*args: Any, **kwargs: Any) -> NoReturn:
            raise AssertionError(f"{message} ({module}.{name} was called)")

        refuse.__name__ = refuse.__qualname__ = name
        refuse.__module__ = module
        refuse.__doc__ = f"Raises AssertionError: {message}."
        return refuse

    return {name: make(name) for name in names.split()}


def answering(module: str, answers: dict[str, Any]) -> dict[str, Callable[..., Any]]:
    """Functions of these names that return these values, whatever they are given."""

    def make(name: str, value: Any) -> Callable[..., Any]:
        def answer(*args: Any, **kwargs: Any) -> Any:
            return type(value)() if isinstance(value, (list, dict)) else value

        answer.__name__ = answer.__qualname__ = name
        answer.__module__ = module
        answer.__doc__ = f"Always {value!r}."
        return answer

    return {name: make(name, value) for name, value in answers.items()}


def absent_device(module: str, label: str) -> dict[str, Callable[..., Any]]:
    """The functions of a kind of device that programs ask for on any machine."""
    return answering(
        module,
        {
            "is_available": False,
            "device_count": 0,
            "manual_seed": None,
            "manual_seed_all": None,
            "seed": None,
        },
    ) | refusing(
        module,
        "synchronize empty_cache current_device set_device get_rng_state set_rng_state "
        "current_allocated_memory driver_allocated_memory memory_allocated",
        f"there is no {label} device: pycore runs on the CPU only",
    )
