"""There is no MPS device: `is_available()` is False, what needs one raises."""

from __future__ import annotations

from ._absent import answering, refusing

globals().update(
    answering(
        __name__,
        {
            "is_available": False,
            "device_count": 0,
            "manual_seed": None,
            "manual_seed_all": None,
            "seed": None,
        },
    )
)
globals().update(
    refusing(
        __name__,
        "synchronize empty_cache current_device set_device get_rng_state set_rng_state "
        "current_allocated_memory driver_allocated_memory memory_allocated",
        "there is no MPS device: pycore runs on the CPU only",
    )
)
