"""Samples into batches.

Knows tensors, numbers and Python's containers; NumPy only when a sample brings it.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from copy import copy

from ... import _C
from ..._tensor import as_tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

Tensor = _C.Tensor

__all__ = ["collate", "default_collate", "default_collate_fn_map", "default_convert"]

_UNKNOWN = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)


def _is_numpy(value: Any) -> bool:
    return type(value).__module__ == "numpy" and type(value).__name__ not in ("str_", "bytes_")


def _is_text_array(value: Any) -> bool:
    return value.dtype.kind in "SUO"


def _is_named_tuple(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def default_convert(data: Any) -> Any:
    """Turn NumPy arrays into tensors, in containers too; leave everything else.

    >>> from pycore.utils.data import default_convert
    >>> default_convert([1, "a"])
    [1, 'a']
    """
    if isinstance(data, Tensor):
        return data
    if _is_numpy(data):
        return data if _is_text_array(data) else as_tensor(data)
    if isinstance(data, Mapping):
        return _rebuild_mapping(data, {key: default_convert(data[key]) for key in data})
    if _is_named_tuple(data):
        return type(data)(*(default_convert(entry) for entry in data))
    if isinstance(data, tuple):
        return [default_convert(entry) for entry in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _rebuild_sequence(data, [default_convert(entry) for entry in data])
    return data


def _rebuild_mapping(original: Any, values: dict[Any, Any]) -> Any:
    """The same kind of mapping with other values; a dictionary where that can't be built."""
    try:
        if isinstance(original, MutableMapping):
            clone = copy(original)
            clone.update(values)
            return clone
        return type(original)(values)
    except TypeError:
        return values


def _rebuild_sequence(original: Any, values: list[Any]) -> Any:
    if type(original) is list:
        return values
    try:
        if isinstance(original, MutableSequence):
            clone = copy(original)
            for place, value in enumerate(values):
                clone[place] = value
            return clone
        return type(original)(values)
    except TypeError:
        return values


def _collate_tensors(batch: Any, *, collate_fn_map: Any = None) -> Any:
    return _C.stack(list(batch), 0)


def _collate_floats(batch: Any, *, collate_fn_map: Any = None) -> Any:
    return _C.tensor(batch, dtype=_C.float64)


def _collate_ints(batch: Any, *, collate_fn_map: Any = None) -> Any:
    return _C.tensor(batch)


def _collate_text(batch: Any, *, collate_fn_map: Any = None) -> Any:
    return batch


default_collate_fn_map: dict[Any, Any] = {
    Tensor: _collate_tensors,
    float: _collate_floats,
    int: _collate_ints,
    str: _collate_text,
    bytes: _collate_text,
}


def _collate_numpy(batch: Any) -> Any:
    first = batch[0]
    if _is_text_array(first):
        raise TypeError(_UNKNOWN.format(first.dtype))
    if first.shape == ():
        import numpy

        return as_tensor(numpy.array(batch))
    return _C.stack([as_tensor(entry) for entry in batch], 0)


def collate(batch: Any, *, collate_fn_map: dict[Any, Callable[..., Any]] | None = None) -> Any:
    """`default_collate` with functions by type; a type may be a tuple of types.

    A function gets the batch and `collate_fn_map` by keyword.
    """
    first = batch[0]
    kind = type(first)
    if collate_fn_map is not None:
        function = collate_fn_map.get(kind)
        if function is None:
            for known, candidate in collate_fn_map.items():
                if isinstance(first, known):
                    function = candidate
                    break
        if function is not None and not _is_numpy(first):
            return function(batch, collate_fn_map=collate_fn_map)
    if _is_numpy(first):
        return _collate_numpy(batch)
    if isinstance(first, Mapping):
        values = {
            key: collate([entry[key] for entry in batch], collate_fn_map=collate_fn_map)
            for key in first
        }
        return _rebuild_mapping(first, values)
    if _is_named_tuple(first):
        columns = zip(*batch, strict=True)
        return kind(*(collate(column, collate_fn_map=collate_fn_map) for column in columns))
    if isinstance(first, Sequence):
        length = len(first)
        if any(len(entry) != length for entry in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        values_list = [
            collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch, strict=True)
        ]
        return values_list if isinstance(first, tuple) else _rebuild_sequence(first, values_list)
    raise TypeError(_UNKNOWN.format(kind))


def default_collate(batch: Any) -> Any:
    """Stack samples along a new first dimension, container by container.

    Tensors, arrays and numbers become tensors (floats float64), texts stay a list, mappings,
    tuples and lists are taken apart and put together again. TypeError for anything else.

    >>> from pycore.utils.data import default_collate
    >>> default_collate([(1, "a"), (2, "b")])
    [tensor([1, 2]), ('a', 'b')]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
