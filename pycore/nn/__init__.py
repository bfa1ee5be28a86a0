"""Building blocks of neural networks: modules, their functional forms, initialisation.

Knows the extension; must not know optimizers or data loading.
"""

import sys as _sys

from . import (
    functional as functional,
    init as init,
    modules as modules,
    parallel as parallel,
)
from .modules import *
from .modules import Module as Module
from .parallel import DataParallel as DataParallel
from .parameter import (
    Buffer as Buffer,
    Parameter as Parameter,
    UninitializedBuffer as UninitializedBuffer,
    UninitializedParameter as UninitializedParameter,
)

# isort: split
# The import of all layers brought the names of their files along, some of which are modules here.
for _name in [name for name in globals() if hasattr(modules, name)]:
    if globals()[_name] is _sys.modules.get(f"{__name__}.modules.{_name}"):
        del globals()[_name]

from . import attention as attention, grad as grad, utils as utils
