"""Calling a module with other parameters and buffers than its own.

Knows modules and their tables; must not know what they compute.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager

from ... import _C
from ..modules.module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

Tensor = _C.Tensor

__all__ = ["functional_call"]

_ABSENT: Any = object()


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Deprecated place of `pycore.func.functional_call`.

    >>> import pycore, warnings
    >>> m, one = pycore.nn.Linear(2, 1, bias=False), {"weight": pycore.ones(1, 2)}
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     pycore.nn.utils.stateless.functional_call(m, one, pycore.ones(1, 2))
    tensor([[2.]])
    """
    warnings.warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch "
        "2.0 and will be removed in a future version of PyTorch. "
        "Please use `torch.func.functional_call` instead which is a drop-in replacement.",
        FutureWarning,
        stacklevel=2,
    )
    return _functional_call(
        module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict
    )


def _functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    with _reparametrize_module(module, parameters_and_buffers, tie_weights, strict):
        return module(*args, **(kwargs or {}))


@contextmanager
def _reparametrize_module(
    module: Module, given: dict[str, Tensor], tie_weights: bool = False, strict: bool = False
) -> Iterator[None]:
    """The module holds the given tensors inside of the block, and its own ones again after it.

    Tensors that `forward` puts in the place of given ones are written back to `given`.
    """
    tensors = _with_tied_names(module, given) if tie_weights else given
    if strict:
        _check_names(module, tensors)
    own: dict[str, Any] = {}
    try:
        for name, tensor in tensors.items():
            own[name] = _swap(module, name, tensor)
        yield
    finally:
        for name, tensor in own.items():
            left = _swap(module, name, tensor)
            if name in given and left is not _ABSENT:
                given[name] = left


def _named_tensors(module: Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters(remove_duplicate=False)
    yield from module.named_buffers(remove_duplicate=False)


def _with_tied_names(module: Module, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """A tensor that the module holds under several names is replaced under all of them."""
    names_of: dict[int, list[str]] = {}
    for name, tensor in _named_tensors(module):
        names_of.setdefault(id(tensor), []).append(name)
    result = dict(given)
    for names in names_of.values():
        named = [name for name in names if name in given]
        if len(names) < 2 or not named:
            continue
        if len({id(given[name]) for name in named}) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(names)}, which are tied. "
                "Consider using tie_weights=False"
            )
        result.update(dict.fromkeys(names, given[named[0]]))
    return result


def _check_names(module: Module, given: dict[str, Tensor]) -> None:
    names = {name for name, _ in _named_tensors(module)}
    problems = []
    for kind, wrong in (("Unexpected", set(given) - names), ("Missing", names - set(given))):
        if wrong:
            problems.append(f"{kind} key(s): {', '.join(map(repr, sorted(wrong)))}.")
    if problems:
        text = "\n\t".join(problems)
        raise RuntimeError(f"Error(s) in reparametrizing for {module._get_name()}:\n\t{text}")


def _swap(module: Module, path: str, tensor: Any) -> Any:
    """Put a tensor at a dotted path and return what was there; `_ABSENT` stands for nothing."""
    owner_path, _, name = path.rpartition(".")
    owner: Any = module
    for part in owner_path.split(".") if owner_path else ():
        if not hasattr(owner, part):
            raise AttributeError(f"{owner._get_name()} has no attribute `{part}`")
        owner = getattr(owner, part)
        if not isinstance(owner, Module):
            raise TypeError(
                f"submodule `{owner_path}`: {owner} is not an instance of torch.nn.Module"
            )
    if tensor is not _ABSENT and tensor is not None and not isinstance(tensor, Tensor):
        raise TypeError(f"{tensor} is not an instance of torch.Tensor")
    if name == "":
        raise KeyError('tensor name can\'t be empty string ""')
    for table in (owner._parameters, owner._buffers):
        if name in table:
            before = table[name]
            if tensor is _ABSENT:
                del table[name]
            else:
                table[name] = tensor
            return before
    before = getattr(owner, name, _ABSENT)
    if before is not _ABSENT and before is not None and not isinstance(before, Tensor):
        raise TypeError(f"attribute `{name}`: {before} is not an instance of torch.Tensor")
    if tensor is not _ABSENT:
        setattr(owner, name, tensor)
    elif before is not _ABSENT:
        delattr(owner, name)
    return before
