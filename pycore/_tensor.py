"""The part of the Tensor class that is written in Python, and constructors beside `tensor`.

Knows the extension only; must not know modules. Methods are attached to the C class below.
"""

from __future__ import annotations

import builtins

from . import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

Tensor = _C.Tensor

LEGACY_TENSOR_DTYPES = {
    "FloatTensor": _C.float32,
    "DoubleTensor": _C.float64,
    "HalfTensor": _C.float16,
    "BFloat16Tensor": _C.bfloat16,
    "ByteTensor": _C.uint8,
    "CharTensor": _C.int8,
    "ShortTensor": _C.int16,
    "IntTensor": _C.int32,
    "LongTensor": _C.int64,
    "BoolTensor": _C.bool,
}
_TYPE_NAMES = {dtype: name for name, dtype in LEGACY_TENSOR_DTYPES.items()}


# --- constructors ---------------------------------------------------------------------------------


def legacy_constructor(*args: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`Tensor(2, 3)`: uninitialised of that size; `Tensor(data)`: the data as the default dtype."""
    dtype = dtype or _C.get_default_dtype()
    if device is not None:
        _C.empty(0, device=device)
    if not args:
        return _C.empty(0, dtype=dtype)
    if len(args) == 1:
        (data,) = args
        if isinstance(data, Tensor):
            if data.dtype != dtype:
                raise TypeError(
                    f"expected {_TYPE_NAMES[dtype]} (got {_TYPE_NAMES[data.dtype]}): "
                    "use tensor.to(dtype) to convert"
                )
            return data.detach()
        if isinstance(data, _C.Size):
            return _C.empty(data, dtype=dtype)
        if not isinstance(data, builtins.int):
            return _C.tensor(data, dtype=dtype)
    return _C.empty(*args, dtype=dtype)


class _LegacyTensorType(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype == cls.dtype  # type: ignore[attr-defined]


def legacy_tensor_type(name: str) -> type:
    """`FloatTensor` and its kin: constructors that also answer isinstance."""
    dtype = LEGACY_TENSOR_DTYPES[name]

    def new(cls: type, *args: Any, device: Any = None) -> Tensor:
        return legacy_constructor(*args, dtype=dtype, device=device)

    return _LegacyTensorType(name, (), {"__new__": new, "dtype": dtype, "__module__": "pycore"})


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """The data as a tensor, sharing memory where it can (tensors and NumPy arrays of that dtype).

    >>> import pycore
    >>> pycore.as_tensor([1, 2])
    tensor([1, 2])
    """
    if device is not None:
        _C.empty(0, device=device)
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    if hasattr(data, "__array_interface__") and getattr(data, "ndim", 0) > 0:
        shared = _C.from_numpy(data)
        return shared if dtype is None else shared.to(dtype)
    return _C.tensor(data, dtype=dtype)


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: Any = None, requires_grad: Any = False
) -> Tensor:
    """As :func:`as_tensor`, with a say in copying (`copy=True` always, `copy=False` never)."""
    result = _C.tensor(obj, dtype=dtype) if copy else as_tensor(obj, dtype, device)
    if copy is False and isinstance(obj, Tensor) and result is not obj:
        raise ValueError("asarray: can't alias tensor with the requested dtype")
    return result.requires_grad_() if requires_grad else result


def is_tensor(obj: Any) -> builtins.bool:
    """Whether an object is a tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj: Any) -> builtins.bool:
    """False: storages are not exposed as objects."""
    return False


def is_floating_point(input: Tensor) -> builtins.bool:
    """Whether the dtype is a floating one."""
    return input.is_floating_point()


def is_complex(input: Tensor) -> builtins.bool:
    """Whether the dtype is complex (there is none)."""
    return input.is_complex()


def is_nonzero(input: Tensor) -> builtins.bool:
    """Whether the only element of a tensor differs from zero."""
    return builtins.bool(input)


def numel(input: Tensor) -> builtins.int:
    """The number of elements."""
    return input.numel()


# --- methods --------------------------------------------------------------------------------------


def _iter(self: Tensor) -> Iterator[Tensor]:
    if self.dim() == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))


def _contains(self: Tensor, element: Any) -> builtins.bool:
    return builtins.bool((self == element).any())


def _format(self: Tensor, spec: str) -> str:
    if self.dim() == 0 and type(self) is Tensor:
        return self.item().__format__(spec)
    return object.__format__(self, spec)


def _deepcopy(self: Tensor, memo: dict[builtins.int, Any]) -> Tensor:
    if id(self) in memo:
        return memo[id(self)]
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
            "protocol at the moment. If you were attempting to deepcopy a module, this may be "
            "because of a torch.nn.utils.weight_norm usage."
        )
    copied = self.detach().clone()
    if type(self) is not Tensor:
        copied = Tensor._make_subclass(type(self), copied, False)
    if self.requires_grad:
        copied.requires_grad_()
    memo[id(self)] = copied
    if self.grad is not None:
        copied.grad = _deepcopy(self.grad, memo)
    if self.__dict__:
        from copy import deepcopy

        copied.__dict__.update(deepcopy(self.__dict__, memo))
    return copied


def _rebuild(
    cls: type,
    data: Any,
    dtype: Any,
    shape: tuple[builtins.int, ...],
    grad: builtins.bool,
    state: Any,
) -> Tensor:
    flat = (
        _C.frombuffer(bytearray(data), dtype=_C.uint8) if len(data) else _C.empty(0, dtype=_C.uint8)
    )
    tensor = flat.view(dtype).reshape(shape) if len(data) else _C.empty(shape, dtype=dtype)
    if cls is not Tensor:
        tensor = Tensor._make_subclass(cls, tensor, False)
    if grad:
        tensor.requires_grad_()
    if state:
        tensor.__dict__.update(state)
    return tensor


