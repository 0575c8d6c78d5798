"""The cores of the machine."""

from __future__ import annotations

import os

# What TensorFlow reads when it starts: how many threads work on one operation.
THREADS = "TF_NUM_INTRAOP_THREADS"


def available_cores() -> int:
    """How many cores this process may use.

    >>> available_cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
