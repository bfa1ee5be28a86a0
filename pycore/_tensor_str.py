"""How tensors print: number formats, summarising, suffixes, and the options that govern them.

Uses only methods that tensors have in public, and reads no more of a big tensor than it shows.
"""

from __future__ import annotations

import math
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["get_printoptions", "set_printoptions", "tensor_str"]


class PrintOptions:
    """What :func:`set_printoptions` sets; one instance governs the process."""

    # Not a dataclass: importing dataclasses costs more than this whole module.
    def __init__(self) -> None:
        self.precision = 4
        self.threshold: float = 1000
        self.edgeitems = 3
        self.linewidth = 80
        self.sci_mode: bool | None = None


_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}

PRINT_OPTS = PrintOptions()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Sets how tensors print.

    Args:
        precision: digits after the decimal point (4).
        threshold: tensors of more elements than this are summarised (1000).
        edgeitems: how many items a summary shows at each end of a dimension (3).
        linewidth: characters of a line (80).
        profile: ``"default"``, ``"short"`` or ``"full"``: values for all of the above, which the
            other arguments then override.
        sci_mode: scientific notation always or never; ``None`` decides by the numbers. Every call
            sets it.

    Example:
        >>> import pycore
        >>> pycore.set_printoptions(precision=2)
        >>> pycore.tensor([1.23456])
        tensor([1.23])
        >>> pycore.set_printoptions(profile="default")
    """
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(
                f"set_printoptions: unknown profile; got {profile!r}; "
                f"expected one of {[*_PROFILES]}"
            )
        for name, value in _PROFILES[profile].items():
            setattr(PRINT_OPTS, name, value)
    if precision is not None:
        PRINT_OPTS.precision = precision
    if threshold is not None:
        PRINT_OPTS.threshold = threshold
    if edgeitems is not None:
        PRINT_OPTS.edgeitems = edgeitems
    if linewidth is not None:
        PRINT_OPTS.linewidth = linewidth
    PRINT_OPTS.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The current print options as a dictionary.

    Example:
        >>> import pycore
        >>> pycore._tensor_str.get_printoptions()["precision"]
        4
    """
    return dict(vars(PRINT_OPTS))


# -- numbers ---------------------------------------------------------------------------------------


def _leaves(values: Any) -> Iterator[Any]:
    if isinstance(values, list):
        for value in values:
            yield from _leaves(value)
    else:
        yield values


class _NumberFormat:
    """One format, and one width, for all numbers that a print shows."""

    def __init__(self, values: Any, floating: bool) -> None:
        self.floating = floating
        self.whole = True  # floating, but every number is an integer: "3." instead of "3.0000"
        self.scientific = False
        self.width = 1
        if floating:
            self._fit_floats([x for x in _leaves(values) if x != 0 and math.isfinite(x)])
        else:
            self.width = max((len(str(x)) for x in _leaves(values)), default=1)

    def _fit_floats(self, numbers: list[float]) -> None:
        # Zeros, infinities and NaN have no say in the format, and none in the width either.
        if not numbers:
            return
        largest = max(map(abs, numbers))
        smallest = min(map(abs, numbers))
        self.whole = all(x.is_integer() for x in numbers)
        if PRINT_OPTS.sci_mode is not None:
            self.scientific = PRINT_OPTS.sci_mode
        else:
            self.scientific = (
                _ratio(largest, smallest) > 1000.0
                or largest > 1.0e8
                or (not self.whole and smallest < 1.0e-4)
            )
        self.width = max(len(self._text(x)) for x in numbers)

    def _text(self, x: Any) -> str:
        if not self.floating:
            return str(x)
        if self.scientific:
            return f"{x:.{PRINT_OPTS.precision}e}"
        if self.whole:
            return f"{x:.0f}." if math.isfinite(x) else f"{x:.0f}"
        return f"{x:.{PRINT_OPTS.precision}f}"

    def __call__(self, x: Any) -> str:
        return self._text(x).rjust(self.width)


def _ratio(a: float, b: float) -> float:
    try:
        return a / b
    except OverflowError:
        return math.inf


# -- brackets --------------------------------------------------------------------------------------


def _shown(tensor: Any, edge: int, dim: int = 0) -> Any:
    """The elements a summary shows, as nested lists: both ends of every long dimension."""
    if dim == tensor.dim():
        return tensor.tolist()
    size = tensor.size(dim)
    if size <= 2 * edge:
        return _shown(tensor, edge, dim + 1)
    head = _shown(tensor.narrow(dim, 0, edge), edge, dim + 1)
    tail = _shown(tensor.narrow(dim, size - edge, edge), edge, dim + 1)
    return _join(head, tail, dim)


