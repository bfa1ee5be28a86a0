"""Sizes given as one number or one per dimension.

Knows integers only; must not know layers.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def spread(value: Any, ndim: int) -> Any:
    """One number repeated for every dimension; a sequence as a tuple."""
    if hasattr(value, "__iter__"):
        return tuple(value)
    return (value,) * ndim


def reversed_twice(value: tuple[int, ...]) -> tuple[int, ...]:
    """Paddings in the order of `pad`: last dimension first, both sides each."""
    return tuple(extent for extent in reversed(value) for _ in range(2))
