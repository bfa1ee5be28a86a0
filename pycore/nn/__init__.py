"""Building blocks of neural networks: modules, their functional forms, initialisation.

Knows the extension; must not know optimizers or data loading.
"""

from . import (
    attention as attention,
    functional as functional,
    grad as grad,
    init as init,
    modules as modules,
    parallel as parallel,
    utils as utils,
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
