"""The machine: its processor, its cores, its caches."""

from __future__ import annotations

import os
import platform
from pathlib import Path

# What TensorFlow reads when it starts: how many threads work on one operation.
THREADS = "TF_NUM_INTRAOP_THREADS"
DEFAULT_CACHE = 16 << 20  # bytes, where the system does not tell


def available_cores() -> int:
    """How many cores this process may use.

    >>> available_cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """The processor by name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def cache_bytes() -> int:
    """The size of the last-level cache, or a usual one where the system does not tell."""
    sizes = []
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = path.read_text().strip()
        if text.endswith("K") and text[:-1].isdigit():
            sizes.append(int(text[:-1]) << 10)
    return max(sizes, default=DEFAULT_CACHE)
