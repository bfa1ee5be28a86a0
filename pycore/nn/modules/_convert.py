"""Applying functions to a module's tensors: dtype and device conversions, gradients' reset.

Knows the tables of tensors; must not know hooks or state dicts.
"""

from __future__ import annotations

from ... import _C
from ...autograd.grad_mode import no_grad
from ..parameter import Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

Tensor = _C.Tensor

_TO_FORMS = """to() received an invalid combination of arguments - got ({got}), but expected one of:
 * (torch.device device = None, torch.dtype dtype = None, bool non_blocking = False, \
bool copy = False, *, torch.memory_format memory_format = None)
 * (torch.dtype dtype, bool non_blocking = False, bool copy = False, *, \
torch.memory_format memory_format = None)
 * (Tensor tensor, bool non_blocking = False, bool copy = False, *, \
torch.memory_format memory_format = None)
"""


def _parse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, bool, Any]:
    """Read the three forms of `to` into (device, dtype, non_blocking, memory_format)."""

    def refuse() -> TypeError:
        got = [type(a).__name__ for a in args] + [
            f"{k}={type(v).__name__}" for k, v in kwargs.items()
        ]
        return TypeError(_TO_FORMS.format(got=", ".join(got)))

    given = dict(kwargs)
    memory_format = given.pop("memory_format", None)
    rest = list(args)
    device = dtype = None
    if rest and isinstance(rest[0], Tensor):
        tensor = rest.pop(0)
        device, dtype = tensor.device, tensor.dtype
    elif "tensor" in given:
        tensor = given.pop("tensor")
        device, dtype = tensor.device, tensor.dtype
    elif rest and isinstance(rest[0], _C.dtype):
        dtype = rest.pop(0)
    else:
        device = rest.pop(0) if rest else given.pop("device", None)
        dtype = rest.pop(0) if rest else given.pop("dtype", None)
    non_blocking = rest.pop(0) if rest else given.pop("non_blocking", False)
    if rest:
        rest.pop(0)
    else:
        given.pop("copy", False)
    if rest or given or not isinstance(non_blocking, (bool, int)):
        raise refuse()
    if dtype is not None and not isinstance(dtype, _C.dtype):
        raise refuse()
    if device is not None and not isinstance(device, _C.device):
        if not isinstance(device, (str, int)) or isinstance(device, bool):
            raise refuse()
        device = _C.device(device)
    return device, dtype, bool(non_blocking), memory_format


class ConvertMixin:
    """`apply`, `to`, `float` and their kind, `requires_grad_`, `zero_grad`."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    children: Callable[..., Iterator[Any]]
    parameters: Callable[..., Iterator[Any]]

    def _apply(self, function: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replace every tensor by `function(tensor)`; parameters keep their identity."""
        if recurse:
            for child in self.children():
                child._apply(function)
        for parameter in self._parameters.values():
            if parameter is None:
                continue
            with no_grad():
                converted = function(parameter)
            # Written through `.data`: an optimizer holds on to the parameter object.
            if converted is not parameter:
                parameter.data = converted
            grad = parameter.grad
            if grad is not None:
                with no_grad():
                    converted = function(grad)
                if converted is not grad:
                    parameter.grad = converted.requires_grad_(grad.requires_grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = function(buffer)
        return self

    def apply(self, fn: Callable[[Any], Any]) -> Self:
        """Call `fn` on every submodule, children first, then on the module itself.

        >>> import pycore
        >>> net = pycore.nn.Sequential(pycore.nn.ReLU())
        >>> _ = net.apply(lambda m: print(type(m).__name__))
        ReLU
        Sequential
        """
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move and convert in place: `to(device)`, `to(dtype)`, `to(device, dtype)`, `to(tensor)`.

        The dtype must be floating; integer buffers keep theirs. TypeError otherwise.
        """
        device, dtype, non_blocking, memory_format = _parse_to(args, kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, "
                f"but got desired dtype={dtype}"
            )

        def convert(tensor: Tensor) -> Tensor:
            target = dtype if tensor.dtype.is_floating_point else None
            if memory_format is not None and tensor.dim() in (4, 5):
                return tensor.to(device, target, non_blocking, memory_format=memory_format)
            return tensor.to(device, target, non_blocking)

        return self._apply(convert)

    def _to_floating(self, dtype: Any) -> Self:
        return self._apply(lambda t: t.to(dtype) if t.dtype.is_floating_point else t)

    def float(self) -> Self:
        """Convert floating tensors to float32 in place."""
        return self._to_floating(_C.float32)

    def double(self) -> Self:
        """Convert floating tensors to float64 in place."""
        return self._to_floating(_C.float64)

    def half(self) -> Self:
        """Convert floating tensors to float16 in place."""
        return self._to_floating(_C.float16)

    def bfloat16(self) -> Self:
        """Convert floating tensors to bfloat16 in place."""
        return self._to_floating(_C.bfloat16)

    def type(self, dst_type: Any) -> Self:
        """Convert every tensor, integer ones too, to a dtype or a tensor type's name."""
        return self._apply(lambda t: t.type(dst_type))

    def cpu(self) -> Self:
        """Move to the CPU, where everything is already."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device: Any = None) -> Self:
        """Raise the error of a build without CUDA, as soon as there is a tensor to move."""
        return self._apply(lambda t: t.cuda(device))

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Replace every tensor by an uninitialised one of the same shape and dtype."""
        return self._apply(lambda t: _C.empty_like(t, device=device), recurse=recurse)

    def share_memory(self) -> Self:
        """Move every tensor to shared memory, for use by several processes."""
        return self._apply(lambda t: t.share_memory_())

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Switch the recording of gradients of all parameters on or off."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop all gradients, or fill them with zeros when `set_to_none` is False."""
        for parameter in self.parameters():
            grad = parameter.grad
            if grad is None:
                continue
            if set_to_none:
                parameter.grad = None
                continue
            if grad.grad_fn is not None:
                grad.detach_()
            else:
                grad.requires_grad_(False)
            grad.zero_()
