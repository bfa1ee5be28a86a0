"""`pycore.func`: modules as functions of their parameters.

Knows `nn.utils.stateless`; must not know how modules compute. Of PyTorch's `torch.func` it has
`functional_call` only: there are no function transforms.
"""

from __future__ import annotations

from .nn.utils.stateless import _functional_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from . import Tensor
    from .nn import Module

__all__ = ["functional_call"]


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: dict[str, Tensor] | Sequence[dict[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module as if it had other parameters and buffers; gradients flow to those.

    Args:
        parameter_and_buffer_dicts: tensors by dotted name, in one dictionary or several with
            different keys; names that are left out keep the module's own tensors. A buffer that
            `forward` replaces is replaced in the dictionary.
        args: one argument of `forward`, or a tuple of them.
        tie_weights: a tensor that the module has under several names is replaced under all.
        strict: every parameter and buffer must be given, and nothing else.

    Raises ValueError for keys given twice or tied keys with different values, RuntimeError for
    wrong keys with `strict`.

    >>> import pycore
    >>> m = pycore.nn.Linear(2, 1, bias=False)
    >>> pycore.func.functional_call(m, {"weight": pycore.ones(1, 2)}, pycore.ones(1, 2))
    tensor([[2.]])
    """
    if isinstance(parameter_and_buffer_dicts, dict):
        given = parameter_and_buffer_dicts
    elif isinstance(parameter_and_buffer_dicts, (list, tuple)):
        if not all(isinstance(part, dict) for part in parameter_and_buffer_dicts):
            raise ValueError(
                "Expected all elements of parameter_and_buffer_dicts to be dictionaries"
            )
        keys = [key for part in parameter_and_buffer_dicts for key in part]
        repeated = [key for key in dict.fromkeys(keys) if keys.count(key) > 1]
        if repeated:
            raise ValueError(
                f"{repeated} appeared in multiple dictionaries; behavior of functional call is "
                "ambiguous"
            )
        given = {key: value for part in parameter_and_buffer_dicts for key, value in part.items()}
    else:
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, "
            f"but got {type(parameter_and_buffer_dicts)}"
        )
    return _functional_call(module, given, args, kwargs, tie_weights=tie_weights, strict=strict)
