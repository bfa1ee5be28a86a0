"""Activations computed again in backward instead of kept since forward.

Knows hooks on saved tensors and the default generator; must not know modules beyond `Sequential`.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager, nullcontext

from .. import _C
from ..autograd.grad_mode import enable_grad, no_grad
from ..autograd.graph import saved_tensors_hooks
from ..random import get_rng_state, set_rng_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any

Tensor = _C.Tensor

__all__ = [
    "CheckpointError",
    "check_backward_validity",
    "checkpoint",
    "checkpoint_sequential",
    "detach_variable",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
]

# What `set_checkpoint_early_stop` says inside of its block; None leaves it to each call.
_early_stop: bool | None = None


class CheckpointError(RuntimeError):
    """The function computed something else the second time."""


class _Enough(Exception):
    """Ends a recomputation once everything that backward needs is there."""


@contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Inside this block no recomputation (or every one) stops as soon as it can.

    >>> from pycore.utils.checkpoint import set_checkpoint_early_stop
    >>> with set_checkpoint_early_stop(False):
    ...     pass
    """
    global _early_stop
    before, _early_stop = _early_stop, enable
    try:
        yield
    finally:
        _early_stop = before


@contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """Accepted without effect: errors name the tensors that differ in any case.

    >>> from pycore.utils.checkpoint import set_checkpoint_debug_enabled
    >>> with set_checkpoint_debug_enabled(True):
    ...     pass
    """
    yield


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Tensors cut off from their history, with the same `requires_grad`; RuntimeError for no tuple.

    >>> import pycore
    >>> x = pycore.ones(1, requires_grad=True) * 2
    >>> pycore.utils.checkpoint.detach_variable((x, 3))
    (tensor([2.], requires_grad=True), 3)
    """
    if not isinstance(inputs, tuple):
        raise RuntimeError(
            "Only tuple of tensors is supported. Got Unsupported input type: "
            f"{type(inputs).__name__}"
        )
    return tuple(
        x.detach().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x for x in inputs
    )


def check_backward_validity(inputs: Iterable[Any]) -> None:
    """Warn when no tensor among the inputs requires a gradient.

    >>> import pycore
    >>> pycore.utils.checkpoint.check_backward_validity([pycore.ones(1, requires_grad=True)])
    """
    if not any(x.requires_grad for x in inputs if isinstance(x, Tensor)):
        warnings.warn(
            "None of the inputs have requires_grad=True. Gradients will be None", stacklevel=3
        )


def noop_context_fn() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """The default `context_fn`: nothing around the forward and nothing around the recomputation.

    >>> forward, recomputation = noop_context_fn()
    """
    return nullcontext(), nullcontext()


class _Saved:
    """What the graph keeps in the place of a tensor: its number in the order of saving."""

    __slots__ = ("call", "number")

    def __init__(self, call: _Call, number: int) -> None:
        self.call = call
        self.number = number


class _Call:
    """One checkpointed call: what is needed to run it again, and what that gave."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        preserve_rng_state: bool,
        context: AbstractContextManager[Any],
        compare: bool,
        early_stop: bool,
    ) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs
        self.versions = [x._version if isinstance(x, Tensor) else None for x in args]
        self.rng_state = get_rng_state() if preserve_rng_state else None
        self.context = context
        self.compare = compare
        self.early_stop = early_stop
        self.kinds: list[tuple[Any, Any, Any]] = []  # shape, dtype and device of what was saved
        self.values: dict[int, Tensor] = {}  # by number, from a recomputation
        self.used: set[int] = set()

    def pack(self, tensor: Tensor) -> _Saved:
        self.kinds.append((tensor.shape, tensor.dtype, tensor.device))
        return _Saved(self, len(self.kinds) - 1)

    @staticmethod
    def unpack(saved: _Saved) -> Tensor:
        call, number = saved.call, saved.number
        if number not in call.values:
            call.recompute()
        value = call.values[number]
        call.used.add(number)
        if len(call.used) == len(call.kinds):
            # All have been asked for: a further backward through a kept graph computes them anew.
            call.values, call.used = {}, set()
        return value

    def recompute(self) -> None:
        for x, version in zip(self.args, self.versions, strict=True):
            if version is not None and x._version != version:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an "
                    f"inplace operation: an input of a checkpointed function, {x.type()} "
                    f"{list(x.shape)}, is at version {x._version}; expected version {version} "
                    "instead."
                )
        values: dict[int, Tensor] = {}
        expected = len(self.kinds)

        def keep(tensor: Tensor) -> Tensor:
            plain = tensor.detach()
            if len(values) >= expected:
                raise CheckpointError(
                    "torch.utils.checkpoint: trying to save more tensors during recomputation than "
                    "during the original forward pass."
                )
            values[len(values)] = plain
            if self.early_stop and len(values) == expected:
                raise _Enough
            return plain

        before = get_rng_state() if self.rng_state is not None else None
        try:
            if self.rng_state is not None:
                set_rng_state(self.rng_state)
            with enable_grad(), saved_tensors_hooks(keep, lambda t: t), self.context:
                self.function(*self.args, **self.kwargs)
        except _Enough:
            pass
        finally:
            if before is not None:
                set_rng_state(before)
        self._check(values)
        self.values, self.used = values, set()

    def _check(self, values: dict[int, Tensor]) -> None:
        if len(values) != len(self.kinds):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the "
                "original forward and recomputation.\n"
                f"Number of tensors saved during forward: {len(self.kinds)}\n"
                f"Number of tensors saved during recomputation: {len(values)}."
            )
        if not self.compare:
            return
        lines = []
        for number, (kind, value) in enumerate(zip(self.kinds, values.values(), strict=True)):
            again = (value.shape, value.dtype, value.device)
            if again != kind:
                lines.append(f"tensor at position {number}:")
                for what, (shape, dtype, device) in (("saved", kind), ("recomputed", again)):
                    lines.append(
                        f"{what} metadata: {{'shape': {shape}, 'dtype': {dtype}, "
                        f"'device': {device!r}}}"
                    )
        if lines:
            text = "\n".join(lines)
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have "
                f"different metadata than during the forward pass.\n{text}\n"
            )


