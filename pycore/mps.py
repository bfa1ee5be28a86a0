"""There is no MPS device: `is_available()` is False, what needs one raises."""

from __future__ import annotations

from ._absent import absent_device

globals().update(absent_device(__name__, "MPS"))
