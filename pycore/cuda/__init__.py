"""There is no CUDA: `is_available()` is False, counts are 0, what needs a device raises.

Must not pretend that work happens elsewhere.
"""

from __future__ import annotations

from .._absent import answering, refusing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MESSAGE = "Torch not compiled with CUDA enabled: pycore runs on the CPU only"

# What programs ask on any machine, and what they do before they know whether there is a device.
globals().update(
    answering(
        __name__,
        {
            "is_available": False,
            "is_initialized": False,
            "is_bf16_supported": False,
            "is_tf32_supported": False,
            "device_count": 0,
            "get_arch_list": [],
            "empty_cache": None,
            "manual_seed": None,
            "manual_seed_all": None,
            "seed": None,
            "seed_all": None,
            "get_rng_state_all": [],
            "memory_allocated": 0,
            "max_memory_allocated": 0,
            "memory_reserved": 0,
            "max_memory_reserved": 0,
            "memory_cached": 0,
            "max_memory_cached": 0,
            "memory_stats": {},
        },
    )
)
globals().update(
    refusing(
        __name__,
        "init current_device set_device get_device_name get_device_capability get_device_properties "
        "synchronize mem_get_info get_rng_state set_rng_state initial_seed current_stream "
        "default_stream set_stream ipc_collect can_device_access_peer reset_peak_memory_stats "
        "reset_max_memory_allocated reset_max_memory_cached memory_summary memory_snapshot "
        "set_per_process_memory_fraction utilization temperature power_draw clock_rate "
        "is_current_stream_capturing current_blas_handle graph_pool_handle",
        _MESSAGE,
    )
)


def set_rng_state_all(new_states: Any) -> None:
    """Sets the state of every device, of which there are none; raises if there is a state to set."""
    if len(new_states):
        raise AssertionError(_MESSAGE)


class device:
    """The context that selects a device; refused when it is entered."""

    def __init__(self, device: Any) -> None:
        self.idx = device

    def __enter__(self) -> None:
        if self.idx is not None and self.idx != -1:
            raise AssertionError(_MESSAGE)

    def __exit__(self, *exc: object) -> None:
        pass


class _Absent:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(f"pycore.cuda.{type(self).__name__} requires CUDA support")


class Stream(_Absent):
    """Raises RuntimeError."""


class ExternalStream(Stream):
    """Raises RuntimeError."""


class Event(_Absent):
    """Raises RuntimeError."""


class CUDAGraph(_Absent):
    """Raises RuntimeError."""


class OutOfMemoryError(RuntimeError):
    """For `except` clauses; never raised, since no device can run out of memory."""


def __getattr__(name: str) -> Any:
    if name == "amp":
        from importlib import import_module

        return import_module(f"{__name__}.amp")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
