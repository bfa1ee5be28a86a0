"""The handle that takes a registered hook away again.

Knows dictionaries only; must not know what the hooks are for.
"""

from __future__ import annotations

from collections import OrderedDict
from weakref import ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["RemovableHandle"]


class RemovableHandle:
    """Returned by every `register_*hook`; `remove()` or the end of a `with` block unhooks.

    `extra_dict` holds further tables (or lists of tables) keyed by the same id, such as the
    set of hooks that want keyword arguments.

    >>> table = OrderedDict()
    >>> handle = RemovableHandle(table)
    >>> table[handle.id] = print
    >>> handle.remove()
    >>> len(table)
    0
    """

    next_id: int = 0

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        # Weak, or a handle kept somewhere would keep the module's hooks alive.
        self.hooks_dict_ref = ref(hooks_dict)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        if extra_dict is None:
            extra_dict = ()
        elif not isinstance(extra_dict, (list, tuple)):
            extra_dict = (extra_dict,)
        self.extra_dict_ref: tuple[Any, ...] = tuple(ref(table) for table in extra_dict)

    def remove(self) -> None:
        """Unhook; harmless when it was done before."""
        for reference in (self.hooks_dict_ref, *self.extra_dict_ref):
            table = reference()
            if table is not None:
                table.pop(self.id, None)

    def __getstate__(self) -> tuple[Any, ...]:
        tables = (reference() for reference in (self.hooks_dict_ref, *self.extra_dict_ref))
        hooks, *extra = tables
        return (hooks, self.id, tuple(extra))

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        hooks, self.id, extra = state
        # A dead table is replaced by an empty one, so that remove() stays harmless.
        self.hooks_dict_ref = ref(OrderedDict() if hooks is None else hooks)
        self.extra_dict_ref = tuple(ref(OrderedDict() if t is None else t) for t in extra)
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class TensorHandle:
    """What `Tensor.register_hook` returns: `remove()` or the end of a `with` block unhooks."""

    def __init__(self, tensor: Any, hook_id: int) -> None:
        self.tensor_ref = ref(tensor)
        self.id = hook_id

    def remove(self) -> None:
        """Unhook; harmless when it was done before."""
        from .. import _C

        tensor = self.tensor_ref()
        if tensor is not None:
            _C._remove_hook(tensor, self.id)

    def __enter__(self) -> TensorHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class NodeHandle(TensorHandle):
    """The same for hooks on a node of the graph."""

    def __init__(self, node: Any, hook_id: int) -> None:
        self.node = node
        self.id = hook_id

    def remove(self) -> None:
        """Unhook; harmless when it was done before."""
        self.node._remove_hook(self.id)
