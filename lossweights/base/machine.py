"""The machine: its processor, its cores, its caches, its memory."""

from __future__ import annotations

import mmap
import os
import platform
import sys
from pathlib import Path

# What TensorFlow reads when it starts: how many threads work on one operation.
THREADS = "TF_NUM_INTRAOP_THREADS"
DEFAULT_CACHE = 16 << 20  # bytes, where the system does not tell
DEFAULT_FREE = 2 << 30  # bytes, a cautious guess


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


def free_bytes() -> int:
    """The memory that is free, or a cautious guess where the system does not tell."""
    return _memory("MemAvailable") or DEFAULT_FREE


def total_bytes() -> int | None:
    """The memory of the machine, or ``None`` where the system does not tell."""
    return _memory("MemTotal")


def held_bytes() -> int:
    """The memory that this process holds; where /proc does not tell, the most it ever held.

    Where the system tells neither, 0.
    """
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE
    except OSError:
        pass
    try:
        import resource  # POSIX only
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _memory(entry: str) -> int | None:
    """An entry of Linux's account of the memory, in bytes."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{entry}:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None
