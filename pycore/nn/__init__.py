"""Building blocks of neural networks: modules, their functional forms, initialisation.

Knows the extension; must not know optimizers or data loading.
"""

from . import functional as functional, init as init, utils as utils
from .modules import *
from .modules import Module as Module
from .parameter import (
    Buffer as Buffer,
    Parameter as Parameter,
    UninitializedBuffer as UninitializedBuffer,
    UninitializedParameter as UninitializedParameter,
)

# isort: split
# After the layers, whose family of attention layers would stand in its place.
from . import attention as attention
