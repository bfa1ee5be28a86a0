"""Memory formats and layouts: names that programs pass along; channels_last is taken for row-major.

Knows nothing else of the package.
"""

from __future__ import annotations


class memory_format:
    """How the dimensions of a tensor are meant to lie in memory."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"pycore.{self._name}"

    def __reduce__(self) -> str:
        return self._name


class layout(memory_format):
    """Whether a tensor is dense."""


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
strided = layout("strided")
sparse_coo = layout("sparse_coo")
