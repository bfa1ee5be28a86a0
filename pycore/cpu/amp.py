"""The old names of `pycore.amp` for the CPU."""

from __future__ import annotations

from .. import amp as _amp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class autocast(_amp.autocast):
    """`pycore.amp.autocast("cpu")`."""

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
        super().__init__("cpu", dtype, enabled, cache_enabled)


class GradScaler(_amp.GradScaler):
    """`pycore.amp.GradScaler("cpu")`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("cpu", *args, **kwargs)
