"""Arguments and modules of PyTorch's own test samples as pycore's: same values, same types.

Knows both libraries; must not hold samples or comparisons.
"""

from __future__ import annotations

import contextlib
import dataclasses
from functools import wraps
from typing import Any

import torch

import pycore

# How a module was made, for building the same one in pycore.
_MADE_BY = "_made_by"


@contextlib.contextmanager
def recorded_constructors():
    """Modules of torch.nn that are made inside remember the arguments of their constructor."""
    kept = {}
    for name in torch.nn.modules.__all__:
        cls = getattr(torch.nn, name)
        if isinstance(cls, type) and issubclass(cls, torch.nn.Module) and "__init__" in vars(cls):
            kept[cls] = cls.__init__

    def recording(original):
        @wraps(original)
        def init(self, *args, **kwargs):
            self.__dict__.setdefault(_MADE_BY, (args, kwargs))  # the outermost constructor's
            original(self, *args, **kwargs)

        return init

    for cls, original in kept.items():
        cls.__init__ = recording(original)
    try:
        yield
    finally:
        for cls, original in kept.items():
            cls.__init__ = original


def tensor(value: torch.Tensor) -> pycore.Tensor:
    """The same values, strides, dtype and requires_grad, in memory of its own."""
    plain = value.detach()
    dtype = getattr(pycore, str(value.dtype).removeprefix("torch."))
    span = 1 + sum((n - 1) * s for n, s in zip(plain.shape, plain.stride(), strict=True))
    if plain.numel() == 0:
        out = pycore.empty(plain.shape, dtype=dtype)
    elif plain.dtype == torch.bfloat16:  # NumPy has none; float32 holds every value of it
        flat = pycore.from_numpy(plain.as_strided((span,), (1,)).float().numpy().copy())
        out = flat.to(dtype).as_strided(plain.shape, plain.stride())
    else:
        flat = pycore.from_numpy(plain.as_strided((span,), (1,)).numpy().copy())
        out = flat.as_strided(plain.shape, plain.stride())
    if isinstance(value, torch.nn.Parameter):
        return pycore.nn.Parameter(out, value.requires_grad)
    return out.requires_grad_(value.requires_grad) if value.is_leaf else out


def module(value: torch.nn.Module) -> pycore.nn.Module:
    """A module of the same class, made by the same arguments, with the same state and mode."""
    args, kwargs = value.__dict__[_MADE_BY]
    cls = getattr(pycore.nn, type(value).__name__)
    ours = cls(*convert(args), **convert(kwargs))
    ours.load_state_dict(convert(value.state_dict()))
    return ours.train(value.training)


def convert(value: Any, known: dict[int, Any] | None = None) -> Any:
    """Everything inside `value` that is torch's, as pycore's; one object stays one object."""
    known = {} if known is None else known
    if isinstance(value, (torch.Tensor, torch.nn.Module)):
        if id(value) not in known:
            make = tensor if isinstance(value, torch.Tensor) else module
            known[id(value)] = make(value)
        return known[id(value)]
    if isinstance(value, torch.dtype):
        return getattr(pycore, str(value).removeprefix("torch."))
    if isinstance(value, torch.device):
        return pycore.device(str(value))
    if isinstance(value, torch.nn.utils.rnn.PackedSequence):
        return pycore.nn.utils.rnn.PackedSequence(*(convert(part, known) for part in value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return getattr(pycore.nn, type(value).__name__)(**convert(fields, known))
    if isinstance(value, dict):
        return {key: convert(entry, known) for key, entry in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return tuple(convert(entry, known) for entry in value)
    if isinstance(value, (list, tuple)):
        return type(value)(convert(entry, known) for entry in value)
    if dataclasses.is_dataclass(value) and type(value).__module__.startswith("torch."):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
        return getattr(pycore.nn, type(value).__name__)(**convert(fields, known))
    name = getattr(value, "__name__", "")
    if isinstance(value, type) and issubclass(value, torch.nn.Module):
        return getattr(pycore.nn, name)
    if callable(value) and name:
        for theirs, ours in ((torch.nn.functional, pycore.nn.functional), (torch, pycore)):
            if getattr(theirs, name, None) is value:
                return getattr(ours, name)
    return value


def tensors(value: Any) -> list[Any]:
    """The tensors inside `value`, of either library, in order."""
    if isinstance(value, (torch.Tensor, pycore.Tensor)):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return []
    return [leaf for entry in value for leaf in tensors(entry)]
