"""`Optimizer`: parameter groups, state, hooks and state dicts that every optimizer shares.

Knows tensors; must not know modules or update rules.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from functools import wraps

from .. import _C
from ..autograd.grad_mode import enable_grad
from ..nn.modules._base import _typename
from ..utils.hooks import RemovableHandle
from ._state import StateTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

Tensor = _C.Tensor

__all__ = [
    "Optimizer",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
]

_global_pre_hooks: OrderedDict[int, Any] = OrderedDict()
_global_post_hooks: OrderedDict[int, Any] = OrderedDict()


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Run `hook(optimizer, args, kwargs)` before the step of every optimizer."""
    handle = RemovableHandle(_global_pre_hooks)
    _global_pre_hooks[handle.id] = hook
    return handle


def register_optimizer_step_post_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Run `hook(optimizer, args, kwargs)` after the step of every optimizer."""
    handle = RemovableHandle(_global_post_hooks)
    _global_post_hooks[handle.id] = hook
    return handle


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


def _run_hooks(optimizer: Any, step: Any, args: Any, kwargs: Any) -> Any:
    """A step between its hooks; an optimizer whose step calls its parent's runs them once."""
    optimizer._in_step = True
    try:
        full = (optimizer, *args)
        for hook in (*_global_pre_hooks.values(), *optimizer._optimizer_step_pre_hooks.values()):
            replaced = hook(optimizer, full, kwargs)
            if replaced is not None:
                if not isinstance(replaced, tuple) or len(replaced) != 2:
                    raise RuntimeError(
                        f"{step} must return None or a tuple of (new_args, new_kwargs), "
                        f"but got {replaced}."
                    )
                full, kwargs = replaced
        result = step(*full, **kwargs)
        for hook in (*optimizer._optimizer_step_post_hooks.values(), *_global_post_hooks.values()):
            hook(optimizer, full, kwargs)
        return result
    finally:
        optimizer._in_step = False


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(step)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        self._opt_called = True  # schedulers look whether a step came before theirs
        if (self._has_step_hooks or _global_pre_hooks or _global_post_hooks) and not self._in_step:
            return _run_hooks(self, step, args, kwargs)
        return step(self, *args, **kwargs)

    wrapper._with_hooks = True  # type: ignore[attr-defined]
    return wrapper


