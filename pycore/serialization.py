"""``save`` and ``load`` in PyTorch's ``.pt`` format: a zip of one pickle and the raw storages.

The names in the pickle are PyTorch's, so either library reads what the other wrote. What may be
named, and what it becomes here, is decided in ``_pickle_reader``; this file knows bytes and files.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import IO, Any

__all__ = [
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "load",
    "safe_globals",
    "save",
]

_ALIGNMENT = 64  # of each storage in the file, so that a mapped file needs no copy
_CHECKSUM_SAFE_BLOCK = 1 << 26

_safe_globals: dict[tuple[str, str], Any] = {}


def add_safe_globals(safe_globals: Iterable[Any]) -> None:
    """Lets ``load(weights_only=True)`` name these classes or functions.

    Example:
        >>> import pycore
        >>> from datetime import timedelta
        >>> pycore.serialization.add_safe_globals([timedelta])
        >>> pycore.serialization.clear_safe_globals()
    """
    for item in safe_globals:
        if isinstance(item, tuple):
            item, path = item
            module, _, name = path.rpartition(".")
        else:
            module, name = item.__module__, item.__qualname__
        _safe_globals[module, name] = item


def clear_safe_globals() -> None:
    """Forgets what :func:`add_safe_globals` added."""
    _safe_globals.clear()


def get_safe_globals() -> list[Any]:
    """What :func:`add_safe_globals` added."""
    return list(_safe_globals.values())


class safe_globals:
    """A context in which ``load(weights_only=True)`` may name these classes or functions.

    Example:
        >>> import pycore
        >>> from datetime import timedelta
        >>> with pycore.serialization.safe_globals([timedelta]):
        ...     len(pycore.serialization.get_safe_globals())
        1
    """

    def __init__(self, safe_globals: Iterable[Any]) -> None:
        self.items = list(safe_globals)

    def __enter__(self) -> None:
        self.before = dict(_safe_globals)
        add_safe_globals(self.items)

    def __exit__(self, *exc: object) -> None:
        clear_safe_globals()
        _safe_globals.update(self.before)


# -- saving ----------------------------------------------------------------------------------------


def save(
    obj: Any,
    f: str | os.PathLike[str] | IO[bytes],
    pickle_module: Any = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Writes an object, tensors and all, to a file that ``torch.load`` reads too.

    Tensors that share memory still share it after :func:`load`. Given a path, the file appears only
    when it is complete: a crash while writing leaves the old one.

    Args:
        obj: tensors, numbers, strings, lists, dictionaries ...; other objects if they pickle.
        f: a path, or a binary file open for writing.
        pickle_protocol: of the pickle inside; PyTorch's ``weights_only`` reader wants 2.

    Example:
        >>> import io, pycore
        >>> buffer = io.BytesIO()
        >>> pycore.save({"weight": pycore.ones(2)}, buffer)
        >>> _ = buffer.seek(0)
        >>> pycore.load(buffer)
        {'weight': tensor([1., 1.])}
    """
    if pickle_module is not None and getattr(pickle_module, "__name__", "") != "pickle":
        raise NotImplementedError("save: only the standard pickle module can be used")
    if not _use_new_zipfile_serialization:
        raise NotImplementedError("save: only the zip format is written (the old one can be read)")
    if not isinstance(f, (str, os.PathLike)):
        if not hasattr(f, "write"):
            raise TypeError(
                f"save: f must be a path or have a write method; got {type(f).__name__}"
            )
        _write_archive(obj, f, "archive", pickle_protocol)
        return
    path = os.fspath(f)
    temporary = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    stem = os.path.splitext(os.path.basename(path))[0] or "archive"
    try:
        with open(temporary, "xb") as file:
            _write_archive(obj, file, stem, pickle_protocol)
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def _write_archive(obj: Any, file: IO[bytes], stem: str, protocol: int) -> None:
    import io
    import sys
    import zipfile

    from ._pickle_writer import StoragePickler

    buffer = io.BytesIO()
    pickler = StoragePickler(buffer, protocol)
    pickler.dump(obj)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:

        def add(name: str, data: Any) -> None:
            _add_record(archive, f"{stem}/{name}", data)

        add("data.pkl", buffer.getbuffer())
        add(".format_version", b"1")
        add(".storage_alignment", str(_ALIGNMENT).encode())
        add("byteorder", sys.byteorder.encode())
        for key, storage in pickler.storages.items():
            add(f"data/{key}", storage.bytes())
        add("version", b"3\n")


def _add_record(archive: Any, name: str, data: Any) -> None:
    import struct
    import zipfile

    size = len(data)
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.file_size = size
    # The data starts after a header of 30 bytes, the name, a 20-byte field if the record is huge,
    # and this padding field, whose own head takes 4 bytes.
    start = archive.fp.tell() + 30 + len(name.encode()) + (20 if size * 1.05 > 0x7FFFFFFF else 0)
    padding = (-start) % _ALIGNMENT
    if 0 < padding < 4:
        padding += _ALIGNMENT
    if padding:
        info.extra = struct.pack("<2sH", b"FB", padding - 4) + b"Z" * (padding - 4)
    view = memoryview(data)
    with archive.open(info, "w", force_zip64=size * 1.05 > 0x7FFFFFFF) as record:
        for begin in range(0, size, _CHECKSUM_SAFE_BLOCK):
            record.write(view[begin : begin + _CHECKSUM_SAFE_BLOCK])


# -- loading ---------------------------------------------------------------------------------------


