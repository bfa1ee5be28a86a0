"""opt_einsum is not used; the order of einsum's products is pycore's own."""

from __future__ import annotations

from .._absent import answering

globals().update(answering(__name__, {"is_available": False, "get_opt_einsum": None}))
enabled = False
strategy = None
