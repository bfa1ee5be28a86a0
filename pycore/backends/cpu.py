"""The CPU that kernels were chosen for."""

from __future__ import annotations

from .. import _C


def get_cpu_capability() -> str:
    """'AVX512', 'AVX2' or 'DEFAULT': the level of the kernels in use, by PyTorch's names.

    >>> get_cpu_capability() in ("AVX512", "AVX2", "DEFAULT")
    True
    """
    return {"avx2": "AVX2"}.get(
        _C._isa(), "AVX512" if _C._isa().startswith("avx512") else "DEFAULT"
    )
