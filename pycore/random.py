"""The process-wide random number generator: seeding, saving and restoring its state.

Knows the extension's default generator; must not know tensors' operators or modules.
"""

from __future__ import annotations

from . import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
]

default_generator = _C.default_generator


def manual_seed(seed: int) -> Any:
    """Seeds the default generator and returns it.

    Equal seeds give equal numbers, and they are the numbers PyTorch's CPU generator gives.

    Args:
        seed: an integer of 64 bits, signed or unsigned; negative ones count from 2**64 down.

    Example:
        >>> import pycore
        >>> _ = pycore.manual_seed(0)
        >>> pycore.rand(2)
        tensor([0.4963, 0.7682])
    """
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Seeds the default generator from the operating system; returns the seed.

    Example:
        >>> import pycore
        >>> 0 <= pycore.seed() < 2**64
        True
    """
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default generator started from.

    Example:
        >>> import pycore
        >>> _ = pycore.manual_seed(7)
        >>> pycore.initial_seed()
        7
    """
    return default_generator.initial_seed()


def get_rng_state() -> Any:
    """The state of the default generator as a uint8 tensor, in PyTorch's layout.

    Example:
        >>> import pycore
        >>> state = pycore.get_rng_state()
        >>> a = pycore.rand(3)
        >>> pycore.set_rng_state(state)
        >>> bool((a == pycore.rand(3)).all())
        True
    """
    return default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Restores a state from :func:`get_rng_state`, here or in PyTorch.

    Example:
        >>> import pycore
        >>> pycore.set_rng_state(pycore.get_rng_state())
    """
    default_generator.set_state(new_state)


class fork_rng:
    """A context, or decorator, after which the default generator is where it was before.

    ``devices`` and ``device_type`` exist for PyTorch's signature: there is only the CPU.

    Example:
        >>> import pycore
        >>> _ = pycore.manual_seed(0)
        >>> with pycore.random.fork_rng():
        ...     _ = pycore.rand(100)
        >>> pycore.rand(1)
        tensor([0.4963])
    """

    def __init__(
        self,
        devices: Any = None,
        enabled: bool = True,
        _caller: str = "fork_rng",
        _devices_kw: str = "devices",
        device_type: str = "cpu",
    ) -> None:
        self.enabled = enabled

    def __enter__(self) -> None:
        self.state = get_rng_state() if self.enabled else None

    def __exit__(self, *exc: object) -> None:
        if self.state is not None:
            set_rng_state(self.state)

    def __call__(self, function: Any) -> Any:
        from functools import wraps

        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with fork_rng(enabled=self.enabled):
                return function(*args, **kwargs)

        return wrapper
