"""Hooks of a module: registration, the global tables, and the call that runs them.

Knows how a call is wrapped; must not know what `forward` does or how state is stored.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from types import MappingProxyType

from ... import _C
from ...utils.hooks import RemovableHandle
from ._base import ModuleBase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

Tensor = _C.Tensor

# Most modules never get a hook: they share this empty table until the first one comes.
_NO_HOOKS: Any = MappingProxyType({})


class _GlobalTables:
    """The hooks that run on every module of the process."""

    def __init__(self) -> None:
        self.forward_pre: OrderedDict[int, Any] = OrderedDict()
        self.forward: OrderedDict[int, Any] = OrderedDict()
        self.forward_kwargs: OrderedDict[int, bool] = OrderedDict()
        self.forward_always: OrderedDict[int, bool] = OrderedDict()
        self.backward_pre: OrderedDict[int, Any] = OrderedDict()
        self.backward: OrderedDict[int, Any] = OrderedDict()
        self.parameter: OrderedDict[int, Any] = OrderedDict()
        self.buffer: OrderedDict[int, Any] = OrderedDict()
        self.module: OrderedDict[int, Any] = OrderedDict()
        self.full_backward: bool | None = None


_global = _GlobalTables()

_MIXED = (
    "Cannot use both regular backward hooks and full backward hooks on a single Module. "
    "Please use only one of them."
)
_MIXED_GLOBAL = (
    "Cannot use both regular backward hooks and full backward hooks as a global Module hook. "
    "Please use only one of them."
)


class HookMixin:
    """The `register_*hook` methods of a module and the call that runs them."""

    _has_hooks: bool
    _forward_pre_hooks: Any = _NO_HOOKS
    _forward_pre_hooks_with_kwargs: Any = _NO_HOOKS
    _forward_hooks: Any = _NO_HOOKS
    _forward_hooks_with_kwargs: Any = _NO_HOOKS
    _forward_hooks_always_called: Any = _NO_HOOKS
    _backward_pre_hooks: Any = _NO_HOOKS
    _backward_hooks: Any = _NO_HOOKS
    _is_full_backward_hook: bool | None = None
    forward: Callable[..., Any]

    def _hook_table(self, name: str) -> OrderedDict[int, Any]:
        table = getattr(self, name)
        if table is _NO_HOOKS:
            table = OrderedDict()
            self.__dict__[name] = table
        return table

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Run `hook(module, args)` before every `forward`; what it returns replaces the args.

        With `with_kwargs` the hook is `hook(module, args, kwargs)` and may return both.
        """
        hooks = self._hook_table("_forward_pre_hooks")
        flags = self._hook_table("_forward_pre_hooks_with_kwargs")
        handle = RemovableHandle(hooks, extra_dict=flags)
        hooks[handle.id] = hook
        if with_kwargs:
            flags[handle.id] = True
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        self._has_hooks = True
        return handle

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Run `hook(module, args, output)` after every `forward`; it may replace the output.

        With `with_kwargs` the hook is `hook(module, args, kwargs, output)`; with `always_call`
        it also runs when `forward` raises.
        """
        hooks = self._hook_table("_forward_hooks")
        flags = self._hook_table("_forward_hooks_with_kwargs")
        always = self._hook_table("_forward_hooks_always_called")
        handle = RemovableHandle(hooks, extra_dict=[flags, always])
        hooks[handle.id] = hook
        if with_kwargs:
            flags[handle.id] = True
        if always_call:
            always[handle.id] = True
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        self._has_hooks = True
        return handle

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Run `hook(module, grad_output)` before the module's backward; it may replace it."""
        hooks = self._hook_table("_backward_pre_hooks")
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        self._has_hooks = True
        return handle

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Run `hook(module, grad_input, grad_output)` once both are known.

        What it returns replaces the gradients of the module's inputs.
        """
        if self._is_full_backward_hook is False:
            raise RuntimeError(_MIXED)
        self._is_full_backward_hook = True
        hooks = self._hook_table("_backward_hooks")
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        self._has_hooks = True
        return handle

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Deprecated: sees only the last node of the module; use the full backward hook."""
        if self._is_full_backward_hook is True:
            raise RuntimeError(_MIXED)
        self._is_full_backward_hook = False
        hooks = self._hook_table("_backward_hooks")
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        self._has_hooks = True
        return handle

    def _call_hooked(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        done: set[int] = set()  # ids of the always-called hooks that have run
        holder = [args, kwargs, None]
        try:
            return self._run_with_hooks(holder, done)
        except Exception:
            self._run_always(holder, done)
            raise

    def _run_with_hooks(self, holder: list[Any], done: set[int]) -> Any:
        args, kwargs, _ = holder
        for hook in tuple(_global.forward_pre.values()):
            replaced = hook(self, args)
            if replaced is not None:
                args = replaced if isinstance(replaced, tuple) else (replaced,)
        if self._forward_pre_hooks:
            flags = self._forward_pre_hooks_with_kwargs
            for key, hook in tuple(self._forward_pre_hooks.items()):
                if key in flags:
                    replaced = hook(self, args, kwargs)
                    if replaced is not None:
                        if not isinstance(replaced, tuple) or len(replaced) != 2:
                            raise RuntimeError(
                                "forward pre-hook must return None or a tuple "
                                f"of (new_args, new_kwargs), but got {replaced}."
                            )
                        args, kwargs = replaced
                else:
                    replaced = hook(self, args)
                    if replaced is not None:
                        args = replaced if isinstance(replaced, tuple) else (replaced,)
        holder[0], holder[1] = args, kwargs

        gate = self._backward_gate()
        if gate is not None:
            args = gate.watch_inputs(args)
        result = self.forward(*args, **kwargs)
        holder[2] = result

        for key, hook in tuple(_global.forward.items()):
            if key in _global.forward_always:
                done.add(key)
            if key in _global.forward_kwargs:
                replaced = hook(self, args, kwargs, result)
            else:
                replaced = hook(self, args, result)
            if replaced is not None:
                result = replaced
        if self._forward_hooks:
            flags, always = self._forward_hooks_with_kwargs, self._forward_hooks_always_called
            for key, hook in tuple(self._forward_hooks.items()):
                if key in always:
                    done.add(key)
                replaced = (
                    hook(self, args, kwargs, result) if key in flags else hook(self, args, result)
                )
                if replaced is not None:
                    result = replaced

        if gate is not None:
            result = gate.watch_outputs(result)
        self._attach_old_backward_hooks(args, result)
        return result

    def _run_always(self, holder: list[Any], done: set[int]) -> None:
        """After an error: the hooks that asked to be called in any case, each at most once."""
        args, kwargs, result = holder
        pending = [
            (hook, key in _global.forward_kwargs)
            for key, hook in _global.forward.items()
            if key in _global.forward_always and key not in done
        ]
        pending += [
            (hook, key in self._forward_hooks_with_kwargs)
            for key, hook in self._forward_hooks.items()
            if key in self._forward_hooks_always_called and key not in done
        ]
        for hook, with_kwargs in pending:
            try:
                replaced = (
                    hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
                )
                if replaced is not None:
                    result = replaced
            except Exception as error:
                warnings.warn(
                    "module forward hook with ``always_call=True`` raised an exception "
                    f"that was silenced as another error was raised in forward: {error!s}",
                    stacklevel=2,
                )

    def _backward_gate(self) -> Any:
        """The watcher of this call's gradients, or None when nobody wants to see them."""
        pre = [*_global.backward_pre.values(), *self._backward_pre_hooks.values()]
        full = list(_global.backward.values()) if _global.full_backward is True else []
        if self._is_full_backward_hook is True:
            full += self._backward_hooks.values()
        if not pre and not full:
            return None
        from ._backward_gate import BackwardGate

        return BackwardGate(self, full, pre)

    def _attach_old_backward_hooks(self, args: Any, result: Any) -> None:
        hooks = list(_global.backward.values()) if _global.full_backward is False else []
        if self._is_full_backward_hook is False:
            hooks += self._backward_hooks.values()
        if not hooks:
            return
        while not isinstance(result, Tensor):
            if isinstance(result, dict):
                result = next(value for value in result.values() if isinstance(value, Tensor))
            else:
                result = result[0]
        node = result.grad_fn
        if node is None:
            return

        def bind(hook: Any) -> Any:
            return lambda grad_input, grad_output: hook(self, grad_input, grad_output)

        for hook in hooks:
            node.register_hook(bind(hook))


def _add_global(table: OrderedDict[int, Any], hook: Any, **flags: Any) -> RemovableHandle:
    extra = [flag_table for flag_table, _ in flags.values()]
    handle = RemovableHandle(table, extra_dict=extra)
    table[handle.id] = hook
    for flag_table, wanted in flags.values():
        if wanted:
            flag_table[handle.id] = True
    return handle


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Run `hook(module, args)` before the `forward` of every module of the process."""
    ModuleBase._has_hooks = True
    return _add_global(_global.forward_pre, hook)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Run `hook(module, args, output)` after the `forward` of every module of the process."""
    ModuleBase._has_hooks = True
    return _add_global(
        _global.forward,
        hook,
        kwargs=(_global.forward_kwargs, with_kwargs),
        always=(_global.forward_always, always_call),
    )


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Run `hook(module, grad_output)` before the backward of every module of the process."""
    ModuleBase._has_hooks = True
    return _add_global(_global.backward_pre, hook)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Run `hook(module, grad_input, grad_output)` for every module of the process."""
    if _global.full_backward is False and _global.backward:
        raise RuntimeError(_MIXED_GLOBAL)
    _global.full_backward = True
    ModuleBase._has_hooks = True
    return _add_global(_global.backward, hook)


def register_module_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Deprecated global form of `Module.register_backward_hook`."""
    if _global.full_backward is True and _global.backward:
        raise RuntimeError(_MIXED_GLOBAL)
    _global.full_backward = False
    ModuleBase._has_hooks = True
    return _add_global(_global.backward, hook)


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Run `hook(module, name, parameter)` at each registration; it may return another one."""
    return _add_global(_global.parameter, hook)


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Run `hook(module, name, buffer)` at each registration; it may return another one."""
    return _add_global(_global.buffer, hook)


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Run `hook(module, name, child)` at each registration; it may return another one."""
    return _add_global(_global.module, hook)
