"""The recorded graph: what nodes are, hooks on saved tensors.

Knows the extension's engine; must not know operators.
"""

from __future__ import annotations

from collections import namedtuple

from .. import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "GradientEdge",
    "Node",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "save_on_cpu",
    "saved_tensors_hooks",
]

Node = _C._Node


class GradientEdge(namedtuple("GradientEdge", ("node", "output_nr"))):
    """Where a tensor's gradient goes: `(node, output_nr)`."""

    __slots__ = ()


def get_gradient_edge(tensor: _C.Tensor) -> GradientEdge:
    """The edge that the gradient of `tensor` takes.

    >>> import pycore
    >>> x = pycore.ones(1, requires_grad=True)
    >>> get_gradient_edge(x).node.name()
    'torch::autograd::AccumulateGrad'
    """
    if not tensor.requires_grad:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require gradients."
        )
    if tensor.grad_fn is None:
        node = tensor.view_as(tensor).grad_fn.next_functions[0][0]
        return GradientEdge(node, 0)
    return GradientEdge(tensor.grad_fn, tensor.output_nr)


class saved_tensors_hooks:
    """A context in which every tensor kept for backward goes through `pack_hook`, and through
    `unpack_hook` when backward asks for it.

    Args:
        pack_hook: takes a tensor, returns anything.
        unpack_hook: takes what `pack_hook` returned, returns a tensor of the same values.

    >>> import pycore
    >>> x = pycore.tensor([2.], requires_grad=True)
    >>> with saved_tensors_hooks(lambda t: t.tolist(), pycore.tensor):
    ...     y = x * x
    >>> y.backward()
    >>> x.grad
    tensor([4.])
    """

    def __init__(
        self, pack_hook: Callable[[_C.Tensor], Any], unpack_hook: Callable[[Any], _C.Tensor]
    ) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        _C._push_saved_tensors_hooks(self.pack_hook, self.unpack_hook)

    def __exit__(self, *exc: object) -> None:
        _C._pop_saved_tensors_hooks()


class save_on_cpu(saved_tensors_hooks):
    """Keeps saved tensors on the CPU, which here they are anyway: a copy is kept.

    >>> import pycore
    >>> x = pycore.ones(1, requires_grad=True)
    >>> with save_on_cpu():
    ...     y = x * x
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda t: t.clone(), lambda t: t)


class disable_saved_tensors_hooks:
    """A context in which `saved_tensors_hooks` raises RuntimeError with this message."""

    def __init__(self, error_message: str) -> None:
        self.message = error_message

    def __enter__(self) -> None:
        self.before = _C._refuse_saved_tensors_hooks(self.message)

    def __exit__(self, *exc: object) -> None:
        _C._refuse_saved_tensors_hooks(self.before)
