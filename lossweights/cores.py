"""The cores of the machine, and this process's share of them."""

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


def own_share() -> float:
    """The part of the available cores that is this process's: a worker has its threads alone.

    >>> 0 < own_share() <= 1
    True
    """
    threads, cores = os.environ.get(THREADS, ""), available_cores()
    if not threads.isdigit() or not 0 < int(threads) < cores:
        return 1.0
    return int(threads) / cores
