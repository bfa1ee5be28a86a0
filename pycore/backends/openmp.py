"""OpenMP is not what pycore computes with."""

from __future__ import annotations

from .._absent import answering

globals().update(answering(__name__, {"is_available": False}))
