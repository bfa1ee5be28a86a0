"""Helpers around the core: checkpointing, data loading, hook handles."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from . import checkpoint as checkpoint, data as data, hooks as hooks


def __getattr__(name: str) -> Any:
    # Loaded on first use: data loading is not needed to build or run a model.
    if name in ("checkpoint", "data", "hooks"):
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
