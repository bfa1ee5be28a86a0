"""`pycore.special`: special functions under SciPy's names.

Knows the extension only; must not define operators itself.
"""

from __future__ import annotations

from . import _C

_names = {name: getattr(_C._special, name) for name in dir(_C._special) if not name.startswith("_")}
_TENSOR_NAMES = (
    "digamma", "erf", "erfc", "erfinv", "exp2", "expm1", "log1p", "logit", "logsumexp", "round",
    "sinc", "xlogy",
)  # fmt: skip
_names.update({name: getattr(_C, name) for name in _TENSOR_NAMES if hasattr(_C, name)})
_names.update(gammaln=_C.lgamma, psi=_C.digamma, expit=_C.sigmoid)
globals().update(_names)

__all__ = sorted(_names)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    def __getattr__(name: str) -> Any: ...  # for type checkers, which do not see the update
