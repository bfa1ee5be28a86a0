"""State per parameter that notices when it is changed.

Knows dictionaries only; must not know optimizers. An optimizer keeps lists of its state tensors
from step to step and has to notice when somebody replaces one.
"""

from __future__ import annotations

from collections import defaultdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class StateTable(defaultdict):
    """`defaultdict(dict)` with a `version` that grows with every change in it or its entries."""

    version: int

    def __init__(self, entries: Any = ()) -> None:
        super().__init__(dict)
        self.version = 0
        self.update(entries)

    def __missing__(self, key: Any) -> Entry:
        entry = Entry(self)
        self[key] = entry
        return entry

    def __setitem__(self, key: Any, value: Any) -> None:
        self.version += 1
        if type(value) is dict:
            value = Entry(self, value)
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        self.version += 1
        super().__delitem__(key)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *args: Any, **kwargs: Any) -> None:
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def pop(self, *args: Any) -> Any:
        self.version += 1
        return super().pop(*args)

    def popitem(self) -> Any:
        self.version += 1
        return super().popitem()

    def clear(self) -> None:
        self.version += 1
        super().clear()

    def __reduce__(self) -> Any:
        # Copies and pickles are plain; the optimizer makes a table of them again.
        return (defaultdict, (dict,), None, None, iter(self.items()))


class Entry(dict):
    """The state of one parameter."""

    __slots__ = ("table",)

    def __init__(self, table: StateTable, values: Any = ()) -> None:
        super().__init__(values)
        self.table = table

    def __setitem__(self, key: Any, value: Any) -> None:
        self.table.version += 1
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        self.table.version += 1
        super().__delitem__(key)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        self.table.version += 1
        return super().setdefault(key, default)

    def update(self, *args: Any, **kwargs: Any) -> None:
        self.table.version += 1
        super().update(*args, **kwargs)

    def pop(self, *args: Any) -> Any:
        self.table.version += 1
        return super().pop(*args)

    def popitem(self) -> Any:
        self.table.version += 1
        return super().popitem()

    def clear(self) -> None:
        self.table.version += 1
        super().clear()

    def __reduce__(self) -> Any:
        return (dict, (dict(self),))
