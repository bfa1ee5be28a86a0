"""Tensors that a module owns: `Parameter` is trained, `Buffer` is state without gradient.

`UninitializedParameter` and `UninitializedBuffer` stand for those of lazy modules, whose shape is not
known yet. Knows the tensor type only; must not know modules.
"""

from __future__ import annotations

from .. import _C
from .._tensor import disabled_torch_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]


class Parameter(Tensor):
    """A tensor that becomes a parameter of the module it is assigned to.

    Args:
        data: tensor of any shape whose storage is shared; None makes an empty one.
        requires_grad: whether gradients are collected; needs a floating dtype when True.

    >>> import pycore
    >>> pycore.nn.Parameter(pycore.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    # Operators on parameters give plain tensors.
    __torch_function__ = disabled_torch_function

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = _C.empty(0)
        elif not isinstance(data, Tensor):
            raise TypeError(f"Parameter: data must be a Tensor or None; got {type(data).__name__}")
        if requires_grad and not data.is_floating_point():
            raise RuntimeError(
                "Only Tensors of floating point and complex dtype can require gradients"
            )
        return Tensor._make_subclass(cls, data, requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        known = memo.get(id(self))
        if known is not None:
            return known
        result = type(self)(self.data.clone(), self.requires_grad)
        if self.__dict__:
            from copy import deepcopy

            result.__dict__.update(deepcopy(self.__dict__, memo))
        memo[id(self)] = result
        return result

    def __repr__(self) -> str:  # type: ignore[override]
        return "Parameter containing:\n" + super().__repr__()


class _BufferMeta(type(Tensor)):  # type: ignore[misc]
    # A Buffer is an ordinary tensor with a mark, so isinstance looks for the mark.
    def __instancecheck__(self, instance: Any) -> bool:
        if self is Buffer:
            return isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)
        return super().__instancecheck__(instance)


class Buffer(Tensor, metaclass=_BufferMeta):
    """A tensor that becomes a buffer of the module it is assigned to.

    Args:
        data: tensor of any shape and dtype; None makes an empty one.
        persistent: whether the buffer is part of the module's `state_dict`.

    >>> import pycore
    >>> m = pycore.nn.Module()
    >>> m.mean = pycore.nn.Buffer(pycore.zeros(2))
    >>> list(m.state_dict())
    ['mean']
    """

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:
        if data is None:
            data = _C.empty(0)
        tensor = data.detach().requires_grad_(data.requires_grad)
        tensor.persistent = persistent
        tensor._is_buffer = True
        return tensor


# What a tensor without a shape can still do: tell and change its dtype and device. (`copy_` is here
# since state dicts are loaded by it; by then the tensor has been materialized.)
_ALLOWED = frozenset(
    {
        "__hash__", "size", "copy_", "is_complex", "is_floating_point", "get_device",
        "half", "float", "double", "char", "short", "int", "long", "cuda", "cpu", "to",
    }
)  # fmt: skip


_REFUSED_SLOTS = frozenset(
    {
        "__len__", "__getitem__", "__setitem__", "__iter__", "__contains__", "__bool__",
        "__float__", "__int__", "__index__", "__complex__", "__array__",
    }
)  # fmt: skip


class UninitializedTensorMixin:
    """What uninitialized parameters and buffers share: no shape, no values, `materialize`."""

    cls_to_become: type
    requires_grad: bool
    data: Any

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary parameter or tensor of this shape, with memory but no values yet.

        `device` and `dtype` are those of the uninitialized one when None.
        """
        data = self.data
        self.data = _C.empty(tuple(shape), device=device or data.device, dtype=dtype or data.dtype)
        self.__class__ = self.cls_to_become  # type: ignore[assignment]

    @property
    def shape(self) -> Any:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. "
            "This error usually happens in `load_state_dict` when trying to load "
            "an uninitialized parameter into an initialized one. "
            "Call `forward` to initialize the parameters before accessing their attributes."
        )

    def share_memory_(self) -> Any:
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. "
            "Call `forward` to initialize the parameters before calling "
            "`module.share_memory()`."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        known = memo.get(id(self))
        if known is not None:
            return known
        data = self.data
        result = type(self)(self.requires_grad, data.device, data.dtype)  # type: ignore[call-arg]
        memo[id(self)] = result
        return result

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self.requires_grad, None, self.data.dtype)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in _ALLOWED:
            return disabled_torch_function.__func__(cls, func, types, args, kwargs)
        raise _refusal(cls, func)


def _refusal(cls: type, func: Any) -> ValueError:
    return ValueError(
        f"Attempted to use an uninitialized parameter in {func}. "
        "This error happens when you are using a `LazyModule` or "
        f"explicitly manipulating `torch.nn.parameter.{cls.__name__}` "
        "objects. When using LazyModules Call `forward` with a dummy batch "
        "to initialize the parameters before calling torch functions"
    )


def _refuse_methods() -> None:
    """Operators ask `__torch_function__`; the tensor's other methods are refused one by one."""

    def refusing(method: Any) -> Any:
        def refused(self: Any, *args: Any, **kwargs: Any) -> Any:
            raise _refusal(type(self), method)

        return refused

    operator = type(Tensor.add)
    own = {*vars(UninitializedTensorMixin), *_ALLOWED, "requires_grad_"}
    for name, method in vars(Tensor).items():
        if name in own or (name.startswith("_") and name not in _REFUSED_SLOTS):
            continue
        if callable(method) and not isinstance(method, operator):
            setattr(UninitializedTensorMixin, name, refusing(method))


_refuse_methods()


def is_lazy(param: Any) -> bool:
    """Whether a value is an `UninitializedParameter` or `UninitializedBuffer`.

    >>> import pycore
    >>> pycore.nn.parameter.is_lazy(pycore.nn.LazyLinear(2).weight)
    True
    """
    return isinstance(param, UninitializedTensorMixin)


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter whose shape is not known yet; `materialize` makes it an ordinary one.

    Its dtype, device and `requires_grad` can be read and changed. The shape raises RuntimeError,
    every operator ValueError.

    >>> import pycore
    >>> p = pycore.nn.UninitializedParameter()
    >>> p
    <UninitializedParameter>
    >>> p.materialize((2, 3))
    >>> type(p).__name__, p.shape
    ('Parameter', pycore.Size([2, 3]))
    """

    cls_to_become = Parameter

    def __new__(  # type: ignore[misc]
        cls, requires_grad: bool = True, device: Any = None, dtype: Any = None
    ) -> UninitializedParameter:
        data = _C.empty(0, device=device, dtype=dtype)
        return Tensor._make_subclass(cls, data, requires_grad)


class UninitializedBuffer(UninitializedTensorMixin, Tensor):
    """A buffer whose shape is not known yet; `materialize` makes it an ordinary tensor.

    >>> import pycore
    >>> b = pycore.nn.UninitializedBuffer(dtype=pycore.float64)
    >>> b.materialize((2,))
    >>> b.shape, b.dtype
    (pycore.Size([2]), pycore.float64)
    """

    cls_to_become = Tensor
    persistent: bool

    def __new__(
        cls,
        requires_grad: bool = False,
        device: Any = None,
        dtype: Any = None,
        persistent: bool = True,
    ) -> UninitializedBuffer:
        data = _C.empty(0, device=device, dtype=dtype)
        result = Tensor._make_subclass(cls, data, requires_grad)
        result.persistent = persistent
        result._is_buffer = True
        return result
