"""Building blocks of neural networks: modules, their functional forms, initialisation.

Knows the extension; must not know optimizers or data loading.
"""

import sys as _sys

from . import functional as functional, init as init, modules as modules, utils as utils
from .modules import *
from .modules import Module as Module
from .parameter import (
    Buffer as Buffer,
    Parameter as Parameter,
    UninitializedBuffer as UninitializedBuffer,
    UninitializedParameter as UninitializedParameter,
)

# isort: split
# The import of all layers brought the names of their files along, one of which is that of a module.
for _name in [name for name in globals() if hasattr(modules, name)]:
    if globals()[_name] is _sys.modules.get(f"{__name__}.modules.{_name}"):
        del globals()[_name]

from . import attention as attention
