"""What TensorFlow knows of the devices that it computes on."""

from __future__ import annotations

from contextlib import suppress
from functools import cache


def memory_limits(kind: str) -> list[int]:
    """The bytes that TensorFlow may take of each device of a kind, ``"CPU"`` or ``"GPU"``.

    TensorFlow starts its devices for that.

    Raises:
        ImportError: TensorFlow has moved the name.
    """
    from tensorflow.python.client import device_lib

    devices = device_lib.list_local_devices()
    return [int(each.memory_limit) for each in devices if each.device_type == kind]


@cache
def gpu_bytes() -> int | None:
    """The bytes that TensorFlow may take of the smallest GPU; ``None`` without one, or if unknown.

    No public name says it: `tf.config` tells what is taken, not what there is.
    """
    import tensorflow as tf

    if tf.config.get_visible_devices("GPU"):
        with suppress(Exception):  # of whatever came in its place
            return min(memory_limits("GPU"))
    return None
