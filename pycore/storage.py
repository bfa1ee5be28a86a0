"""The memory behind a tensor, as an object: to ask whether two tensors share it, and how big it is.

Knows tensors; must not know files or operators.
"""

from __future__ import annotations

from . import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["UntypedStorage"]


class UntypedStorage:
    """The bytes behind a tensor, which its views share. Made by ``Tensor.untyped_storage()``.

    Example:
        >>> import pycore
        >>> x = pycore.ones(2, 3)
        >>> len(x.untyped_storage())
        24
        >>> x[1].untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
        True
    """

    def __init__(self, tensor: Any) -> None:
        self._tensor = tensor.detach()

    def data_ptr(self) -> int:
        """The address of the first byte."""
        self._tensor.data_ptr()  # tells the storage that its address is known
        return self._tensor._storage_ptr()

    def nbytes(self) -> int:
        """The number of bytes."""
        return self._tensor._storage_nbytes()

    size = nbytes
    __len__ = nbytes

    @property
    def device(self) -> Any:
        """The CPU."""
        return self._tensor.device

    def _bytes(self) -> Any:
        item = self._tensor.dtype.itemsize
        whole = self._tensor.as_strided((self.nbytes() // item,), (1,), 0)
        return whole.view(_C.uint8)

    def __getitem__(self, index: int) -> int:
        return self._bytes()[index].item()

    def __iter__(self) -> Iterator[int]:
        return iter(self.tolist())

    def tolist(self) -> list[int]:
        """The bytes as integers."""
        return self._bytes().tolist()

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, UntypedStorage)
            and other._tensor._storage_ptr() == self._tensor._storage_ptr()
        )

    def __hash__(self) -> int:
        return hash(self._tensor._storage_ptr())

    def __repr__(self) -> str:
        lines = "".join(f" {byte}\n" for byte in self.tolist())
        return (
            f"{lines}[{_C.__name__.partition('.')[0]}.storage.UntypedStorage of size {len(self)}]"
        )
