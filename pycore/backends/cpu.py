"""The CPU that kernels were chosen for."""

from __future__ import annotations

from .. import _C


def get_cpu_capability() -> str:
    """'AVX512', 'AVX2' or 'DEFAULT': the level of the kernels in use, by PyTorch's names.

    >>> get_cpu_capability() in ("AVX512", "AVX2", "DEFAULT")
    True
    """
    return {"avx512": "AVX512", "avx2": "AVX2"}.get(_C._isa(), "DEFAULT")
