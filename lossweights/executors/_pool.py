"""A pool of workers that supervisors look after: what waits for them, and what they tell."""

from __future__ import annotations

import sys
import threading
import time
from abc import ABC
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from numpy.typing import NDArray

from lossweights.base.errors import SweepChanged, WorkerError
from lossweights.executors._contract import (
    REPORT_SECONDS,
    Batch,
    Event,
    Executor,
    Listener,
    Reported,
    WorkerState,
)
from lossweights.executors._supervisor import MAX_STARTS, Ready, Supervisor
from lossweights.executors._worker import Worker
from lossweights.training import Member

MAX_WAITING_EVENTS = 10_000  # reports beyond are dropped: the driver is busy, results hold them
REPORTS_A_SECOND = 200  # live reports of all workers together, beyond which each sends fewer


def load_message(
    location: Mapping[str, str] | bytes,
    trainer: str,
    workers: int,
    members: int | None,
    settings: Mapping[str, Any] | None,
    shared: str | None = None,
    once: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What a worker is told first: which sweep, which trainer, and how much to tell.

    Data are found in what the driver shares, or held once by the workers of each machine.
    """
    return {
        "location": None if isinstance(location, bytes) else dict(location),
        # A script may read them on import, as it did here.
        "arguments": [str(each) for each in sys.argv],
        "settings": dict(settings or {}),
        "trainer": trainer,
        "members": members,
        "shared": shared,
        "once": once and dict(once),
        "report_seconds": max(REPORT_SECONDS, workers / REPORTS_A_SECOND),
    }


class WorkerPool(Executor, ABC):
    """Trains in workers, each with a supervisor, wherever they are.

    Args:
        fingerprint: What the workers must find when they load the sweep: the driver's own.
    """

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint
        self._events: SimpleQueue[Event | Ready | WorkerError] = SimpleQueue()
        self._pending: deque[Batch] = deque()
        self._given_back: Counter[tuple[int, bool]] = Counter()  # by batch, and whether it was sent
        self._wanted = threading.Condition()
        self._closed = False
        self._ready: Ready | None = None
        self._supervisors: list[Supervisor] = []

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
        """Start the workers and wait until one has loaded the sweep; the others follow soon."""
        for supervisor in self._supervisors:
            supervisor.start()
        self._wait_for_first()

    def _wait_for_first(self) -> None:
        while self._ready is None:
            self.poll(0.25, lambda event: None)

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

    def parameters(self, member: Member) -> list[NDArray[Any]] | None:
        """What a member ended with, if the worker that trained it lives and still has it."""
        found = (supervisor.parameters(member) for supervisor in self._supervisors)
        return next((each for each in found if each is not None), None)

    def workers(self) -> list[WorkerState]:
        """The workers that live now."""
        states = (supervisor.state() for supervisor in self._supervisors)
        return [state for state in states if state is not None]

    def kill(self) -> None:
        """End every worker now."""
        self._closed = True
        for supervisor in self._supervisors:
            supervisor.kill()

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

    def give_back(self, batch: Batch, *, sent: bool) -> bool:
        """For supervisors: a batch that has not begun, for whoever is free, a few times.

        A node that goes may leave many idle workers dead, of which none has had it.
        """
        with self._wanted:
            self._given_back[batch.key, sent] += 1
            if self._given_back[batch.key, sent] == MAX_STARTS + (0 if sent else self.slots):
                return False
            self._pending.appendleft(batch)
            self._wanted.notify()
            return True

    def does_without(self, worker: Worker | None, error: WorkerError) -> bool:
        """For supervisors: never; on one machine what one worker cannot do, no worker can."""
        return False

    def put(self, event: Event | Ready | WorkerError) -> None:
        """For supervisors: what happened."""
        if not isinstance(event, Reported) or self._events.qsize() < MAX_WAITING_EVENTS:
            self._events.put(event)
