"""Small functions of shapes and positions.

Knows integers and tensors; must not know other composites.
"""

from __future__ import annotations

import builtins

from .. import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor


def broadcast_shapes(*shapes: Any) -> Any:
    """The shape that tensors of these shapes broadcast to.

    >>> import pycore
    >>> pycore.broadcast_shapes((2, 1), (3,))
    pycore.Size([2, 3])
    """
    shapes = tuple((s,) if isinstance(s, int) else tuple(s) for s in shapes)
    out = [1] * max(map(len, shapes), default=0)
    for shape in shapes:
        for k, size in enumerate(reversed(shape)):
            if size < 0:
                raise RuntimeError(
                    f"Trying to create tensor with negative dimension ({size}): ({size})"
                )
            have = out[-1 - k]
            if size not in (1, have):
                if have != 1:
                    raise RuntimeError(
                        "Shape mismatch: objects cannot be broadcast to a single shape; got "
                        f"{', '.join(map(str, shapes))}"
                    )
                out[-1 - k] = size
    return _C.Size(out)


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Flat positions in a tensor of `shape` as one index tensor per dimension.

    >>> import pycore
    >>> pycore.unravel_index(pycore.tensor([4, 1]), (2, 3))
    (tensor([1, 0]), tensor([1, 1]))
    """
    if not isinstance(indices, Tensor) or indices.is_floating_point() or indices.dtype == _C.bool:
        kind = indices.dtype if isinstance(indices, Tensor) else type(indices)
        raise ValueError(f"expected 'indices' to be integer dtype, but got {kind}")
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    for size in shape:
        if not isinstance(size, int):
            raise TypeError(f"expected 'shape' elements to be int, but got {type(size)}")
        if size < 0:
            raise ValueError(f"'shape' cannot have negative values, but got {shape}")
    out = []
    step = 1
    for size in reversed(shape):
        out.append(indices.div(step, rounding_mode="floor") % max(size, 1))
        step *= size
    return tuple(reversed(out))


def expand_copy(input: Tensor, size: Any, *, implicit: Any = False) -> Tensor:
    """:meth:`Tensor.expand` with memory of its own.

    >>> import pycore
    >>> pycore.expand_copy(pycore.tensor([1]), (2,))
    tensor([1, 1])
    """
    return input.expand(size).clone()


def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor of the shape and dtype of `input`, filled with `value`.

    >>> import pycore
    >>> pycore.fill(pycore.zeros(2), 3)
    tensor([3., 3.])
    """
    return input.clone().fill_(value)


def range(start: Any = 0, end: Any = None, step: Any = 1, **options: Any) -> Tensor:
    """As `arange`, but with the end included; kept because old programs use it.

    >>> import pycore
    >>> pycore.range(1, 3)
    tensor([1., 2., 3.])
    """
    if end is None:
        raise TypeError('range() missing 1 required positional arguments: "end"')
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    options.setdefault("dtype", _C.get_default_dtype())
    count = builtins.int((end - start) / step) + 1
    return (_C.arange(count, dtype=_C.float64) * step + start).to(options.pop("dtype"))
