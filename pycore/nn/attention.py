"""Which implementation `scaled_dot_product_attention` may choose.

Knows the extension's setting; must not know how attention is computed.
"""

from __future__ import annotations

import contextlib
import enum

from .. import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SDPBackend", "sdpa_kernel"]


class SDPBackend(enum.Enum):
    """The implementations PyTorch names; `MATH` and `FLASH_ATTENTION` exist on a CPU.

    `MATH` is composed of differentiable operators, `FLASH_ATTENTION` the tiled kernel.

    >>> import pycore
    >>> pycore.nn.attention.SDPBackend.MATH
    <SDPBackend.MATH: 0>
    """

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    def __int__(self) -> int:
        return self.value


@contextlib.contextmanager
def sdpa_kernel(
    backends: list[SDPBackend] | SDPBackend, set_priority: bool = False
) -> Iterator[dict[str, object]]:
    """Allow only these implementations while the context is open, for the whole process.

    The kernel is preferred where both are allowed; `set_priority` has no further meaning here.
    Without an allowed one that exists here, attention raises RuntimeError. AssertionError for
    anything but an `SDPBackend` or a list of them.

    >>> import pycore
    >>> from pycore.nn.attention import SDPBackend, sdpa_kernel
    >>> x = pycore.ones(1, 2, 4)
    >>> with sdpa_kernel(SDPBackend.MATH):
    ...     pycore.nn.functional.scaled_dot_product_attention(x, x, x).sum()
    tensor(8.)
    """
    if not isinstance(backends, list | SDPBackend):
        raise AssertionError(
            "Backend must be an instance of SDPBackend or a list of SDPBackend instances, "
            f"got {type(backends).__name__}"
        )
    chosen = [backends] if isinstance(backends, SDPBackend) else backends
    bits = 0
    for backend in chosen:
        if int(backend) >= 0:
            bits |= 1 << int(backend)
    before = _C._attention_backends()
    _C._set_attention_backends(bits)
    try:
        yield {}
    finally:
        _C._set_attention_backends(before)
