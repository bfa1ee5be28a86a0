"""CUDA is not here. The switches of attention are those of `nn.attention`; the others change nothing."""

from __future__ import annotations

from types import SimpleNamespace

from .. import _C
from .._absent import answering

globals().update(answering(__name__, {"is_built": False}))

matmul = SimpleNamespace(
    allow_tf32=False,
    allow_fp16_reduced_precision_reduction=True,
    allow_bf16_reduced_precision_reduction=True,
    allow_fp16_accumulation=False,
    fp32_precision="none",
)

_MATH, _FLASH, _EFFICIENT, _CUDNN = (1 << bit for bit in range(4))  # as in nn.attention.SDPBackend


def _is_on(bit: int) -> bool:
    return bool(_C._attention_backends() & bit)


def _switch(bit: int, enabled: bool) -> None:
    bits = _C._attention_backends()
    _C._set_attention_backends(bits | bit if enabled else bits & ~bit)


def math_sdp_enabled() -> bool:
    """Whether attention may be composed of differentiable operators.

    >>> math_sdp_enabled()
    True
    """
    return _is_on(_MATH)


def flash_sdp_enabled() -> bool:
    """Whether attention may use its kernel."""
    return _is_on(_FLASH)


def mem_efficient_sdp_enabled() -> bool:
    """A switch without an implementation behind it."""
    return _is_on(_EFFICIENT)


def cudnn_sdp_enabled() -> bool:
    """A switch without an implementation behind it."""
    return _is_on(_CUDNN)


def enable_math_sdp(enabled: bool) -> None:
    """Allows or forbids attention composed of operators."""
    _switch(_MATH, enabled)


def enable_flash_sdp(enabled: bool) -> None:
    """Allows or forbids the kernel of attention."""
    _switch(_FLASH, enabled)


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Sets a switch without an implementation behind it."""
    _switch(_EFFICIENT, enabled)


def enable_cudnn_sdp(enabled: bool) -> None:
    """Sets a switch without an implementation behind it."""
    _switch(_CUDNN, enabled)
