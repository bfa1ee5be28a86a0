"""Names for types in annotations."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any, TypeAlias

from . import _C

Number: TypeAlias = int | float | bool
Device: TypeAlias = Any
Storage: TypeAlias = Any
FileLike: TypeAlias = Any
Tensor = _C.Tensor

_int = builtins.int
_float = builtins.float
_bool = builtins.bool
_dtype = _C.dtype
_device = _C.device
_size: TypeAlias = Sequence[_int]
