"""Sequences of different lengths in one tensor.

Knows tensors; must not know recurrent layers.
"""

from __future__ import annotations

from ... import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

Tensor = _C.Tensor

__all__ = ["pad_sequence", "unpad_sequence"]


def pad_sequence(
    sequences: Sequence[Tensor],
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
    rows = sequences.unbind(0) if isinstance(sequences, Tensor) else list(sequences)
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
