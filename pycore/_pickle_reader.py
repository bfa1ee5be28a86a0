"""The unpickler of ``.pt`` files: what PyTorch's names are here, and which ones are allowed.

Every tensor is rebuilt by functions of this file, which check what the pickle says. Must not know
files.
"""

from __future__ import annotations

import pickle
import sys
from collections import Counter, OrderedDict

from ._pickle_writer import STORAGE_DTYPES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_PACKAGE = __name__.partition(".")[0]


class _Inert:
    """A value a pickle may mention but not modify: its BUILD opcode ends in this method."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError(f"load: a pickle that modifies {type(self).__name__}")


class _StorageType(_Inert):
    """What ``torch.FloatStorage`` and its like become: a dtype."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype


class _TensorType(_Inert):
    """A tensor class as a value: usable in a rebuild, but the pickle cannot call it."""

    __slots__ = ("kind",)

    def __init__(self, kind: type) -> None:
        self.kind = kind


class _Call(_Inert):
    """A function or class that the pickle may call."""

    __slots__ = ("function",)

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)


class StorageUnpickler(pickle.Unpickler):
    """Reads PyTorch's pickles; with an allow-list unless ``allowed`` is None."""

    def __init__(
        self, file: Any, storage: Callable[..., Any], allowed: Any, encoding: str = "utf-8"
    ) -> None:
        super().__init__(file, encoding=encoding)
        self._make_storage = storage
        self._allowed = allowed

    def persistent_load(self, pid: Any) -> Any:
        if not (isinstance(pid, tuple) and len(pid) >= 5 and pid[0] == "storage"):
            raise pickle.UnpicklingError(f"load: unknown persistent id {pid!r}")
        kind, key, location, count = pid[1:5]
        if not (
            isinstance(kind, _StorageType)
            and isinstance(key, str)
            and isinstance(count, int)
            and count >= 0
        ):
            raise pickle.UnpicklingError(f"load: malformed storage {pid!r}")
        if len(pid) > 5 and pid[5] is not None:
            raise pickle.UnpicklingError("load: views of storages of the old format")
        return self._make_storage(kind.dtype, key, str(location), count)

    def find_class(self, module: str, name: str) -> Any:
        known = _known_name(module, name)
        if self._allowed is None and isinstance(known, _TensorType):
            return known.kind
        if known is not None:
            return known
        if self._allowed is None:
            return _any_class(super().find_class, module, name)
        for spelling in ((module, name), (_here(module), name)):
            if spelling in self._allowed:
                return self._allowed[spelling]
        raise pickle.UnpicklingError(
            "Weights only load failed. The file may be safe or not: with weights_only=False "
            "loading it can run any code, so do that only if you trust its origin.\n"
            f"Unsupported global: GLOBAL {module}.{name} was not an allowed global by default. "
            f"Allow it with {_PACKAGE}.serialization.add_safe_globals([{name}]) if you trust it."
        )


def _here(module: str) -> str:
    if module == "torch" or module.startswith("torch."):
        return _PACKAGE + module[len("torch") :]
    return module


def _any_class(find: Callable[[str, str], Any], module: str, name: str) -> Any:
    if module != _here(module):
        import importlib

        for place in (_here(module), f"{_PACKAGE}.nn", f"{_PACKAGE}.optim"):
            try:
                return getattr(importlib.import_module(place), name)
            except (ImportError, AttributeError):
                continue
    return find(module, name)


_HARMLESS: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "Counter"): _Call(Counter),
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "complex"): complex,
    ("builtins", "bytearray"): bytearray,
    ("builtins", "slice"): slice,
}


def _known_name(module: str, name: str) -> Any:
    if module == "__builtin__":
        module = "builtins"
    if (module, name) in _HARMLESS:
        return _HARMLESS[module, name]
    if (module, name) == ("_codecs", "encode"):
        return _Call(_encode)
    if module in ("torch.nn", "torch.nn.parameter"):
        from .nn import parameter

        if name == "Parameter":
            return _TensorType(parameter.Parameter)
        if name in ("UninitializedParameter", "UninitializedBuffer"):
            return _Call(getattr(parameter, name))
    if module in ("torch", "torch.storage"):
        return _torch_name(name)
    if module in ("torch._utils", "torch._tensor"):
        return _REBUILDERS.get(name)
    return None


