"""Tensors of a module computed from others: `module.weight` becomes `parametrization(original)`.

Knows modules and their tables; must not know particular parametrizations.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy

from ... import _C
from ...autograd.grad_mode import no_grad
from ..modules.container import ModuleDict, ModuleList
from ..modules.module import Module
from ..parameter import Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

Tensor = _C.Tensor

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

# How many `cached` blocks are open, and what has been computed inside of them.
_cache_depth = 0
_cache: dict[tuple[int, str], Tensor] = {}


@contextmanager
def cached() -> Iterator[None]:
    """Inside this block every parametrized tensor is computed once and then reused.

    Useful where a weight is used several times per step, as in a recurrent layer. The values are
    forgotten at the end of the outermost block.

    >>> import pycore
    >>> from pycore.nn.utils import parametrize, parametrizations
    >>> m = parametrizations.weight_norm(pycore.nn.Linear(2, 3))
    >>> with parametrize.cached():
    ...     m.weight is m.weight
    True
    >>> m.weight is m.weight
    False
    """
    global _cache_depth
    _cache_depth += 1
    try:
        yield
    finally:
        _cache_depth -= 1
        if not _cache_depth:
            _cache.clear()


def _register(module: Module, name: str, tensor: Tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, applied in order, and the tensors they start from.

    Those are `original`, or `original0`, `original1` ... when `right_inverse` of the first gives
    several; they are parameters or buffers as the parametrized tensor was. Made by
    `register_parametrization`.

    >>> import pycore
    >>> m = pycore.nn.utils.parametrizations.weight_norm(pycore.nn.Linear(2, 3))
    >>> list(m.parametrizations.weight.state_dict())
    ['original0', 'original1']
    """

    original: Tensor
    unsafe: bool

    def __init__(
        self, modules: Sequence[Module], original: Tensor | Parameter, unsafe: bool = False
    ) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = original.shape, original.dtype
        start: Any = original
        with no_grad():
            for module in reversed(self):  # type: ignore[call-overload]
                if hasattr(module, "right_inverse"):
                    # Without an inverse the tensor itself is where the parametrization starts.
                    with suppress(NotImplementedError):
                        start = module.right_inverse(start)
        if not isinstance(start, (Tensor, Sequence)):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(start).__name__}"
            )
        self.is_tensor = isinstance(start, Tensor)
        self.ntensors = 1 if self.is_tensor else len(start)
        if self.is_tensor:
            self._keep_one(original, start)
        else:
            self._keep_several(original, start)
        if not unsafe:
            self._check_result(shape, dtype)

    def _keep_one(self, original: Tensor, start: Tensor) -> None:
        if original.dtype != start.dtype:
            raise ValueError(
                "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                f"original.dtype: {original.dtype}\nright_inverse(original).dtype: {start.dtype}"
            )
        # The same parameter object with other values: an optimizer may hold it already.
        with no_grad():
            original.set_(start)
        _register(self, "original", original)

    def _keep_several(self, original: Tensor, start: Sequence[Any]) -> None:
        for number, tensor in enumerate(start):
            if not isinstance(tensor, Tensor):
                raise ValueError(
                    "'right_inverse' must return a Tensor or a Sequence of tensors (list, "
                    f"tuple...). Got element {number} of the sequence with type "
                    f"{type(tensor).__name__}."
                )
            if isinstance(original, Parameter):
                tensor = Parameter(tensor, original.requires_grad)
            tensor.requires_grad_(original.requires_grad)
            _register(self, f"original{number}", tensor)

    def _check_result(self, shape: Any, dtype: Any) -> None:
        result = self()
        if not isinstance(result, Tensor):
            raise ValueError(
                f"A parametrization must return a tensor. Got {type(result).__name__}."
            )
        for kind, before, after in (
            ("dtype", dtype, result.dtype),
            ("shape", shape, result.shape),
        ):
            if before != after:
                raise ValueError(
                    f"Registering a parametrization may not change the {kind} of the tensor, "
                    f"unless `unsafe` flag is enabled.\nunparametrized {kind}: {before}\n"
                    f"parametrized {kind}: {after}"
                )

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the parametrized tensor becomes `value`.

        RuntimeError when one of the parametrizations has no `right_inverse`.
        """
        start: Any = value
        with no_grad():
            for module in reversed(self):  # type: ignore[call-overload]
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                start = module.right_inverse(start)
            if self.is_tensor:
                if not isinstance(start, Tensor):
                    raise ValueError(
                        f"`right_inverse` should return a tensor. Got {type(start).__name__}"
                    )
                if start.dtype != self.original.dtype:
                    raise ValueError(
                        f"The tensor returned by `right_inverse` has dtype {start.dtype} while "
                        f"`original` has dtype {self.original.dtype}"
                    )
                self.original.set_(start)
            else:
                self._set_several(start)

    def _set_several(self, start: Any) -> None:
        if not isinstance(start, Sequence):
            raise ValueError(
                f"'right_inverse' must return a sequence of tensors. Got {type(start).__name__}."
            )
        if len(start) != self.ntensors:
            raise ValueError(
                "'right_inverse' must return a sequence of tensors of length "
                f"{self.ntensors}. Got a sequence of length {len(start)}."
            )
        for number, tensor in enumerate(start):
            original = getattr(self, f"original{number}")
            if not isinstance(tensor, Tensor):
                raise ValueError(
                    "'right_inverse' must return a sequence of tensors. "
                    f"Got element {number} of type {type(tensor).__name__}"
                )
            if original.dtype != tensor.dtype:
                raise ValueError(
                    f"Tensor {number} returned by `right_inverse` has dtype {tensor.dtype} while "
                    f"`original{number}` has dtype {original.dtype}"
                )
            original.set_(tensor)

    def forward(self) -> Tensor:
        first, *rest = self
        if self.is_tensor:
            value = first(self.original)
        else:
            value = first(*(getattr(self, f"original{i}") for i in range(self.ntensors)))
        for module in rest:
            value = module(value)
        return value


def _refuse_pickling(self: Module) -> Any:
    raise RuntimeError(
        "Serialization of parametrized modules is only supported through state_dict(). See:\n"
        "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
        "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
    )


def _copy_deeply(self: Module, memo: dict[int, Any]) -> Module:
    # The usual way goes through __getstate__, which parametrized modules refuse.
    known = memo.get(id(self))
    if known is not None:
        return known
    # A class of its own here, too: properties removed from one must stay on the other.
    members = {
        key: value
        for key, value in vars(type(self)).items()
        if key not in ("__dict__", "__weakref__")
    }
    cls = type(type(self).__name__, type(self).__bases__, members)
    replica = cls.__new__(cls)
    memo[id(self)] = replica
    replica.__dict__.update(deepcopy(self.__dict__, memo))
    return replica


def _give_own_class(module: Module) -> None:
    """A class for this module alone, since properties live on classes."""
    cls = type(module)
    members: dict[str, Any] = {"__getstate__": _refuse_pickling}
    if not hasattr(cls, "__deepcopy__"):
        members["__deepcopy__"] = _copy_deeply
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), members)


def _give_property(module: Module, name: str) -> None:
    def get(self: Any) -> Tensor:
        parametrization = self.parametrizations[name]
        if not _cache_depth:
            return parametrization()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = parametrization()
        return _cache[key]

    def set(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(type(module), name, property(get, set))


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Make `module.tensor_name` the output of `parametrization`, applied to what it was.

    Reading the attribute runs the parametrization, and gradients flow to the original, which moves
    to `module.parametrizations.<tensor_name>.original`. Assigning to it needs a method
    `right_inverse` of the parametrization; that also gives the original's first value. Several
    parametrizations of one tensor are applied in the order of their registration. The module's
    class becomes a subclass of its own, `Parametrized...`.

    Args:
        tensor_name: a parameter or buffer of `module`, or a parametrized tensor.
        unsafe: allow parametrizations that change the dtype or shape, and skip the trial call.

    >>> import pycore
    >>> class Symmetric(pycore.nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).T
    >>> m = pycore.nn.Linear(3, 3)
    >>> m = pycore.nn.utils.parametrize.register_parametrization(m, "weight", Symmetric())
    >>> m.weight.equal(m.weight.T)
    True
    >>> m
    ParametrizedLinear(
      in_features=3, out_features=3, bias=True
      (parametrizations): ModuleDict(
        (weight): ParametrizationList(
          (0): Symmetric()
        )
      )
    )
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _check_addition(module, tensor_name, parametrization)
        known = module.parametrizations[tensor_name]
        known.append(parametrization)
        known.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        made = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _give_own_class(module)
            module.parametrizations = ModuleDict()
        _give_property(module, tensor_name)
        module.parametrizations[tensor_name] = made
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    return module


def _check_addition(module: Module, name: str, parametrization: Any) -> None:
    """Another parametrization must keep dtype and shape, and so must its inverse."""
    before = getattr(module, name)
    after = parametrization(before)
    if not isinstance(after, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(after).__name__}.")
    for kind in ("dtype", "shape"):
        if getattr(after, kind) != getattr(before, kind):
            raise ValueError(
                f"Registering a parametrization may not change the {kind} of the tensor, unless "
                f"the `unsafe` flag is enabled.\nmodule.{name}.{kind}: {getattr(before, kind)}\n"
                f"parametrization(module.{name}).{kind}: {getattr(after, kind)}"
            )
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        start = parametrization.right_inverse(after)
    except NotImplementedError:
        return
    if not isinstance(start, Tensor):
        raise ValueError(
            f"parametrization.right_inverse must return a tensor. Got: {type(start).__name__}"
        )
    for kind in ("dtype", "shape"):
        if getattr(start, kind) != getattr(before, kind):
            raise ValueError(
                "The tensor returned by parametrization.right_inverse must have the same "
                f"{kind} as module.{name}, unless the `unsafe` flag is enabled.\n"
                f"module.{name}.{kind}: {getattr(before, kind)}\n"
                f"returned {kind}: {getattr(start, kind)}"
            )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module has any parametrization, or one of the tensor named.

    >>> import pycore
    >>> pycore.nn.utils.parametrize.is_parametrized(pycore.nn.Linear(2, 2))
    False
    """
    parametrizations = getattr(module, "parametrizations", None)
    if not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Take all parametrizations of a tensor away; it becomes a parameter or buffer again.

    With `leave_parametrized` it keeps its present value, otherwise it gets the original's back,
    which must then be a single tensor (ValueError).

    >>> import pycore
    >>> from pycore.nn.utils import parametrize, parametrizations
    >>> m = parametrizations.weight_norm(pycore.nn.Linear(2, 3))
    >>> parametrize.remove_parametrizations(m, "weight")
    Linear(in_features=2, out_features=3, bias=True)
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    parametrizations = module.parametrizations[tensor_name]
    if parametrizations.is_tensor:
        original = parametrizations.original
        if leave_parametrized:
            with no_grad():
                original.set_(getattr(module, tensor_name))
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
            "parametrized in terms of a sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class that a module had before its first parametrization.

    >>> import pycore
    >>> m = pycore.nn.utils.parametrizations.weight_norm(pycore.nn.Linear(2, 3))
    >>> pycore.nn.utils.parametrize.type_before_parametrizations(m).__name__
    'Linear'
    """
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Parametrize `to_module` as `from_module` is, with the same parametrizations and originals.

    `tensor_name` chooses one tensor; all parametrized ones when None.

    >>> import pycore
    >>> from pycore.nn.utils import parametrize, parametrizations
    >>> a, b = parametrizations.weight_norm(pycore.nn.Linear(2, 3)), pycore.nn.Linear(2, 3)
    >>> b = parametrize.transfer_parametrizations_and_params(a, b)
    >>> b.weight.equal(a.weight)
    True
    """
    if not is_parametrized(from_module):
        return to_module
    names = list(from_module.parametrizations) if tensor_name is None else [tensor_name]
    for name in names:
        source = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name)))
        for parametrization in source:
            register_parametrization(to_module, name, parametrization)
        target = to_module.parametrizations[name]
        if source.is_tensor:
            target.original = source.original
        else:
            for number in range(source.ntensors):
                setattr(target, f"original{number}", getattr(source, f"original{number}"))
    return to_module
