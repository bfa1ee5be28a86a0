"""Building blocks of neural networks: modules, their functional forms, initialisation.

Knows the extension; must not know optimizers or data loading.
"""

from . import functional as functional
from . import init as init
from . import utils as utils
from .modules import *
from .modules import Module as Module
from .parameter import Buffer as Buffer
from .parameter import Parameter as Parameter