_REENTRANT_WARNING = (
    "{}: the use_reentrant parameter should be passed explicitly. "
    "use_reentrant=False is recommended, but if you need to preserve the current default "
    "behavior, you can pass use_reentrant=True. Refer to docs for more details on the "
    "differences between the two variants."
)


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """Call `function(*args)` without keeping what its backward needs; that is computed again there.

    Trades time for memory (Chen et al. 2016): inside of the function only the inputs are kept.
    Gradients are those of an ordinary call, of any order, also of parameters that the function
    finds elsewhere than among its arguments.

    Args:
        use_reentrant: pass False. True keeps the rule of PyTorch's older variant that nothing is
            recorded, with a warning, if no tensor among `args` requires a gradient, and takes
            neither keyword arguments nor `context_fn`; None warns and is True.
        preserve_rng_state: draw the same random numbers again, as dropout needs (True).
        context_fn: returns a context for the call and one for the recomputation.
        determinism_check: `"default"` compares shapes and dtypes of both runs, `"none"` nothing.
        debug: accepted without effect.
        early_stop: stop the recomputation once backward has what it needs.
        kwargs: further arguments of `function`.

    Raises CheckpointError, a RuntimeError, in backward when the function does something else the
    second time; RuntimeError when an input has been written over.

    >>> import pycore
    >>> from pycore.utils.checkpoint import checkpoint
    >>> x = pycore.ones(2, requires_grad=True)
    >>> checkpoint(lambda x: x.exp().sin(), x, use_reentrant=False).sum().backward()
    >>> x.grad
    tensor([-2.4783, -2.4783])
    """
    if use_reentrant is None:
        warnings.warn(_REENTRANT_WARNING.format("torch.utils.checkpoint"), stacklevel=2)
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug is not False:
            raise ValueError(
                "Passing `context_fn` or `debug` is only supported when use_reentrant=False."
            )
        if not any(isinstance(x, Tensor) and x.requires_grad for x in args):
            check_backward_validity(args)
            with no_grad():
                return function(*args)
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f"determinism_check should be one of ['default', 'none'], but got {determinism_check}"
        )
    forward_context, recompute_context = context_fn()
    stop = early_stop if _early_stop is None else _early_stop
    call = _Call(
        function, args, kwargs, preserve, recompute_context, determinism_check == "default", stop
    )
    with saved_tensors_hooks(call.pack, call.unpack), forward_context:
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Run a `Sequential` or a list of functions in `segments` parts, all but the last checkpointed.

    >>> import pycore
    >>> net = pycore.nn.Sequential(*(pycore.nn.Linear(4, 4) for _ in range(6)))
    >>> x = pycore.ones(1, 4, requires_grad=True)
    >>> run = pycore.utils.checkpoint.checkpoint_sequential
    >>> run(net, 3, x, use_reentrant=False).equal(net(x))
    True
    """
    if use_reentrant is None:
        warnings.warn(
            _REENTRANT_WARNING.format("torch.utils.checkpoint.checkpoint_sequential"), stacklevel=2
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))

    def run(part: list[Any]) -> Callable[[Any], Any]:
        def forward(value: Any) -> Any:
            for function in part:
                value = function(value)
            return value

        return forward

    children = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = len(children) // segments
    start = 0
    for _ in range(segments - 1):
        input = checkpoint(
            run(children[start : start + size]),
            input,
            use_reentrant=use_reentrant,
            preserve_rng_state=preserve,
        )
        start += size
    return run(children[start:])(input)
