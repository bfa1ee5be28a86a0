"""Shows a module's gradients to its full backward hooks.

Knows autograd's custom functions; must not know which hooks were registered where. An identity
node in front of the module sees the gradients of the inputs, one behind it those of the outputs.
"""

from __future__ import annotations

import warnings

from ... import _C
from ...autograd import Function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

Tensor = _C.Tensor


class BackwardHookFunction(Function):
    """Identity whose backward passes all gradients at once through a callback."""

    @staticmethod
    def forward(ctx: Any, callback: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.callback = callback
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*(t for t in tensors if not t.requires_grad))
        return tuple(t.view_as(t) for t in tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        return (None, *ctx.callback(grads))


class BackwardGate:
    """Watches one call of one module."""

    def __init__(self, module: Any, hooks: Sequence[Any], pre_hooks: Sequence[Any]) -> None:
        self.module = module
        self.hooks = hooks
        self.pre_hooks = pre_hooks
        self.grad_outputs: tuple[Any, ...] | None = None
        self.input_slots: tuple[list[int], int] | None = None

    def watch_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.input_count = len(args)
        watched, slots = _pass_through(args, self._inputs_known)
        if slots is not None:
            self.input_slots = (slots, len(args))
        return watched

    def watch_outputs(self, result: Any) -> Any:
        single = not isinstance(result, tuple)
        values = (result,) if single else result
        self.output_slots = [i for i, v in enumerate(values) if isinstance(v, Tensor)]
        self.output_count = len(values)
        watched, _ = _pass_through(values, self._outputs_known)
        return watched[0] if single else watched

    def _outputs_known(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        full = _scatter(grads, self.output_slots, self.output_count)
        for hook in self.pre_hooks:
            replaced = hook(self.module, full)
            if replaced is None:
                continue
            full = _checked(replaced, len(full), "grad_output")
        self.grad_outputs = full
        if self.input_slots is None and self.hooks:
            # No input wants a gradient, so nothing will come back in front: call the hooks now.
            warnings.warn(
                "Full backward hook is firing when gradients are computed with respect to "
                "module outputs since no inputs require gradients.",
                stacklevel=5,
            )
            nothing = (None,) * self.input_count
            for hook in self.hooks:
                returned = hook(self.module, nothing, full)
                if returned is not None and not _all_none(returned):
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should "
                        "always return None or None for all gradients."
                    )
        return tuple(full[i] for i in self.output_slots)

    def _inputs_known(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        if self.grad_outputs is None:
            return grads  # the outputs took no part in this backward
        assert self.input_slots is not None
        slots, count = self.input_slots
        full = _scatter(grads, slots, count)
        for hook in self.hooks:
            replaced = hook(self.module, full, self.grad_outputs)
            if replaced is None:
                continue
            full = _checked(replaced, len(full), "grad_input")
        self.grad_outputs = None
        return tuple(full[i] for i in slots)


def _pass_through(
    values: tuple[Any, ...], callback: Callable[..., Any]
) -> tuple[tuple[Any, ...], list[int] | None]:
    slots = [i for i, value in enumerate(values) if isinstance(value, Tensor)]
    tensors = [values[i] for i in slots]
    if not _C.is_grad_enabled() or not any(t.requires_grad for t in tensors):
        return values, None
    watched = BackwardHookFunction.apply(callback, *tensors)
    out = list(values)
    for slot, tensor in zip(slots, watched, strict=True):
        out[slot] = tensor
    if hasattr(values, "_fields"):  # a named tuple stays one
        return type(values)(*out), slots
    return tuple(out), slots


def _scatter(grads: tuple[Any, ...], slots: list[int], count: int) -> tuple[Any, ...]:
    full: list[Any] = [None] * count
    for slot, grad in zip(slots, grads, strict=True):
        full[slot] = grad
    return tuple(full)


def _all_none(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and all(entry is None for entry in value)


def _checked(replaced: Any, expected: int, what: str) -> tuple[Any, ...]:
    if not isinstance(replaced, tuple):
        replaced = (replaced,)
    if len(replaced) != expected:
        raise RuntimeError(
            f"Backward {'pre hook' if what == 'grad_output' else 'hook'} returned an invalid "
            f"number of {what}, got {len(replaced)}, but expected {expected}"
        )
    return replaced
