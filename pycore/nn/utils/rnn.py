"""Sequences of different lengths in one tensor: padded, or packed step by step.

Knows tensors; must not know recurrent layers.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable

from ... import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]

_Fields = namedtuple("PackedSequence", "data batch_sizes sorted_indices unsorted_indices")


class PackedSequence(_Fields):
    """Sequences sorted by falling length, all their first steps, then all second ones, and so on.

    Fields:
        data: `(rows, *)`, the steps.
        batch_sizes: int64, how many sequences still run at each step.
        sorted_indices: which sequence of the batch stands at each place, or None for their order.
        unsorted_indices: the inverse of that.

    Made by `pack_padded_sequence` and `pack_sequence`, not by hand.

    >>> import pycore
    >>> t = pycore.tensor
    >>> pycore.nn.utils.rnn.pack_sequence([t([1, 2]), t([3])]).batch_sizes
    tensor([2, 1])
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def _with_data(self, data: Tensor) -> PackedSequence:
        if data is self.data:
            return self
        return type(self)(data, self.batch_sizes, self.sorted_indices, self.unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Convert `data` as `Tensor.to` does; the sequence itself if nothing changes."""
        return self._with_data(self.data.to(*args, **kwargs))

    def pin_memory(self) -> PackedSequence:
        """Return the same: memory is pinned for the sake of GPUs."""
        return self._with_data(self.data.pin_memory())

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Raise: there is no CUDA here."""
        return self.to(*args, **{"device": "cuda", **kwargs})

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Return the sequence, with the conversions that `to` may ask for beside."""
        return self.to(*args, **kwargs)

    def double(self) -> PackedSequence:
        """Convert `data` to float64."""
        return self.to(dtype=_C.float64)

    def float(self) -> PackedSequence:
        """Convert `data` to float32."""
        return self.to(dtype=_C.float32)

    def half(self) -> PackedSequence:
        """Convert `data` to float16."""
        return self.to(dtype=_C.float16)

    def long(self) -> PackedSequence:
        """Convert `data` to int64."""
        return self.to(dtype=_C.int64)

    def int(self) -> PackedSequence:
        """Convert `data` to int32."""
        return self.to(dtype=_C.int32)

    def short(self) -> PackedSequence:
        """Convert `data` to int16."""
        return self.to(dtype=_C.int16)

    def char(self) -> PackedSequence:
        """Convert `data` to int8."""
        return self.to(dtype=_C.int8)

    def byte(self) -> PackedSequence:
        """Convert `data` to uint8."""
        return self.to(dtype=_C.uint8)

    @property
    def is_cuda(self) -> bool:
        """Whether `data` is on a GPU: no."""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """Whether `data` lies in pinned memory."""
        return self.data.is_pinned()


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """Return the permutation that undoes this one; None stays None.

    >>> import pycore
    >>> pycore.nn.utils.rnn.invert_permutation(pycore.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    places = _C.arange(permutation.numel(), dtype=permutation.dtype)
    return _C.empty_like(permutation).scatter_(0, permutation, places)


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack padded sequences `(L, N, *)`, or `(N, L, *)` with `batch_first`.

    `lengths` is a list or a tensor of N lengths. They have to fall unless `enforce_sorted` is
    False, which sorts the sequences and remembers their order.

    >>> import pycore
    >>> t = pycore.tensor
    >>> pycore.nn.utils.rnn.pack_padded_sequence(t([[1, 3], [2, 0]]), [2, 1]).data
    tensor([1, 3, 2])
    """
    if isinstance(lengths, Tensor):
        lengths = lengths.to(dtype=_C.int64)
    else:
        lengths = _C.tensor(list(lengths), dtype=_C.int64)
    sorted_indices = None
    if not enforce_sorted:
        lengths, sorted_indices = _C.sort(lengths, descending=True)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    data, batch_sizes = _C._pack_padded_sequence(input, lengths, batch_first)
    return PackedSequence(data, batch_sizes, sorted_indices, None)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Undo `pack_padded_sequence`: the padded tensor and the lengths, in the original order.

    `total_length` pads further than to the longest sequence.

    >>> import pycore
    >>> rnn, t = pycore.nn.utils.rnn, pycore.tensor
    >>> rnn.pad_packed_sequence(rnn.pack_sequence([t([1, 2]), t([3])]), batch_first=True)
    (tensor([[1, 2],
            [3, 0]]), tensor([2, 1]))
    """
    longest = sequence.batch_sizes.size(0)
    if total_length is not None:
        if total_length < longest:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in "
                f"input, but got total_length={total_length} and max sequence length being "
                f"{longest}"
            )
        longest = total_length
    padded, lengths = _C._pad_packed_sequence(
        sequence.data, sequence.batch_sizes, batch_first, padding_value, longest
    )
    order = sequence.unsorted_indices
    if order is not None:
        return padded.index_select(0 if batch_first else 1, order), lengths[order]
    return padded, lengths


def pad_sequence(
    sequences: Any,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Put sequences `(L_i, *)` side by side: `(L, N, *)`, or `(N, L, *)` with `batch_first`.

    `L` is the longest length; the others are filled with `padding_value` at `padding_side`.

    >>> import pycore
    >>> t = pycore.tensor
    >>> pycore.nn.utils.rnn.pad_sequence([t([1, 2]), t([3])], batch_first=True)
    tensor([[1, 2],
            [3, 0]])
    """
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f'Expected padding_side to be one of left or right, but got "{padding_side}".'
        )
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    rows = list(sequences)
    if not rows:
        raise RuntimeError("received an empty list of sequences")
    longest = max(row.size(0) for row in rows)
    filled = []
    for row in rows:
        missing = longest - row.size(0)
        if missing:
            fill = row.new_full((missing, *row.shape[1:]), padding_value)
            row = _C.cat([fill, row] if padding_side == "left" else [row, fill])
        filled.append(row)
    return _C.stack(filled, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """Take the sequences of `pad_sequence` apart again; `lengths` holds their lengths.

    >>> import pycore
    >>> t = pycore.tensor
    >>> pycore.nn.utils.rnn.unpad_sequence(t([[1, 2], [3, 0]]), t([2, 1]), batch_first=True)
    [tensor([1, 2]), tensor([3])]
    """
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[:length] for row, length in zip(rows, lengths.tolist(), strict=True)]


def pack_sequence(sequences: Any, enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences `(L_i, *)`, of falling length unless `enforce_sorted` is False.

    >>> import pycore
    >>> t = pycore.tensor
    >>> pycore.nn.utils.rnn.pack_sequence([t([1, 2, 3]), t([4, 5]), t([6])]).data
    tensor([1, 4, 6, 2, 5, 3])
    """
    lengths = [sequence.size(0) for sequence in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Undo `pack_sequence`: the list of sequences.

    >>> import pycore
    >>> rnn, t = pycore.nn.utils.rnn, pycore.tensor
    >>> rnn.unpack_sequence(rnn.pack_sequence([t([1, 2]), t([3])]))
    [tensor([1, 2]), tensor([3])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