def _join(head: list[Any], tail: list[Any], depth: int) -> list[Any]:
    if depth == 0:
        return head + tail
    return [_join(a, b, depth - 1) for a, b in zip(head, tail, strict=True)]


class _Layout:
    """Brackets, commas and line breaks around the numbers."""

    def __init__(self, number: _NumberFormat, shape: tuple[int, ...], edge: int | None) -> None:
        self.number = number
        self.shape = shape
        self.edge = edge  # None: everything is shown

    def _cut(self, depth: int) -> bool:
        return self.edge is not None and self.shape[depth] > 2 * self.edge

    def __call__(self, values: Any, indent: int, depth: int = 0) -> str:
        if not self.shape:
            return self.number(values)
        if depth == len(self.shape) - 1:
            return self._row(values, indent, depth)
        rows = [self(value, indent + 1, depth + 1) for value in values]
        if self._cut(depth):
            rows.insert(self.edge or 0, "...")
        gap = "\n" * (len(self.shape) - depth - 1) + " " * (indent + 1)
        return f"[{(',' + gap).join(rows)}]"

    def _row(self, values: list[Any], indent: int, depth: int) -> str:
        texts = [self.number(value) for value in values]
        if self._cut(depth):
            texts.insert(self.edge or 0, " ..." if self.edge else "...")
        per_line = max(1, (PRINT_OPTS.linewidth - indent) // (self.number.width + 2))
        lines = [", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line)]
        return f"[{(',' + chr(10) + ' ' * (indent + 1)).join(lines)}]"


def _contents(tensor: Any, indent: int) -> str:
    edge = PRINT_OPTS.edgeitems if tensor.numel() > PRINT_OPTS.threshold else None
    shape = tuple(tensor.shape)
    if edge is None:
        values = tensor.tolist()
    elif edge == 0 and shape:
        values = []
    else:
        values = _shown(tensor, edge)
    number = _NumberFormat(values, tensor.is_floating_point())
    return _Layout(number, shape, edge)(values, indent)


# -- the whole -------------------------------------------------------------------------------------


def _suffixes(tensor: Any) -> list[str]:
    from . import bool as bool_, get_default_dtype, int64

    suffixes = []
    if tensor.device.type != "cpu":
        suffixes.append(f"device='{tensor.device}'")
    default = get_default_dtype()
    if not PRINT_OPTS.edgeitems and tensor.numel():
        suffixes.append(f"size={tuple(tensor.shape)}")  # a summary without edges shows no shape
    if tensor.numel() == 0:
        if tensor.dim() != 1:
            suffixes.append(f"size={tuple(tensor.shape)}")
        # There is no element to tell an integer from a float by.
        if tensor.dtype != default:
            suffixes.append(f"dtype={tensor.dtype}")
    elif tensor.dtype not in (default, int64, bool_):
        suffixes.append(f"dtype={tensor.dtype}")
    try:
        node = tensor.grad_fn
        node_name = None if node is None else node.name().rsplit("::", 1)[-1]
    except RuntimeError:
        # A view whose base was changed behind autograd's back has no valid node, but must print.
        node_name = "Invalid"
    if node_name is not None:
        suffixes.append(f"grad_fn=<{node_name}>")
    elif tensor.requires_grad:
        suffixes.append("requires_grad=True")
    return suffixes


def _append(text: str, suffixes: list[str], indent: int) -> str:
    parts = [text]
    used = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if used + len(suffix) + 2 > PRINT_OPTS.linewidth:
            parts.append(f",\n{' ' * indent}{suffix}")
            used = indent + len(suffix)
        else:
            parts.append(f", {suffix}")
            used += len(suffix) + 2
    return "".join([*parts, ")"])


def tensor_str(self: Any, *, tensor_contents: str | None = None) -> str:
    """The ``repr`` of a tensor; ``tensor_contents`` replaces the part in brackets.

    Example:
        >>> import pycore
        >>> pycore._tensor_str.tensor_str(pycore.ones(2, dtype=pycore.float64))
        'tensor([1., 1.], dtype=pycore.float64)'
    """
    from . import Tensor

    # Without the nn package nobody can have made a Parameter.
    parameters = sys.modules.get("pycore.nn.parameter")
    Parameter = parameters.Parameter if parameters else ()
    plain = type(self) is Tensor or type(self) is Parameter
    prefix = "tensor(" if plain else f"{type(self).__name__}("
    indent = len(prefix)
    if tensor_contents is None:
        tensor_contents = "[]" if self.numel() == 0 else _contents(self.detach(), indent)
    text = _append(prefix + tensor_contents, _suffixes(self), indent)
    # A subclass wrapped by Parameter() stays its own type and only answers as a Parameter.
    return f"Parameter({text})" if not plain and isinstance(self, Parameter) else text
