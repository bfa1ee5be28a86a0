"""MPS is not here."""

from __future__ import annotations

from .._absent import answering

globals().update(
    answering(
        __name__,
        {"is_available": False, "is_built": False, "is_macos13_or_newer": False},
    )
)
