"""The executor of local worker processes: a TensorFlow each, a share of the cores each."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossweights.base.errors import WorkerError
from lossweights.base.machine import available_cores
from lossweights.base.memory import free_bytes
from lossweights.executors._child import Child
from lossweights.executors._environment import gpu_of
from lossweights.executors._forkserver import Forkserver
from lossweights.executors._pool import WorkerPool, load_message
from lossweights.executors._put_away import PutAway
from lossweights.executors._supervisor import Supervisor

if TYPE_CHECKING:  # Keras, which an executor does without
    from lossweights.data.shared import SharedFile


class ProcessExecutor(WorkerPool):
    """Trains in worker processes on this machine.

    Args:
        workers: How many processes.
        location: How a worker finds the sweep; see `lossweights.sweep._location.location_of`. Or
            the sweep itself; see `lossweights.sweep.carried`.
        trainer: Name of the trainer that each worker builds.
        fingerprint: What the workers must find when they load the sweep: the driver's own.
        logs: Folder for the logs of the workers; ``None`` if `log_to` will name it.
        members: How many members a worker trains at once; ``None`` leaves that to the trainer.
        memory: Bytes at which a worker is replaced between batches; ``None`` never does.
        settings: What the workers set before they load the data.
        forkserver: What workers are forked from; without one each is a fresh Python. To be closed
            after this executor.
        shared: Where workers find data of the driver's, in the place of those that they load.

    Raises:
        WorkerError: This system has no such processes.
    """

    def __init__(
        self,
        workers: int,
        location: Mapping[str, str] | bytes,
        trainer: str,
        fingerprint: str,
        logs: Path | None = None,
        members: int | None = None,
        memory: int | None = None,
        settings: Mapping[str, Any] | None = None,
        forkserver: Forkserver | None = None,
        shared: SharedFile | None = None,
    ) -> None:
        if not hasattr(os, "fork"):
            raise WorkerError(
                f"Expected a POSIX system for worker processes. Found {platform.system()} without "
                f"fork. Train in this process with workers=0.",
                "this system has no fork",
            )
        super().__init__(fingerprint)
        # For workers to come, too; it may hold all data.
        carried = PutAway(location) if isinstance(location, bytes) else None
        path = None if shared is None else shared.path
        load = load_message(location, trainer, workers, members, settings, path)
        self._shared = shared  # held open, for workers to come
        cores = max(1, available_cores() // workers)
        self._forkserver = forkserver

        def start(number: int, log: Path | None, warm_up: bool) -> Child:
            child = Child(log, cores, forkserver, gpu_of(number))
            child.send("load", **load, warm_up=warm_up)
            if carried is not None:
                child.send_bytes(carried.read())
            return child

        turns = threading.Semaphore(_loading_at_once(workers, shared))
        self._supervisors = [
            Supervisor(self, number, partial(start, number), logs, memory, turns)
            for number in range(1, workers + 1)
        ]

    def kill(self) -> None:
        """End every worker now."""
        super().kill()
        if self._forkserver is not None:
            self._forkserver.kill()


def _loading_at_once(workers: int, shared: SharedFile | None) -> int:
    """How many workers may load the data at once: each holds its own copy until it has compared.

    Others wait for their turn where half of the free memory has no room for all.
    """
    return workers if shared is None else min(max(free_bytes() // (2 * shared.nbytes), 1), workers)
