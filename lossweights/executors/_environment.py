"""The environment of worker processes: the same modules, a share of the cores, a card each."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lossweights.base.errors import WorkerError
from lossweights.base.graphics import GROWTH, VISIBLE, visible_gpus
from lossweights.base.machine import THREADS

WORKER = "LOSSWEIGHTS_WORKER"  # set in the environment of every worker
THREAD_COUNTS = (
    THREADS,
    "TF_NUM_INTEROP_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)


# How variables begin that numerical libraries read, and those that say which cards there are.
OF_LIBRARIES = ("KERAS_", "TF_", "XLA_", "OMP_", "MKL_", "OPENBLAS_")
_OF_CARDS = "CUDA_"


def module_path() -> list[str]:
    """Where this process finds modules, whatever folder another one is in."""
    return [entry or str(Path.cwd()) for entry in sys.path]


def worker_environment(cores: int, gpu: str | None = None) -> dict[str, str]:
    """The environment of a worker.

    Numerical libraries read how many threads they may have when they are imported, so that it is
    set before. What the user has set stays.

    Args:
        cores: How many threads its numerical libraries may use.
        gpu: The one card that it sees, of those that this process sees; by default all of them.
    """
    threads = dict.fromkeys(THREAD_COUNTS, str(cores))
    path = os.pathsep.join(module_path())
    card = {} if gpu is None else {VISIBLE: gpu}
    return {**threads, **os.environ, **card, WORKER: "1", "PYTHONPATH": path}


def read_on_import() -> dict[str, str]:
    """The variables that numerical libraries may read when they are imported, as they are now."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith((*OF_LIBRARIES, _OF_CARDS)) and name not in (GROWTH, *THREAD_COUNTS)
    }


def gpu_of(worker: int) -> str | None:
    """The one card that a worker sees where there are several; ``None`` leaves it as it is.

    Args:
        worker: Its number, from 1.
    """
    gpus = visible_gpus()
    return gpus[(worker - 1) % len(gpus)] if len(gpus) > 1 else None


@contextmanager
def shared_gpus() -> Iterator[None]:
    """TensorFlow takes memory of a card as it needs it meanwhile, here and in workers.

    It would take all of every card that it sees, and leave a worker none. What the user has set
    stays, and so does what a script has already made TensorFlow do.
    """
    if GROWTH in os.environ or not visible_gpus():
        yield
        return
    os.environ[GROWTH] = "true"
    try:
        yield
    finally:
        os.environ.pop(GROWTH, None)


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
