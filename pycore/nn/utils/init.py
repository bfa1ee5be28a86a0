"""Modules made without the drawing of first weights.

Knows modules and the default generator; must not know particular layers.
"""

from __future__ import annotations

import inspect

from ...random import get_rng_state, set_rng_state
from ..modules.module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["skip_init"]


def skip_init(module_cls: type, *args: Any, **kwargs: Any) -> Any:
    """Make a module whose first values do not matter: the random stream is left as it was.

    For modules that get their values from elsewhere, such as a state dict. Their tensors hold
    arbitrary values afterwards. RuntimeError if `module_cls` is no module class or its constructor
    has no argument `device`.

    >>> import pycore
    >>> m = pycore.nn.utils.skip_init(pycore.nn.Linear, 5, 1)
    >>> m.weight.shape
    pycore.Size([1, 5])
    """
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    before = get_rng_state()
    try:
        return module_cls(*args, **kwargs)
    finally:
        set_rng_state(before)
