"""The pickler of ``.pt`` files: tensors become PyTorch's rebuild calls, storages are set aside.

Writes names only; what they mean to a reader is ``_pickle_reader``'s concern. Must not know files.
"""

from __future__ import annotations

import pickle
import sys
from collections import OrderedDict
from types import FunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PACKAGE = __name__.partition(".")[0]

# PyTorch's storage classes: the pickle's way to say a dtype.
STORAGE_DTYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
_STORAGE_CLASS = {dtype: name for name, dtype in STORAGE_DTYPES.items()}


# Attributes that PyTorch's Module expects to find and ours makes when they are first used.
_MODULE_HOOKS = (
    "_backward_pre_hooks",
    "_backward_hooks",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


class _Name:
    """A global by name: written to the pickle as such, never called here."""

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name

    def __call__(self, *args: Any) -> Any:
        raise TypeError(f"{self.module}.{self.name} is only a name here")


class _Storage:
    """The memory behind tensors while it is being saved."""

    def __init__(self, tensor: Any, key: str) -> None:
        self.tensor = tensor  # keeps the memory alive
        self.key = key
        self.dtype = _dtype_name(tensor.dtype)
        self.size = tensor._storage_nbytes()
        self.count = self.size // tensor.dtype.itemsize

    def bytes(self) -> Any:
        """The memory itself, not a copy."""
        import ctypes

        if self.size == 0:
            return b""
        address = self.tensor._storage_ptr()
        return memoryview((ctypes.c_ubyte * self.size).from_address(address)).cast("B")


def _dtype_name(dtype: Any) -> str:
    return str(dtype).rpartition(".")[2]


# The Python pickler, not the C one, which insists on importing every name it writes.
_Pickler: Any = pickle._Pickler


class StoragePickler(_Pickler):  # type: ignore[misc]
    """Pickles tensors as PyTorch does and collects their storages in ``storages``."""

    dispatch = dict(_Pickler.dispatch)  # noqa: RUF012

    def __init__(self, file: Any, protocol: int) -> None:
        from . import Size, Tensor, device, dtype
        from .nn.modules.module import Module
        from .nn.parameter import Parameter, is_lazy

        super().__init__(file, protocol)
        self._is_lazy = is_lazy
        self.storages: dict[str, _Storage] = {}
        self._by_address: dict[int, _Storage] = {}
        self._names: dict[tuple[str, str], _Name] = {}
        self._tensor_type = Tensor
        self._parameter_type = Parameter
        self._dtype_type = dtype
        self._module_type = Module
        self._small_types = {device: lambda x: (x.type,), Size: lambda x: (tuple(x),)}

    def _name(self, module: str, name: str) -> _Name:
        # One object per name, so that the pickle spells each name once.
        return self._names.setdefault((module, name), _Name(module, name))

    def persistent_id(self, obj: Any) -> Any:
        if not isinstance(obj, _Storage):
            return None
        kind = self._name("torch", _STORAGE_CLASS[obj.dtype])
        return ("storage", kind, obj.key, "cpu", obj.count)

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, self._tensor_type):
            return obj.__reduce_ex__(2) if self._is_lazy(obj) else self._reduce_tensor(obj)
        if isinstance(obj, self._dtype_type):
            return _dtype_name(obj)  # a string: save_global(obj, name)
        arguments = self._small_types.get(type(obj))
        if arguments is not None:
            return self._name("torch", type(obj).__name__), arguments(obj)
        if isinstance(obj, self._module_type):
            return self._reduce_module(obj)
        return NotImplemented

    def _reduce_module(self, module: Any) -> Any:
        parts = list(module.__reduce_ex__(2))
        if len(parts) > 2 and isinstance(parts[2], dict):
            hooks: dict[str, Any] = {name: OrderedDict() for name in _MODULE_HOOKS}
            parts[2] = {**hooks, "_is_full_backward_hook": None, **parts[2]}
        return tuple(parts)

    def _reduce_tensor(self, tensor: Any) -> Any:
        attributes = getattr(tensor, "__dict__", None)
        hooks: OrderedDict[str, Any] = OrderedDict()  # hooks are never saved
        if type(tensor) is self._parameter_type and not attributes:
            parts = (tensor.data, tensor.requires_grad, hooks)
            return self._name("torch._utils", "_rebuild_parameter"), parts
        rebuild = self._name("torch._utils", "_rebuild_tensor_v2")
        args = (
            self._storage(tensor),
            tensor.storage_offset(),
            tuple(tensor.size()),
            tuple(tensor.stride()),
            bool(tensor.requires_grad),
            hooks,
        )
        if type(tensor) is self._tensor_type and not attributes:
            return rebuild, args
        kind = {
            self._tensor_type: self._name("torch", "Tensor"),
            self._parameter_type: self._name("torch.nn.parameter", "Parameter"),
        }.get(type(tensor), type(tensor))
        wrapped = (rebuild, kind, args, dict(attributes or {}))
        return self._name("torch._tensor", "_rebuild_from_type_v2"), wrapped

    def _storage(self, tensor: Any) -> _Storage:
        address = tensor._storage_ptr()
        known = self._by_address.get(address)
        if known is None or known.size == 0:  # empty storages have no address of their own
            known = _Storage(tensor.data, str(len(self.storages)))
            self._by_address[address] = known
            self.storages[known.key] = known
        elif known.dtype != _dtype_name(tensor.dtype):
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different "
                f"types; got {known.dtype} and {_dtype_name(tensor.dtype)}"
            )
        return known

    def _save_name(self, obj: _Name) -> None:
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        self.memoize(obj)

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if isinstance(obj, self._dtype_type):
            self.save(self._name("torch", _dtype_name(obj)))
            return
        module = getattr(obj, "__module__", None) or ""
        if module == _PACKAGE or module.startswith(f"{_PACKAGE}."):
            self.save(self._name(*_public_name(obj, module, name or obj.__qualname__)))
        else:
            super().save_global(obj, name)

    def save_type(self, obj: Any) -> None:
        if obj in (type(None), type(...), type(NotImplemented)):
            super().save_type(obj)
        else:
            self.save_global(obj)

    dispatch[_Name] = _save_name
    dispatch[type] = save_type
    dispatch[FunctionType] = save_global


def _public_name(obj: Any, module: str, name: str) -> tuple[str, str]:
    """Classes by the public place that both libraries have, such as ``torch.nn Linear``."""
    for place in ("nn", "optim"):
        if getattr(sys.modules.get(f"{_PACKAGE}.{place}"), name, None) is obj:
            return f"torch.{place}", name
    return "torch" + module[len(_PACKAGE) :], name
