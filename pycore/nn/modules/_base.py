"""Attribute access and the call of a module: the part that runs on every use.

Knows parameters, buffers and child tables; must not know hooks, state dicts or traversal. It is
completed by `_C._ModuleBase`, which looks attributes up in the tables and calls `forward`.
"""

from __future__ import annotations

from types import FunctionType

from ... import _C
from ..parameter import Buffer, Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor


def _typename(value: Any) -> str:
    """The name of a value's type as error texts show it: `builtins` is left away."""
    if isinstance(value, Tensor):
        return value.type()
    cls = type(value)
    module = cls.__module__
    return cls.__qualname__ if module in ("builtins", None) else f"{module}.{cls.__qualname__}"


_HERE = __name__.rpartition(".")[0]


def _own_constructor(cls: Any) -> None:
    """A layer whose constructor is that of a private base gets a copy in its own name.

    Python's errors about arguments then speak of `Conv2d.__init__()`, which the user has called.
    """
    init = cls.__init__
    if not init.__qualname__.startswith("_") or not isinstance(init, FunctionType):
        return
    own = FunctionType(
        init.__code__, init.__globals__, "__init__", init.__defaults__, init.__closure__
    )
    own.__kwdefaults__ = init.__kwdefaults__
    own.__annotations__ = init.__annotations__
    own.__qualname__ = f"{cls.__qualname__}.__init__"
    cls.__init__ = own


class ModuleBase(_C._ModuleBase):
    """Stores parameters, buffers and children in tables of their own, and calls `forward`."""

    # Any registered hook sets this on its instance, any global hook on the class; a module
    # without hooks finds out by this single look-up.
    _has_hooks = False

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Any]
    _non_persistent_buffers_set: set[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith(_HERE) and "__init__" not in cls.__dict__:
            _own_constructor(cls)

    def __setattr__(self, name: str, value: Any) -> None:
        fields = self.__dict__
        parameters = fields.get("_parameters")
        if isinstance(value, Parameter):
            if parameters is None:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, "_parameters")
            self.register_parameter(name, value)  # type: ignore[attr-defined]
            return
        if parameters and name in parameters:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_typename(value)}' as parameter '{name}' "
                    "(torch.nn.Parameter or None expected)"
                )
            self.register_parameter(name, None)  # type: ignore[attr-defined]
            return
        modules = fields.get("_modules")
        if isinstance(value, ModuleBase):
            if modules is None:
                raise AttributeError("cannot assign module before Module.__init__() call")
            self._forget(name, "_modules")
            self._put_module(name, value)  # type: ignore[attr-defined]
            return
        if modules and name in modules:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_typename(value)}' as child module '{name}' "
                    "(torch.nn.Module or None expected)"
                )
            self._put_module(name, None)  # type: ignore[attr-defined]
            return
        buffers = fields.get("_buffers")
        if isinstance(value, Tensor):
            if isinstance(value, Buffer):
                if buffers is None:
                    raise AttributeError("cannot assign buffer before Module.__init__() call")
                self._forget(name, "_buffers")
                self.register_buffer(  # type: ignore[attr-defined]
                    name, value, value.persistent
                )
                return
            if buffers and name in buffers:
                self._put_buffer(name, value)  # type: ignore[attr-defined]
                return
        elif buffers and name in buffers:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_typename(value)}' as buffer '{name}' "
                    "(torch.nn.Buffer, torch.Tensor or None expected)"
                )
            self._put_buffer(name, None)  # type: ignore[attr-defined]
            return
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if name in self._parameters:
            del self._parameters[name]
        elif name in self._buffers:
            del self._buffers[name]
            self._non_persistent_buffers_set.discard(name)
        elif name in self._modules:
            del self._modules[name]
        else:
            object.__delattr__(self, name)

    def _forget(self, name: str, keep: str) -> None:
        """Take `name` out of every place but the table it is about to be written to."""
        fields = self.__dict__
        fields.pop(name, None)
        for table in ("_parameters", "_buffers", "_modules"):
            if table != keep:
                fields[table].pop(name, None)
        fields["_non_persistent_buffers_set"].discard(name)


_PLACE = "in "


def _note_place(error: BaseException, module: Any) -> None:
    """Tell where in the model an error came from, as in `in Net.fc1 (Linear(...))`.

    Every module the error passes on its way out puts its own name in front of the path.
    """
    trail = getattr(error, "_module_trail", None)
    name = type(module).__name__
    try:
        if trail is None:
            text = f"({module!r})"
            if "\n" in text:  # a container's repr fills a page; its name is enough
                text = ""
            error._module_trail = trail = [module, name, text]  # type: ignore[attr-defined]
            error.add_note(f"{_PLACE}{name} {text}".rstrip())
            return
        inner, path, text = trail
        if inner is module:
            return
        for child_name, child in module._modules.items():
            if child is inner:
                below = path.partition(".")
                path = f"{name}.{child_name}{below[1]}{below[2]}"
                break
        else:
            return
        trail[0], trail[1] = module, path
        error.__notes__[-1] = f"{_PLACE}{path} {text}".rstrip()
    except Exception:  # an odd exception class or repr must not hide the error itself
        return


_C._set_module_error_note(_note_place)
