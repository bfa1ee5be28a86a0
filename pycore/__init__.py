"""pycore: PyTorch's API on a small, fast CPU core.

``import pycore as torch`` is meant to be the only line that a program changes. Sub-packages that
many programs do not need (optim, utils.data, serialization ...) are imported when first used.
"""

from __future__ import annotations

try:
    import pycore._C as _C
except ModuleNotFoundError as missing:
    if missing.name != "pycore._C":
        raise
    raise ImportError(
        "pycore's extension module is not built in this folder. If pycore is installed, start "
        "Python outside of the folder of its sources; if not, install it with `pip install .`"
    ) from None
from ._C import *
from ._C import _int_mm as _int_mm  # PyTorch has it under this name

__version__ = "0.1.0"

from math import e as e, inf as inf, nan as nan, pi as pi

newaxis = None

from . import (
    _composite,
    _tensor,  # completes the Tensor class
    autograd as autograd,
)
from ._layout import (
    channels_last as channels_last,
    channels_last_3d as channels_last_3d,
    contiguous_format as contiguous_format,
    layout as layout,
    memory_format as memory_format,
    preserve_format as preserve_format,
    sparse_coo as sparse_coo,
    strided as strided,
)
from ._tensor import (
    as_tensor as as_tensor,
    asarray as asarray,
    is_complex as is_complex,
    is_floating_point as is_floating_point,
    is_nonzero as is_nonzero,
    is_storage as is_storage,
    is_tensor as is_tensor,
    numel as numel,
)
from .autograd.grad_mode import (
    enable_grad as enable_grad,
    inference_mode as inference_mode,
    no_grad as no_grad,
    set_grad_enabled as set_grad_enabled,
)
from .random import (
    get_rng_state as get_rng_state,
    initial_seed as initial_seed,
    manual_seed as manual_seed,
    seed as seed,
    set_rng_state as set_rng_state,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    # What __getattr__ finds below, for type checkers.
    from . import (
        accelerator as accelerator,
        amp as amp,
        backends as backends,
        compiler as compiler,
        cpu as cpu,
        cuda as cuda,
        distributions as distributions,
        func as func,
        functional as functional,
        jit as jit,
        linalg as linalg,
        mps as mps,
        nn as nn,
        optim as optim,
        serialization as serialization,
        special as special,
        testing as testing,
        types as types,
        utils as utils,
        version as version,
        xpu as xpu,
    )
    from ._contraction import chain_matmul as chain_matmul, einsum as einsum, tensordot as tensordot
    from ._explain import explain as explain
    from ._tensor_str import set_printoptions as set_printoptions
    from .amp import GradScaler as GradScaler, autocast as autocast
    from .serialization import load as load, save as save

_composite.attach(_C.Tensor)

_LAZY_MODULES = frozenset(
    {
        "accelerator", "amp", "backends", "compiler", "cpu", "cuda", "distributions", "func", "functional", "jit",
        "linalg", "mps", "mtia", "nn", "optim", "serialization", "special", "testing", "types", "utils",
        "version", "xpu",
    }
)  # fmt: skip
_LAZY_NAMES = {
    "save": "serialization",
    "load": "serialization",
    "einsum": "_contraction",
    "tensordot": "_contraction",
    "chain_matmul": "_contraction",
    "finfo": "_typeinfo",
    "iinfo": "_typeinfo",
    "explain": "_explain",
    "set_printoptions": "_tensor_str",
    "get_printoptions": "_tensor_str",
    "OutOfMemoryError": "cuda",
    "GradScaler": "amp",
    "autocast": "amp",
    "clear_autocast_cache": "amp",
    "get_autocast_cpu_dtype": "amp",
    "get_autocast_dtype": "amp",
    "get_autocast_gpu_dtype": "amp",
    "is_autocast_cpu_enabled": "amp",
    "is_autocast_enabled": "amp",
}


def __getattr__(name: str):
    from importlib import import_module

    if name in _LAZY_NAMES:
        value = getattr(import_module(f"{__name__}.{_LAZY_NAMES[name]}"), name)
    elif name in _composite.FUNCTIONS:
        value = _composite.load(name)
    elif name in _LAZY_MODULES:
        try:
            value = import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
            raise AttributeError(f"module '{__name__}' has no attribute '{name}'") from None
    elif name in _tensor.LEGACY_TENSOR_DTYPES:
        value = _tensor.legacy_tensor_type(name)
    else:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(
        {
            *globals(),
            *_LAZY_MODULES,
            *_LAZY_NAMES,
            *_composite.FUNCTIONS,
            *_tensor.LEGACY_TENSOR_DTYPES,
        }
    )


def typename(obj: object) -> str:
    """The name of an object's type, for tensors that of the old per-dtype classes."""
    if isinstance(obj, _C.Tensor):
        return obj.type()
    kind = type(obj)
    return f"{kind.__module__}.{kind.__qualname__}"


def set_default_device(device: object) -> None:
    """Accepts the CPU, the only device; raises for any other."""
    _C.device(device)
    _C.empty(0, device=device)


def get_default_device() -> _C.device:
    """The CPU."""
    return _C.device("cpu")


_MATMUL_PRECISIONS = ("highest", "high", "medium")


def set_float32_matmul_precision(precision: str) -> None:
    """Sets how exact products of float32 matrices have to be, in the whole process.

    - ``'highest'``, the initial setting: as float32. With AMX large products are sums of six
      products of bfloat16 parts, whose error is not above that of float32's own arithmetic.
    - ``'high'``: as if factors had 16 significant bits. With AMX, sums of three such products;
      elsewhere as ``'highest'``, since nothing between is faster there.
    - ``'medium'``: large products with AMX or AVX512_BF16 as if factors were bfloat16, which has 8
      significant bits and makes the largest float32 infinite; sums are float32. Elsewhere as
      ``'highest'``.

    It concerns ``matmul``, ``mm``, ``bmm``, ``addmm``, ``einsum``, ``nn.Linear`` and their
    derivatives; convolutions, attention and recurrent layers always count in float32. Results
    do not depend on the number of threads, but from the same program they differ between
    processors more than otherwise. :func:`pycore.explain` names the form that ran.

    Another string only warns, as in PyTorch; anything else raises a RuntimeError. The parts are
    those of Henry, Tang, Heinecke: "Leveraging the bfloat16 Artificial Intelligence Datatype For
    Higher-Precision Computations" (2019).

    >>> pycore.set_float32_matmul_precision('highest')
    >>> pycore.get_float32_matmul_precision()
    'highest'
    """
    if not isinstance(precision, str):
        raise RuntimeError(
            f"set_float32_matmul_precision expects a str, but got {type(precision).__name__}"
        )
    if precision in _MATMUL_PRECISIONS:
        _C._set_matmul_precision(_MATMUL_PRECISIONS.index(precision))
        return
    import warnings

    warnings.warn(
        f"{precision} is not one of 'highest', 'high', or 'medium'; "
        "this call of set_float32_matmul_precision has no effect",
        stacklevel=2,
    )


def get_float32_matmul_precision() -> str:
    """What :func:`set_float32_matmul_precision` has set: 'highest', 'high' or 'medium'."""
    return _MATMUL_PRECISIONS[_C._matmul_precision()]


def use_deterministic_algorithms(mode: object, *, warn_only: object = False) -> None:
    """Accepted for compatibility: results never depend on the number of threads."""


def are_deterministic_algorithms_enabled() -> object:
    """True: every operator gives the same bits for any number of threads."""
    return True


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """False: there is nothing to warn of."""
    return False


def _assert(condition: object, message: str) -> None:
    """The assert statement as a function, for models that tools trace elsewhere."""
    assert condition, message


def compile(model: object = None, **options: object) -> object:
    """Returns the model as it is: there is no compiler, and none is needed to be fast."""
    if model is None:
        return lambda m: m
    return model


def get_num_interop_threads() -> int:
    """1: operators do not run beside each other."""
    return 1


def set_num_interop_threads(n: int) -> None:
    """Accepted for compatibility."""
