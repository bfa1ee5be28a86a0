"""Tensors that a module owns: `Parameter` is trained, `Buffer` is state without gradient.

Knows the tensor type only; must not know modules.
"""

from __future__ import annotations

from .. import _C
from .._tensor import disabled_torch_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor

__all__ = ["Buffer", "Parameter"]


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
