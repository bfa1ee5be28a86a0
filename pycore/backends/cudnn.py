"""cuDNN is not here; its switches can be set and change nothing."""

from __future__ import annotations

import contextlib

from .._absent import answering

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

enabled = True
benchmark = False
benchmark_limit: int | None = None
deterministic = False
allow_tf32 = True

globals().update(
    answering(__name__, {"is_available": False, "version": None, "is_acceptable": False})
)


@contextlib.contextmanager
def flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int = 10,
    deterministic: bool = False,
    allow_tf32: bool = True,
    fp32_precision: str = "none",
) -> Iterator[None]:
    """Sets the switches while the context is open.

    >>> import pycore
    >>> with pycore.backends.cudnn.flags(deterministic=True):
    ...     pycore.backends.cudnn.deterministic
    True
    """
    names = ("enabled", "benchmark", "benchmark_limit", "deterministic", "allow_tf32")
    given = (enabled, benchmark, benchmark_limit, deterministic, allow_tf32)
    before = {name: globals()[name] for name in names}
    globals().update(zip(names, given, strict=True))
    try:
        yield
    finally:
        globals().update(before)
