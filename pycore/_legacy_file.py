"""Reads the ``.pth`` files that PyTorch wrote before version 1.6: several pickles, then storages.

Must not know names or devices: its callers bring the unpickler and the placement.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Any

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


def load_legacy(file: IO[bytes], unpickler: Callable[..., Any], located: Callable[..., Any]) -> Any:
    """The object in an old file; the storages follow the pickle, so they are filled afterwards."""
    import pickle

    from . import empty

    def refuse(*_: Any) -> Any:
        raise pickle.UnpicklingError("load: a storage in the head of the file")

    known: dict[str, Any] = {}
    dtypes: dict[str, Any] = {}

    def storage(dtype: Any, key: str, location: str, count: int) -> Any:
        if key not in known:
            known[key] = located(empty(count, dtype=dtype), location)
            dtypes[key] = dtype
        return known[key]

    try:
        if unpickler(file, refuse).load() != _MAGIC:
            raise RuntimeError("Invalid magic number; corrupt file?")
        version = unpickler(file, refuse).load()
        if version != _PROTOCOL:
            raise RuntimeError(f"Invalid protocol version: {version}")
        unpickler(file, refuse).load()  # sizes of C types on the machine that wrote it
        result = unpickler(file, storage).load()
        keys = unpickler(file, refuse).load()
    except EOFError:
        raise RuntimeError("load: the file is empty or cut") from None
    for key in keys:
        _fill(file, known[key], dtypes[key].itemsize)
    return result


def _fill(file: IO[bytes], storage: Any, itemsize: int) -> None:
    import ctypes

    count = int.from_bytes(file.read(8), "little")
    if count != storage.numel():
        raise RuntimeError(f"load: a storage of {count} elements; expected {storage.numel()}")
    data = file.read(count * itemsize)
    if len(data) != count * itemsize:
        raise RuntimeError(f"unexpected EOF, expected {count * itemsize - len(data)} more bytes")
    if data:
        ctypes.memmove(storage.data_ptr(), data, len(data))
