"""The machine: its processor, its cores, its caches."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from lossweights.base._control_groups import group_folders

# What TensorFlow reads when it starts: how many threads work on one operation.
THREADS = "TF_NUM_INTRAOP_THREADS"
DEFAULT_CACHE = 16 << 20  # bytes, where the system does not tell


def available_cores() -> int:
    """How many cores this process may use: those it is bound to, as far as its groups allow.

    A quota of a core and a half, as ``docker run --cpus=1.5`` sets, counts as two cores: with one
    the half would be wasted.

    >>> available_cores() >= 1
    True
    """
    return max(min([bound_cores(), *map(math.ceil, _quotas())]), 1)


def bound_cores() -> int:
    """The number of cores that this process is bound to, whatever part of them it may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas() -> Iterator[float]:
    """The cores, in parts too, that each control group of this process that has a quota allows."""
    for folder, version in group_folders("cpu"):
        try:
            if version == 2:
                quota, period = map(int, (folder / "cpu.max").read_text().split())
            else:
                names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
                quota, period = (int((folder / name).read_text()) for name in names)
        except (OSError, ValueError):  # ValueError: "max", which is no quota
            continue
        if quota > 0 and period > 0:  # -1 is none
            yield quota / period


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
