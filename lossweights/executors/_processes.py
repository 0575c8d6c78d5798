"""The executor of local worker processes: a TensorFlow each, a share of the cores each."""

from __future__ import annotations

import os
import platform
import sys
import threading
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from lossweights.base.errors import SweepChanged, WorkerError
from lossweights.base.machine import available_cores
from lossweights.base.memory import free_bytes
from lossweights.executors._contract import (
    Batch,
    Event,
    Executor,
    Listener,
    Reported,
    WorkerState,
)
from lossweights.executors._forkserver import Forkserver
from lossweights.executors._supervisor import Ready, Supervisor

if TYPE_CHECKING:  # Keras, which an executor does without
    from lossweights.data.shared import SharedFile

MAX_WAITING_EVENTS = 10_000  # reports beyond are dropped: the driver is busy, results hold them


class ProcessExecutor(Executor):
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
        self._fingerprint = fingerprint
        self._events: SimpleQueue[Event | Ready | WorkerError] = SimpleQueue()
        self._pending: deque[Batch] = deque()
        self._wanted = threading.Condition()
        self._closed = False
        self._ready: Ready | None = None
        load = {
            "location": None if isinstance(location, bytes) else dict(location),
            # A script may read them on import, as it did here.
            "arguments": [str(each) for each in sys.argv],
            "settings": dict(settings or {}),
            "trainer": trainer,
            "members": members,
            "shared": None if shared is None else shared.path,
        }
        self._shared = shared  # held open, for workers to come
        turns = threading.Semaphore(_loading_at_once(workers, shared))
        carried = location if isinstance(location, bytes) else None
        cores = max(1, available_cores() // workers)
        self._forkserver = forkserver
        self._supervisors = [
            Supervisor(self, number, load, carried, logs, cores, memory, forkserver, turns)
            for number in range(1, workers + 1)
        ]

    @property
    def slots(self) -> int:
        """The number of workers."""
        return len(self._supervisors)

    @property
    def ahead(self) -> int:
        """One for each worker."""
        return len(self._supervisors)

    @property
    def capacity(self) -> int:
        """What a worker's trainer trains best at once."""
        return self._first.capacity

    @property
    def trainer(self) -> str:
        """Name of the workers' trainer."""
        return self._first.trainer

    @property
    def _first(self) -> Ready:
        if self._ready is None:
            raise RuntimeError("Expected an executor that has started. Call start() first.")
        return self._ready

    def start(self) -> None:
        """Start a worker and wait until it has loaded the sweep; then the others follow."""
        first, *others = self._supervisors
        first.start()
        while self._ready is None:
            self.poll(0.25, lambda event: None)
        for supervisor in others:
            supervisor.start()

    def log_to(self, folder: Path) -> None:
        """Keep what the workers print in a file each."""
        for supervisor in self._supervisors:
            supervisor.log_to(folder)

    def submit(self, batch: Batch) -> None:
        """Queue a batch for the next worker that is free."""
        with self._wanted:
            self._pending.append(batch)
            self._wanted.notify()

    def poll(self, timeout: float, listener: Listener) -> None:
        """Tell what the workers have sent."""
        deadline = time.monotonic() + timeout
        waiting = self._events.qsize()
        while True:
            try:
                event = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                return
            if isinstance(event, WorkerError):
                raise event
            if isinstance(event, Ready):
                self._check(event)
            else:
                listener(event)
            waiting -= 1
            if waiting <= 0:
                return

    def _check(self, ready: Ready) -> None:
        """A worker must find what the driver found, also after a crash."""
        if ready.fingerprint != self._fingerprint and self._ready is None:
            raise SweepChanged(
                "Expected a worker to load the sweep that is run here. Found another model, other "
                "data or other terms: it is made or changed below `if __name__ == '__main__':`, "
                "which no worker runs, or its script does not give the same twice. Move that to "
                "the top level of the script, or train in this process with workers=0."
            )
        if ready.fingerprint != self._fingerprint:
            raise SweepChanged(
                "Expected workers to load the sweep that the driver loaded. Found another model, "
                "other data or other terms: the script was edited while the sweep ran, or does "
                "not give the same twice. Undo that, then resume the sweep."
            )
        if self._ready is None:
            self._ready = ready

    def stop(self, batch: int, positions: Sequence[int]) -> None:
        """Ask members to stop after their epoch."""
        for supervisor in self._supervisors:
            supervisor.stop(batch, list(positions))

    def go_on(self, batch: int, epoch: int, stopped: Collection[int]) -> None:
        """Tell the worker that trains it."""
        for supervisor in self._supervisors:
            supervisor.go_on(batch, epoch, sorted(stopped))

    def withdraw(self) -> list[int]:
        """Give up what no worker has taken."""
        with self._wanted:
            keys = [batch.key for batch in self._pending]
            self._pending.clear()
        return keys

    def workers(self) -> list[WorkerState]:
        """The workers that live now."""
        states = (supervisor.state() for supervisor in self._supervisors)
        return [state for state in states if state is not None]

    def kill(self) -> None:
        """End every worker now."""
        self._closed = True
        for supervisor in self._supervisors:
            supervisor.kill()
        if self._forkserver is not None:
            self._forkserver.kill()

    def close(self) -> None:
        """End every worker: the idle ones by closing their pipe, the others at once."""
        with self._wanted:
            self._closed = True
            self._pending.clear()
            self._wanted.notify_all()
        for supervisor in self._supervisors:
            supervisor.close()
        for supervisor in self._supervisors:
            if supervisor.is_alive():
                supervisor.join()

    def next_batch(self) -> Batch | None:
        """For supervisors: the next batch, waiting for it, or ``None`` when there are no more."""
        with self._wanted:
            while not self._pending and not self._closed:
                self._wanted.wait()
            return None if self._closed else self._pending.popleft()

    def put(self, event: Event | Ready | WorkerError) -> None:
        """For supervisors: what happened."""
        if not isinstance(event, Reported) or self._events.qsize() < MAX_WAITING_EVENTS:
            self._events.put(event)


def _loading_at_once(workers: int, shared: SharedFile | None) -> int:
    """How many workers may load the data at once: each holds its own copy until it has compared.

    Others wait for their turn where half of the free memory has no room for all.
    """
    return workers if shared is None else min(max(free_bytes() // (2 * shared.nbytes), 1), workers)
