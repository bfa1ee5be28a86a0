"""The old names of `pycore.amp` for CUDA."""

from __future__ import annotations

import warnings

from .. import amp as _amp
from ..amp import custom_bwd as custom_bwd, custom_fwd as custom_fwd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _deprecated(old: str, new: str) -> None:
    warnings.warn(
        f"`torch.cuda.amp.{old}(args...)` is deprecated. Please use `torch.amp.{new}(args...)` instead.",
        FutureWarning,
        stacklevel=3,
    )


class autocast(_amp.autocast):
    """`pycore.amp.autocast("cuda")`."""

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
        _deprecated("autocast", "autocast('cuda', ")
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(_amp.GradScaler):
    """`pycore.amp.GradScaler("cuda")`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _deprecated("GradScaler", "GradScaler('cuda', ")
        super().__init__("cuda", *args, **kwargs)