def load(
    f: str | os.PathLike[str] | IO[bytes],
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Reads a file written by :func:`save` or by ``torch.save``.

    Args:
        f: a path, or a binary file open for reading that can seek.
        map_location: where storages go. There is only the CPU here; a file from another device asks
            for ``"cpu"`` (or a dictionary or function that says so).
        weights_only: allow only tensors, numbers, strings and containers, and what
            :func:`add_safe_globals` names (the default). A pickle can otherwise run any code: turn
            this off only for files whose origin you trust.
        mmap: map the file (a path) into memory instead of reading it; pages are read when used, and
            writing to a tensor does not change the file.

    Raises:
        pickle.UnpicklingError: the file names something that is not allowed.
        RuntimeError: the file is damaged, or from another device without a ``map_location``.
    """
    from ._pickle_reader import StorageUnpickler

    allowed = None if weights_only is False else dict(_safe_globals)
    if pickle_module is not None and allowed is not None and weights_only:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    encoding = pickle_load_args.get("encoding", "utf-8")

    def unpickler(file: Any, storage: Callable[..., Any]) -> Any:
        return StorageUnpickler(file, storage, allowed, encoding)

    def located(storage: Any, location: str) -> Any:
        return _place(storage, location, map_location)

    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return _load_file(file, unpickler, located, bool(mmap))
    if mmap:
        raise ValueError(
            "f must be a string or os.PathLike object to use mmap, "
            f"but got {type(f).__name__} instead"
        )
    if not (hasattr(f, "read") and hasattr(f, "seek")):
        raise AttributeError(
            f"'{type(f).__name__}' object: load needs a path or a file that can read and seek. "
            "Load it into an io.BytesIO first"
        )
    return _load_file(f, unpickler, located, False)


def _load_file(
    file: IO[bytes], unpickler: Callable[..., Any], located: Callable[..., Any], mapped: bool
) -> Any:
    start = file.tell()
    magic = file.read(4)
    file.seek(start)
    if magic == b"PK\x03\x04":
        return _load_archive(file, unpickler, located, mapped)
    if mapped:
        raise RuntimeError("mmap can only be used with files saved with the zip format")
    from ._legacy_file import load_legacy

    return load_legacy(file, unpickler, located)


def _load_archive(
    file: IO[bytes], unpickler: Callable[..., Any], located: Callable[..., Any], mapped: bool
) -> Any:
    import io
    import sys
    import zipfile

    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise RuntimeError(
            f"PytorchStreamReader failed reading zip archive: {error}; the file is damaged or cut"
        ) from None
    names = archive.namelist()
    roots = [name[: -len("data.pkl")] for name in names if name.endswith("data.pkl")]
    if not roots:
        raise RuntimeError("PytorchStreamReader failed locating file data.pkl: file not found")
    root = min(roots, key=len)
    if f"{root}byteorder" in names and archive.read(f"{root}byteorder").decode() != sys.byteorder:
        raise RuntimeError("load: the file was written on a machine of another byte order")

    content = _mapping(file) if mapped else None
    known: dict[str, Any] = {}

    def storage(dtype: Any, key: str, location: str, count: int) -> Any:
        if key not in known:
            size = count * dtype.itemsize
            data = _record(archive, f"{root}data/{key}", content)
            if len(data) < size:
                raise RuntimeError(
                    f"PytorchStreamReader: storage {key} holds {len(data)} bytes; expected {size}"
                )
            known[key] = located(_as_tensor(data, dtype, count), location)
        return known[key]

    return unpickler(io.BytesIO(_record(archive, f"{root}data.pkl", None)), storage).load()


def _mapping(file: IO[bytes]) -> memoryview:
    import mmap

    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))


def _record(archive: Any, name: str, content: memoryview | None) -> Any:
    """The bytes of one record, writable: a slice of the mapped file if there is one."""
    import zipfile

    try:
        info = archive.getinfo(name)
        if content is not None and info.compress_type == zipfile.ZIP_STORED:
            head = content[info.header_offset : info.header_offset + 30]
            # The local header's own lengths count: its padding is not in the directory.
            lengths = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
            begin = info.header_offset + 30 + lengths
            return content[begin : begin + info.file_size]
        data = bytearray(info.file_size)
        with archive.open(info) as record:
            view, at = memoryview(data), 0
            while at < len(data):
                got = record.readinto(view[at:])
                if not got:
                    break
                at += got
        return data[:at] if at < len(data) else data
    except (zipfile.BadZipFile, EOFError) as error:
        raise RuntimeError(f"PytorchStreamReader failed reading file {name}: {error}") from None
    except KeyError:
        raise RuntimeError(
            f"PytorchStreamReader failed locating file {name}: file not found"
        ) from None


def _as_tensor(data: Any, dtype: Any, count: int) -> Any:
    from . import empty, frombuffer

    if count == 0:
        return empty(0, dtype=dtype)
    return frombuffer(data, dtype=dtype, count=count)


def _place(storage: Any, location: str, map_location: Any) -> Any:
    """Puts a storage that was saved at ``location`` where ``map_location`` says: on the CPU."""
    if callable(map_location):
        moved = map_location(storage, location)
        return storage if moved is None else moved
    if isinstance(map_location, dict):
        location = map_location.get(location, location)
    elif map_location is not None:
        location = map_location
    target = getattr(location, "type", None) or str(location)
    if target.partition(":")[0] not in ("cpu", "meta"):
        raise RuntimeError(
            f"Attempting to deserialize object on a {target.partition(':')[0].upper()} device but "
            "there is only the CPU here. Please use load with map_location='cpu' to map your "
            "storages to the CPU."
        )
    return storage