def _reduce_ex(self: Tensor, protocol: Any) -> Any:
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) can be pickled: "
            "detach() the tensor first"
        )
    plain = self.detach().contiguous()
    data = bytes(memoryview(plain.reshape(-1).view(_C.uint8))) if plain.numel() else b""
    if protocol >= 5 and data:
        import pickle

        data = pickle.PickleBuffer(data)
    state = dict(self.__dict__) if self.__dict__ else None
    return (_rebuild, (type(self), data, self.dtype, tuple(self.shape), self.requires_grad, state))


def _numpy(self: Tensor, *, force: builtins.bool = False) -> Any:
    """The tensor as a NumPy array on the same memory. RuntimeError if it requires grad."""
    if force:
        self = self.detach()
    if self.requires_grad:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    if self.dtype == _C.bfloat16:
        raise TypeError("Got unsupported ScalarType BFloat16")
    import numpy

    return numpy.asarray(memoryview(self))


def _array(self: Tensor, dtype: Any = None, copy: Any = None) -> Any:
    array = _numpy(self)
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


def _array_wrap(
    self: Tensor, array: Any, context: Any = None, return_scalar: Any = False
) -> Tensor:
    return _C.from_numpy(array) if array.ndim else _C.tensor(array.item())


def _register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> Any:
    """Calls `hook(grad)` whenever a gradient of this tensor is computed; it may return a new one."""
    from .utils.hooks import TensorHandle

    return TensorHandle(self, _C._add_hook(self, hook))


def _register_post_accumulate_grad_hook(self: Tensor, hook: Callable[[Tensor], None]) -> Any:
    """Calls `hook(tensor)` after a gradient has been accumulated into this leaf."""
    from .utils.hooks import TensorHandle

    return TensorHandle(self, _C._add_post_accumulate_hook(self, hook))


def _cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor itself: it lives on the CPU."""
    return self


def _cuda(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Raises AssertionError: there is no CUDA."""
    return self.to("cuda")


def _type(self: Tensor, dtype: Any = None, non_blocking: builtins.bool = False) -> Any:
    """The name of the tensor's type, or the tensor converted to a dtype or type name."""
    if dtype is None:
        return f"torch.{_TYPE_NAMES[self.dtype]}"
    if isinstance(dtype, str):
        name = dtype.rpartition(".")[2]
        if name not in LEGACY_TENSOR_DTYPES or ".cuda." in dtype:
            raise ValueError(f"type: invalid type: {dtype!r}")
        dtype = LEGACY_TENSOR_DTYPES[name]
    return self.to(getattr(dtype, "dtype", dtype))


def _new(self: Tensor, *args: Any) -> Tensor:
    return legacy_constructor(*args, dtype=self.dtype)


def _new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: Any = False
) -> Tensor:
    """A new tensor with a copy of the data and, unless told otherwise, this tensor's dtype."""
    return _C.tensor(data, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


def _self(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return self


def _layout(self: Tensor) -> Any:
    from ._layout import strided

    return strided


def _untyped_storage(self: Tensor) -> Any:
    """The memory behind the tensor, shared by its views."""
    from .storage import UntypedStorage

    return UntypedStorage(self)


# --- subclasses ------------------------------------------------------------------------------------


def _as_class(result: Any, cls: type) -> Any:
    if isinstance(result, Tensor):
        return result if isinstance(result, cls) else result.as_subclass(cls)
    if isinstance(result, (tuple, list)) and any(isinstance(x, Tensor) for x in result):
        parts = [_as_class(x, cls) for x in result]
        return type(result)(parts) if type(result) in (tuple, list) else type(result)(tuple(parts))
    return result


def _call_as_plain(
    cls: type, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
) -> Any:
    """Runs the operator on plain tensors and gives its results the class that asked."""
    before = _C._set_subclasses_plain(True)
    try:
        result = func(*args, **(kwargs or {}))
    finally:
        _C._set_subclasses_plain(before)
    return _as_class(result, cls)


def _call_without_class(
    cls: type, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
) -> Any:
    """For classes whose operators give plain tensors."""
    before = _C._set_subclasses_plain(True)
    try:
        return func(*args, **(kwargs or {}))
    finally:
        _C._set_subclasses_plain(before)


_torch_function = classmethod(_call_as_plain)
disabled_torch_function = classmethod(_call_without_class)
_C._set_torch_function(_torch_function, disabled_torch_function)


def _attach() -> None:
    methods = {
        "__torch_function__": _torch_function,
        "__iter__": _iter,
        "__contains__": _contains,
        "__format__": _format,
        "__deepcopy__": _deepcopy,
        "__reduce_ex__": _reduce_ex,
        "__array__": _array,
        "__array_wrap__": _array_wrap,
        "__array_priority__": 1000,
        "numpy": _numpy,
        "register_hook": _register_hook,
        "register_post_accumulate_grad_hook": _register_post_accumulate_grad_hook,
        "cpu": _cpu,
        "cuda": _cuda,
        "type": _type,
        "new": _new,
        "new_tensor": _new_tensor,
        "pin_memory": _self,
        "share_memory_": _self,
        "is_pinned": lambda self: False,
        "is_shared": lambda self: False,
        "layout": property(_layout),
        "untyped_storage": _untyped_storage,
        "names": property(lambda self: (None,) * self.dim()),
    }
    for name, value in methods.items():
        if not name.startswith("_") and getattr(value, "__name__", "").startswith("_"):
            value.__name__ = value.__qualname__ = name
        setattr(Tensor, name, value)


_attach()
