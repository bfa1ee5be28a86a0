"""Models on several devices: there is one, so a model is called straight.

Knows modules; must not know layers.
"""

from __future__ import annotations

from .modules.module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel"]


class DataParallel(Module):
    """Calls its module; the state dict's keys begin with `module.`, as they do in PyTorch.

    Args:
        module: the model, a child named `module`.
        device_ids, output_device, dim: accepted without effect.

    >>> import pycore
    >>> net = pycore.nn.DataParallel(pycore.nn.Linear(2, 3))
    >>> net(pycore.zeros(4, 2)).shape, list(net.state_dict())
    (pycore.Size([4, 3]), ['module.weight', 'module.bias'])
    """

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list[Any] = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Any = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """Call a module on one argument or a tuple of them; the devices are accepted without effect.

    >>> import pycore
    >>> pycore.nn.parallel.data_parallel(pycore.nn.ReLU(), pycore.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    if not isinstance(inputs, tuple):
        inputs = () if inputs is None else (inputs,)
    return module(*inputs, **(module_kwargs or {}))


class DistributedDataParallel(Module):
    """Raises RuntimeError: there are no process groups.

    >>> import pycore
    >>> pycore.nn.parallel.DistributedDataParallel(pycore.nn.ReLU())
    Traceback (most recent call last):
    RuntimeError: DistributedDataParallel: there are no process groups; use the module itself
    """

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(
            "DistributedDataParallel: there are no process groups; use the module itself"
        )
