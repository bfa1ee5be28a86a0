"""Modules that learn the shapes of their parameters from the first input.

Knows hooks, state dicts and uninitialized parameters; must not know particular layers.
"""

from __future__ import annotations

from ... import _C
from ...autograd.grad_mode import no_grad
from ..parameter import is_lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["LazyModuleMixin"]


# Of the same C base as modules, so that Python allows the change of class.
class LazyModuleMixin(_C._ModuleBase):
    """Base of lazy modules, in front of the class that they become.

    A lazy module holds `UninitializedParameter` and `UninitializedBuffer` until its first call.
    Before that call's `forward` it runs `initialize_parameters` with the call's arguments, which
    must materialize all of them; then the module's class becomes `cls_to_become`. Optimizers
    should be made after this first call.

    State dicts load from initialized into uninitialized modules, which gives the parameters their
    shapes, and between uninitialized ones.

    >>> import pycore
    >>> m = pycore.nn.LazyLinear(10)
    >>> m.weight
    <UninitializedParameter>
    >>> m(pycore.zeros(2, 5)).shape
    pycore.Size([2, 10])
    >>> m
    Linear(in_features=5, out_features=10, bias=True)
    """

    # The class a module takes on once all its parameters have shapes; None keeps the lazy one.
    cls_to_become: type | None = None

    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _non_persistent_buffers_set: set[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(
            self._infer_parameters, with_kwargs=True
        )

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        tables = (self._parameters.items(), self._buffers.items())
        for name, value in (entry for table in tables for entry in table):
            if value is None or name in self._non_persistent_buffers_set:
                continue
            as_it_is = keep_vars or is_lazy(value)  # detach is an operator, which those refuse
            destination[prefix + name] = value if as_it_is else value.detach()

    def _lazy_load_hook(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Give parameters the shapes of what is about to be loaded into them."""
        for table in (self._parameters, self._buffers):
            for name, value in table.items():
                loaded = state_dict.get(prefix + name)
                if loaded is not None and is_lazy(value) and not is_lazy(loaded):
                    with no_grad():
                        value.materialize(loaded.shape)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Materialize every parameter for these arguments of `forward`; every subclass defines it."""
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {type(self).__name__}"
        )

    def has_uninitialized_params(self) -> bool:
        """Whether any parameter or buffer of this module still lacks its shape."""
        return any(
            is_lazy(value)
            for table in (self._parameters, self._buffers)
            for value in table.values()
        )

    def _infer_parameters(self, module: Any, args: Any, kwargs: Any = None) -> None:
        """The first call's hook: initialize, then become an ordinary module."""
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            name = self._get_name()
            raise RuntimeError(f"module {name} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook
        del module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become

    def _replicate_for_data_parallel(self) -> Any:
        raise RuntimeError(
            "Modules with uninitialized parameters can't be used with `DataParallel`. "
            "Run a dummy forward pass to correctly initialize the modules"
        )
