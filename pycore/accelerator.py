"""The accelerator of the machine, whatever it is: none."""

from __future__ import annotations

from ._absent import answering, refusing

globals().update(
    answering(
        __name__,
        {
            "is_available": False,
            "device_count": 0,
            "current_accelerator": None,
            "empty_cache": None,
        },
    )
)
globals().update(
    refusing(
        __name__,
        "current_device_index current_device_idx set_device_index set_device_idx synchronize "
        "current_stream set_stream",
        "there is no accelerator: pycore runs on the CPU only",
    )
)
