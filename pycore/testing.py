"""Comparison of tensors in tests.

Knows tensors; must not know operators' derivatives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["assert_close"]

# (rtol, atol); exact for whatever is not floating.
_TOLERANCES = {
    _C.float16: (1e-3, 1e-5),
    _C.bfloat16: (1.6e-2, 1e-5),
    _C.float32: (1.3e-6, 1e-5),
    _C.float64: (1e-7, 1e-7),
}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raises AssertionError unless `abs(actual - expected) <= atol + rtol * abs(expected)` everywhere.

    Args:
        actual, expected: tensors, numbers, what `as_tensor` takes, or sequences or mappings of them.
        rtol, atol: both or neither; by default those of the dtype (float32: 1.3e-6 and 1e-5,
            float64: 1e-7 and 1e-7, bfloat16: 1.6e-2 and 1e-5, float16: 1e-3 and 1e-5, else 0).
        equal_nan: NaN equals NaN.
        check_dtype, check_stride: these must agree, too.
        msg: the message instead, or a function of it.

    >>> import pycore
    >>> assert_close(pycore.tensor([1.0, 2.0]), pycore.tensor([1.0, 2.000001]))
    >>> assert_close([1.0, 2.0], [1.0, 2.5])
    Traceback (most recent call last):
        ...
    AssertionError: Scalars are not close!
    <BLANKLINE>
    Expected 2.5 but got 2.0.
    Absolute difference: 0.5 (up to 1e-07 allowed)
    Relative difference: 0.2 (up to 1e-07 allowed)
    <BLANKLINE>
    The failure occurred for item [1]
    """
    if (rtol is None) != (atol is None):
        raise ValueError(
            f"rtol and atol must both be specified or both be unspecified, but got rtol={rtol} and "
            f"atol={atol}"
        )

    def compare(a: Any, e: Any, place: str) -> None:
        if _is_sequence(a) and _is_sequence(e):
            problem = _sequence_problem(a, e, place, compare)
        elif isinstance(a, Mapping) and isinstance(e, Mapping):
            problem = _mapping_problem(a, e, place, compare)
        else:
            problem = _leaf_problem(
                a, e, allow_subclasses, rtol, atol, equal_nan, check_dtype, check_stride
            )
        if problem:
            if place:
                problem += f"\n\nThe failure occurred for item {place}"
            if msg is not None:
                problem = msg(problem) if callable(msg) else msg
            raise AssertionError(problem)

    compare(actual, expected, "")


def _sequence_problem(a: Any, e: Any, place: str, compare: Callable[[Any, Any, str], None]) -> str:
    if len(a) != len(e):
        return f"The length of the sequences mismatch: {len(a)} != {len(e)}"
    for i, (x, y) in enumerate(zip(a, e, strict=True)):
        compare(x, y, f"{place}[{i}]")
    return ""


def _mapping_problem(a: Any, e: Any, place: str, compare: Callable[[Any, Any, str], None]) -> str:
    if set(a) != set(e):
        return (
            "The keys of the mappings do not match:\n"
            f"Missing keys in the actual mapping: {sorted(set(e) - set(a))}\n"
            f"Additional keys in the actual mapping: {sorted(set(a) - set(e))}"
        )
    for key in a:
        compare(a[key], e[key], f"{place}[{key!r}]")
    return ""


def _is_sequence(x: Any) -> bool:
    return isinstance(x, Sequence) and not isinstance(x, str)


def _leaf_problem(
    a: Any,
    e: Any,
    allow_subclasses: bool,
    rtol: float | None,
    atol: float | None,
    equal_nan: bool,
    check_dtype: bool,
    check_stride: bool,
) -> str:
    if a is None or e is None:
        return "" if a is e else f"None mismatch: {a} is not {e}"
    numbers = all(isinstance(x, (int, float)) for x in (a, e))
    if not numbers:
        related = isinstance(a, type(e)) or isinstance(e, type(a))
        if not related or (not allow_subclasses and type(a) is not type(e)):
            raise TypeError(
                f"No comparison pair was able to handle inputs of type {type(a)} and {type(e)}."
            )
    x = a if isinstance(a, _C.Tensor) else _tensor(a)
    y = e if isinstance(e, _C.Tensor) else _tensor(e)
    if x.shape != y.shape:
        return f"The values for attribute 'shape' do not match: {x.shape} != {y.shape}."
    if not numbers and check_dtype and x.dtype != y.dtype:
        return f"The values for attribute 'dtype' do not match: {x.dtype} != {y.dtype}."
    if check_stride and x.stride() != y.stride():
        return f"The values for attribute 'stride()' do not match: {x.stride()} != {y.stride()}."
    if rtol is None or atol is None:
        pairs = [_TOLERANCES.get(t.dtype, (0.0, 0.0)) for t in (x, y)]
        rtol, atol = (max(p[i] for p in pairs) for i in (0, 1))
    return _values_problem(x.detach(), y.detach(), rtol, atol, equal_nan, numbers)


def _tensor(x: Any) -> Any:
    return _C.tensor(x, dtype=_C.float64 if isinstance(x, float) else None)


def _values_problem(
    x: Any, y: Any, rtol: float, atol: float, equal_nan: bool, numbers: bool
) -> str:
    kind = _C.promote_types(x.dtype, y.dtype)
    x, y = x.to(kind), y.to(kind)
    close = _C.isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan)
    if bool(close.all()):
        return ""
    exact = rtol == 0 and atol == 0
    title = (
        f"{'Scalars' if numbers else 'Tensor-likes'} are not {'equal' if exact else 'close'}!\n\n"
    )
    wide_x, wide_y = (t.to(_C.float64) for t in (x, y))
    difference = (wide_x - wide_y).abs()
    relative = difference / wide_y.abs()

    def allowed(tolerance: float) -> str:
        return "" if exact else f" (up to {tolerance} allowed)"

    if numbers:
        return (
            f"{title}Expected {y.item()} but got {x.item()}.\n"
            f"Absolute difference: {difference.item()}{allowed(atol)}\n"
            f"Relative difference: {relative.item()}{allowed(rtol)}"
        )

    def greatest(name: str, values: Any, tolerance: float) -> str:
        values = values.masked_fill(close, 0)
        at = int(values.argmax())
        place, rest = [], at
        for size in reversed(values.shape):
            rest, index = divmod(rest, size)
            place.insert(0, index)
        where = f" at index {tuple(place)}" if values.dim() else ""
        return (
            f"Greatest {name} difference: {values.flatten()[at].item()}{where}{allowed(tolerance)}"
        )

    wrong, total = int((~close).sum()), close.numel()
    return (
        f"{title}Mismatched elements: {wrong} / {total} ({wrong / total:.1%})\n"
        f"{greatest('absolute', difference, atol)}\n{greatest('relative', relative, rtol)}"
    )