class Optimizer:
    """Base class of all optimizers.

    Args:
        params: tensors, pairs of name and tensor, or dictionaries with `params` and options.
        defaults: options of groups that don't give their own.

    A subclass calls `super().__init__(params, defaults)` and defines `step`.
    """

    _in_step = False
    _has_step_hooks = False
    _opt_called = False
    param_groups: list[dict[str, Any]]
    state: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        step = cls.__dict__.get("step")
        if step is not None and not hasattr(step, "_with_hooks"):
            cls.step = _with_hooks(step)  # type: ignore[method-assign]

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._reset_hooks()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or "
                f"dicts, but got {_typename(params)}"
            )
        self.state = StateTable()
        self.param_groups = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(dict(group))

    def _reset_hooks(self) -> None:
        self._plans: dict[int, Any] = {}
        self._optimizer_step_pre_hooks: OrderedDict[int, Any] = OrderedDict()
        self._optimizer_step_post_hooks: OrderedDict[int, Any] = OrderedDict()
        self._optimizer_state_dict_pre_hooks: OrderedDict[int, Any] = OrderedDict()
        self._optimizer_state_dict_post_hooks: OrderedDict[int, Any] = OrderedDict()
        self._optimizer_load_state_dict_pre_hooks: OrderedDict[int, Any] = OrderedDict()
        self._optimizer_load_state_dict_post_hooks: OrderedDict[int, Any] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {
            "defaults": self.defaults,
            "state": self.state,
            "param_groups": self.param_groups,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_plans" not in self.__dict__:
            self._reset_hooks()
        self._plans.clear()
        if not isinstance(self.state, StateTable):
            self.state = StateTable(self.state)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            if number:
                lines.append("")
            lines.append(f"Parameter Group {number}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join(lines) + "\n)"

    # ---- the parts of a step ---------------------------------------------------------------

    @staticmethod
    def _closure_loss(closure: Callable[[], Any] | None) -> Any:
        """Evaluate the loss again with recording on; None without a closure."""
        if closure is None:
            return None
        with enable_grad():
            return closure()

    def _plan(self, group: dict[str, Any], keys: tuple[str, ...]) -> tuple[list[Any], ...]:
        """Per key, the list of the state tensors of a group's parameters (or None).

        The lists are kept from step to step, and made anew when the group's parameters or
        anything in `state` changed.
        """
        state = self.state
        params = group["params"]
        plan = self._plans.get(id(group))
        if (
            plan is not None
            and plan[0] is state
            and plan[1] == state.version
            and plan[2] == list(map(id, params))
            and plan[3] == keys
        ):
            return plan[4]
        entries = [dict.get(state, parameter) or {} for parameter in params]
        lists = tuple([entry.get(key) for entry in entries] for key in keys)
        self._plans[id(group)] = (state, state.version, list(map(id, params)), keys, lists)
        return lists

    def _store(
        self, group: dict[str, Any], keys: tuple[str, ...], lists: tuple[list[Any], ...]
    ) -> None:
        """Write state that a step has created in a plan's lists to `state`."""
        state = self.state
        for row, parameter in zip(zip(*lists, strict=True), group["params"], strict=True):
            for key, value in zip(keys, row, strict=True):
                if value is not None:
                    entry = state[parameter]
                    if entry.get(key) is not value:
                        entry[key] = value
        params = list(map(id, group["params"]))
        self._plans[id(group)] = (state, state.version, params, keys, lists)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or zero them when `set_to_none` is False."""
        for group in self.param_groups:
            _C._optim.zero_grad(group["params"], set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters once; `closure` evaluates the loss again and returns it."""
        raise NotImplementedError

    # ---- groups ----------------------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a dictionary with `params` and, for these, options that differ from the defaults.

        Raises TypeError and ValueError for anything but new leaf tensors.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, Tensor):
            params = [params]
        elif isinstance(params, (set, frozenset)):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the "
                "ordering of tensors in sets will change between runs. Please use a list instead."
            )
        params = list(params)
        param_group["params"] = _split_names(param_group, params)
        for parameter in param_group["params"]:
            if not isinstance(parameter, Tensor):
                raise TypeError(
                    "optimizer can only optimize Tensors, "
                    f"but one of the params is {_typename(parameter)}"
                )
            if not self.defaults.get("differentiable", None) and not (
                parameter.is_leaf or parameter.retains_grad
            ):
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization "
                    f"parameter {name}"
                )
            param_group.setdefault(name, default)
        identities = set(map(id, param_group["params"]))
        if len(identities) != len(param_group["params"]):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; "
                "in future, this will cause an error; "
                "see github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=3,
            )
        known: set[int] = set()
        for group in self.param_groups:
            known.update(map(id, group["params"]))
            if ("param_names" in param_group) != ("param_names" in group):
                without = "" if "param_names" in param_group else "out"
                raise ValueError(
                    "all optimizer param groups should be with/without names. "
                    f"cannot add param group with{without} names to the optimizer"
                )
        if not known.isdisjoint(identities):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    # ---- state dicts -----------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return `state` and `param_groups` with numbers in place of the parameters.

        The tensors are shared with the optimizer, not copied.
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            packed = {key: value for key, value in group.items() if key != "params"}
            for parameter in group["params"]:
                numbers.setdefault(id(parameter), len(numbers))
            packed["params"] = [numbers[id(parameter)] for parameter in group["params"]]
            groups.append(packed)
        state = {
            numbers[id(key)] if isinstance(key, Tensor) else key: dict(entry)
            if isinstance(entry, dict)
            else entry
            for key, entry in self.state.items()
        }
        result: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            replaced = hook(self, result)
            if replaced is not None:
                result = replaced
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state and the options of a `state_dict` of an equally built optimizer.

        State tensors get the dtype of their parameter, step counts keep theirs. Raises
        ValueError when groups or their sizes differ.
        """
        state_dict = dict(state_dict)
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            replaced = hook(self, state_dict)
            if replaced is not None:
                state_dict = replaced
        from copy import deepcopy

        own_groups, saved_groups = self.param_groups, deepcopy(state_dict["param_groups"])
        if len(own_groups) != len(saved_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        for own, saved in zip(own_groups, saved_groups, strict=True):
            if len(own["params"]) != len(saved["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size "
                    "of optimizer's group"
                )
        parameters = {
            number: parameter
            for own, saved in zip(own_groups, saved_groups, strict=True)
            for number, parameter in zip(saved["params"], own["params"], strict=True)
        }
        state = StateTable()
        for key, entry in state_dict["state"].items():
            if key in parameters:
                parameter = parameters[key]
                state[parameter] = _fitted(parameter, entry, None)
            else:
                state[key] = entry
        groups = []
        for own, saved in zip(own_groups, saved_groups, strict=True):
            saved["params"] = own["params"]
            if "param_names" in own and "param_names" not in saved:
                saved["param_names"] = own["param_names"]
            groups.append(saved)
        self.__setstate__({"state": state, "param_groups": groups})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    # ---- hooks -----------------------------------------------------------------------------

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Run `hook(optimizer, args, kwargs)` before a step; it may return new ones."""
        self._has_step_hooks = True
        return _add(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Run `hook(optimizer, args, kwargs)` after a step."""
        self._has_step_hooks = True
        return _add(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Run `hook(optimizer)` before `state_dict`."""
        return _add(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Run `hook(optimizer, state_dict)` after `state_dict`; it may return another one."""
        return _add(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Run `hook(optimizer, state_dict)` before loading; it may return another one."""
        return _add(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Run `hook(optimizer)` after loading."""
        return _add(self._optimizer_load_state_dict_post_hooks, hook, prepend)


def _add(table: Any, hook: Any, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(table)
    table[handle.id] = hook
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


def _split_names(group: dict[str, Any], params: list[Any]) -> list[Any]:
    """Separate pairs of name and tensor: the names go to the group."""
    named = [isinstance(entry, tuple) for entry in params]
    if not any(named):
        return params
    if not all(named):
        raise ValueError(
            "all optimizer params should be with/without names. Some param names are missing"
        )
    group["param_names"] = [name for name, _ in params]
    return [parameter for _, parameter in params]


def _fitted(parameter: Tensor, value: Any, key: str | None) -> Any:
    """Loaded state in the dtype and on the device of its parameter."""
    if isinstance(value, Tensor):
        if key == "step":
            return value
        if parameter.is_floating_point():
            return value.to(dtype=parameter.dtype, device=parameter.device)
        return value.to(device=parameter.device)
    if isinstance(value, dict):
        return {name: _fitted(parameter, entry, name) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_fitted(parameter, entry, key) for entry in value)
    return value


def _check_lr(lr: Any) -> None:
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not lr >= 0.0:
        raise ValueError(f"Invalid learning rate: {lr}")


def _check_modes(defaults: dict[str, Any]) -> None:
    """Options that choose between torch's implementations change nothing here."""
    if defaults.get("fused"):
        if defaults.get("differentiable"):
            raise RuntimeError("`fused` does not support `differentiable`")
        if defaults.get("foreach"):
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
    if defaults.get("differentiable"):
        raise NotImplementedError(
            "optimizer: differentiable=True is not supported; expected differentiable=False"
        )