def _torch_name(name: str) -> Any:
    from . import Size, Tensor, device, dtype

    package = sys.modules[_PACKAGE]
    if name == "UntypedStorage":
        return _StorageType(package.uint8)
    if name in STORAGE_DTYPES:
        return _StorageType(getattr(package, STORAGE_DTYPES[name]))
    special = {"Size": _Call(Size), "device": _Call(device), "Tensor": _TensorType(Tensor)}
    if name in special:
        return special[name]
    found = getattr(package, name, None)
    return found if isinstance(found, dtype) else None


def _encode(text: str, encoding: str) -> bytes:
    return text.encode(encoding)  # how protocol 2 spells bytes


def _rebuild_tensor(storage: Any, offset: int, size: Any, stride: Any) -> Any:
    size, stride = tuple(size), tuple(stride)
    if len(size) != len(stride) or offset < 0 or any(n < 0 for n in (*size, *stride)):
        raise pickle.UnpicklingError(f"load: malformed tensor, size {size}, stride {stride}")
    if all(size):
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if last >= storage.numel():
            raise pickle.UnpicklingError(
                f"load: a tensor reaches element {last} of a storage of {storage.numel()}"
            )
    return storage.as_strided(size, stride, offset).detach()


def _rebuild_tensor_v2(
    storage: Any,
    offset: int,
    size: Any,
    stride: Any,
    requires_grad: bool,
    backward_hooks: Any,
    metadata: Any = None,
) -> Any:
    return _rebuild_tensor(storage, offset, size, stride).requires_grad_(bool(requires_grad))


def _rebuild_tensor_v3(
    storage: Any,
    offset: int,
    size: Any,
    stride: Any,
    requires_grad: bool,
    backward_hooks: Any,
    dtype: Any,
    metadata: Any = None,
) -> Any:
    typed = storage.view(dtype)
    return _rebuild_tensor(typed, offset, size, stride).requires_grad_(bool(requires_grad))


def _rebuild_parameter(data: Any, requires_grad: bool, backward_hooks: Any) -> Any:
    from .nn.parameter import Parameter

    return Parameter(data, requires_grad=bool(requires_grad))


def _rebuild_parameter_with_state(
    data: Any, requires_grad: bool, backward_hooks: Any, state: Any
) -> Any:
    parameter = _rebuild_parameter(data, requires_grad, backward_hooks)
    _set_state(parameter, state)
    return parameter


def _rebuild_from_type_v2(rebuild: Any, kind: Any, args: Any, state: Any) -> Any:
    from .nn.parameter import Parameter

    if rebuild not in _REBUILDERS.values():
        raise pickle.UnpicklingError("load: a tensor rebuilt by something else than a rebuilder")
    tensor = rebuild(*args)
    kind = kind.kind if isinstance(kind, _TensorType) else kind
    if kind is Parameter:
        tensor = Parameter(tensor.detach(), requires_grad=tensor.requires_grad)
    elif type(tensor) is not kind:
        requires_grad = tensor.requires_grad
        tensor = tensor.detach().as_subclass(kind).requires_grad_(requires_grad)
    _set_state(tensor, state)
    return tensor


def _set_state(tensor: Any, state: Any) -> None:
    if isinstance(state, tuple):  # (__dict__, slots)
        state = {**(state[0] or {}), **(state[1] or {})}
    for name, value in (state or {}).items():
        setattr(tensor, name, value)


_REBUILDERS: dict[str, _Call] = {
    function.__name__: _Call(function)
    for function in (
        _rebuild_tensor,
        _rebuild_tensor_v2,
        _rebuild_tensor_v3,
        _rebuild_parameter,
        _rebuild_parameter_with_state,
        _rebuild_from_type_v2,
    )
}
