"""All parameters as one vector, and back.

Knows tensors; must not know modules.
"""

from __future__ import annotations

from ... import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

Tensor = _C.Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Flatten and join parameters, differentiably.

    >>> import pycore
    >>> pycore.nn.utils.parameters_to_vector([pycore.zeros(2, 2), pycore.ones(1)])
    tensor([0., 0., 0., 0., 1.])
    """
    return _C.cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Cut a vector into pieces of the parameters' shapes; they become views of it.

    >>> import pycore
    >>> p = pycore.nn.Parameter(pycore.zeros(2))
    >>> pycore.nn.utils.vector_to_parameters(pycore.tensor([1.0, 2.0]), [p])
    >>> p.data
    tensor([1., 2.])
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    start = 0
    for parameter in parameters:
        stop = start + parameter.numel()
        parameter.data = vec[start:stop].view_as(parameter).data
        start = stop
