"""The environment of worker processes: the same modules, and threads for a share of the cores."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lossweights.base.errors import WorkerError
from lossweights.base.machine import THREADS

WORKER = "LOSSWEIGHTS_WORKER"  # set in the environment of every worker
THREAD_COUNTS = (
    THREADS,
    "TF_NUM_INTEROP_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)


def module_path() -> list[str]:
    """Where this process finds modules, whatever folder another one is in."""
    return [entry or str(Path.cwd()) for entry in sys.path]


def worker_environment(cores: int) -> dict[str, str]:
    """The environment of a worker.

    Numerical libraries read how many threads they may have when they are imported, so that it is
    set before. What the user has set stays.

    Args:
        cores: How many threads its numerical libraries may use.
    """
    threads = dict.fromkeys(THREAD_COUNTS, str(cores))
    path = os.pathsep.join(module_path())
    return {**threads, **os.environ, WORKER: "1", "PYTHONPATH": path}


def refuse_in_worker(sweep: str) -> None:
    """Refuse to run a sweep in a worker process, which imports its script and no more.

    Raises:
        WorkerError: This process is a worker.
    """
    if WORKER in os.environ:
        raise WorkerError(
            f"Expected the script of the sweep {sweep!r} to run it in its main part alone. Found "
            f"run() or main() called on import, by a worker process. Write it below "
            f"`if __name__ == '__main__':`."
        )
