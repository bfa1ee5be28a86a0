"""Mixed precision: there is none on this CPU. `autocast` for a device that is absent does nothing, as in
PyTorch, and for the CPU says that it is not available; `GradScaler` scales losses as PyTorch's does.

Knows optimizers by their `param_groups` only.
"""

from __future__ import annotations

import functools
import warnings
from collections import defaultdict

from . import _C
from .autograd import no_grad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

__all__ = [
    "GradScaler",
    "autocast",
    "clear_autocast_cache",
    "custom_bwd",
    "custom_fwd",
    "get_autocast_dtype",
    "is_autocast_available",
    "is_autocast_enabled",
]


class autocast:
    """A context, and a decorator, in which PyTorch would run operators in a smaller dtype.

    Args:
        device_type: "cuda" and other absent devices: a warning, and nothing changes. "cpu": raises
            NotImplementedError unless `enabled=False`.
        dtype, cache_enabled: accepted.

    >>> import pycore
    >>> with autocast("cpu", enabled=False):
    ...     (pycore.ones(1) + 1).dtype
    pycore.float32
    """

    def __init__(
        self,
        device_type: str,
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(
                f"Expected `device_type` of type `str`, got: `{type(device_type).__name__}`"
            )
        self.device = _C.device(device_type).type
        if enabled and self.device == "cpu":
            raise NotImplementedError(
                "autocast: mixed precision is not available on the CPU; pass enabled=False, or convert "
                "the model with .to(bfloat16)"
            )
        if enabled:
            warnings.warn(
                f"{self.device.upper()} is not available. Disabling autocast.", stacklevel=2
            )
        self._enabled = False
        self.fast_dtype = get_autocast_dtype(self.device) if dtype is None else dtype

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def is_autocast_available(device_type: str) -> bool:
    """False: see `autocast`."""
    return False


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """False: see `autocast`."""
    return False


def is_autocast_cpu_enabled() -> bool:
    """False: see `autocast`."""
    return False


def get_autocast_dtype(device_type: str) -> Any:
    """The dtype that autocast would use on such a device.

    >>> get_autocast_dtype("cpu")
    pycore.bfloat16
    """
    return _C.float16 if device_type in ("cuda", "mps") else _C.bfloat16


def get_autocast_gpu_dtype() -> Any:
    """The dtype that autocast would use on CUDA."""
    return get_autocast_dtype("cuda")


def get_autocast_cpu_dtype() -> Any:
    """The dtype that autocast would use on the CPU."""
    return get_autocast_dtype("cpu")


def clear_autocast_cache() -> None:
    """There is no cache."""


def custom_fwd(fwd: Any = None, *, device_type: str = "cuda", cast_inputs: Any = None) -> Any:
    """A decorator for `forward` of an `autograd.Function`; without autocast it changes nothing."""
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)
    return fwd


def custom_bwd(bwd: Any = None, *, device_type: str = "cuda") -> Any:
    """A decorator for `backward` of an `autograd.Function`; without autocast it changes nothing."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)
    return bwd


_READY, _UNSCALED, _STEPPED = range(3)


class GradScaler:
    """Multiplies losses by a scale that keeps small gradients from vanishing in a small dtype, and
    leaves a step out when a gradient is not finite (Micikevicius et al., 2018).

    Args:
        device: an absent one disables the scaler, with a warning.
        init_scale: the scale to begin with.
        growth_factor: what the scale is multiplied with after `growth_interval` steps without
            infinities in a row.
        backoff_factor: what it is multiplied with after a step with one.
        enabled: if False, all methods pass through.

    >>> import pycore
    >>> w = pycore.ones(1, requires_grad=True)
    >>> optimizer = pycore.optim.SGD([w], lr=1.0)
    >>> scaler = GradScaler("cpu", init_scale=4.0)
    >>> scaler.scale((w * 0.5).sum()).backward()
    >>> w.grad
    tensor([2.])
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> w
    tensor([0.5000], requires_grad=True)
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = device
        if enabled and _C.device(device).type != "cpu":
            warnings.warn(
                f"GradScaler is enabled for {device!r}, which is not available. Disabling.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        if not enabled:
            return
        if growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._scale = float(init_scale)
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._growth_tracker = 0
        self._begin()

    def _begin(self) -> None:
        self._stages: dict[int, int] = defaultdict(lambda: _READY)
        self._infinite: dict[int, bool] = {}

    def scale(self, outputs: Any) -> Any:
        """The tensor, or list or tuple of tensors, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, _C.Tensor):
            return outputs * self._scale
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(self.scale(output) for output in outputs)
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def unscale_(self, optimizer: Any) -> None:
        """Divides the gradients of the optimizer's parameters by the scale, once per step."""
        if not self._enabled:
            return
        stage = self._stages[id(optimizer)]
        if stage == _UNSCALED:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if stage == _STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        infinite = False
        with no_grad():
            for grad in _gradients(optimizer):
                infinite |= not bool(_C.isfinite(grad).all())
                grad.mul_(1.0 / self._scale)
        self._infinite[id(optimizer)] = infinite
        self._stages[id(optimizer)] = _UNSCALED

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """`optimizer.step(...)`, unless a gradient is infinite or NaN."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        stage = self._stages[id(optimizer)]
        if stage == _STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if stage == _READY:
            self.unscale_(optimizer)
        self._stages[id(optimizer)] = _STEPPED
        return None if self._infinite[id(optimizer)] else optimizer.step(*args, **kwargs)

    def update(self, new_scale: Any = None) -> None:
        """Changes the scale by what the steps since the last update found, or to `new_scale`."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        else:
            if not self._infinite:
                raise AssertionError("No inf checks were recorded prior to update.")
            if any(self._infinite.values()):
                self._scale *= self._backoff_factor
                self._growth_tracker = 0
            else:
                self._growth_tracker += 1
                if self._growth_tracker == self._growth_interval:
                    self._scale *= self._growth_factor
                    self._growth_tracker = 0
        self._begin()

    def get_scale(self) -> float:
        """The scale; 1.0 if disabled."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """The growth factor."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Sets the growth factor."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """The backoff factor."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Sets the backoff factor."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """The growth interval."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Sets the growth interval."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether anything is scaled."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes; empty if disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores what `state_dict` returned; RuntimeError for the state of a disabled scaler."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled "
                "instance of GradScaler."
            )
        self._scale = state_dict["scale"]
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]


def _gradients(optimizer: Any) -> Iterable[Any]:
    for group in optimizer.param_groups:
        for p in group["params"]:
            if p.grad is not None:
                yield p.grad
