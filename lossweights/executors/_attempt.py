"""One batch on one worker: what it says is read here, and its time is limited here."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from lossweights.base.errors import WorkerError
from lossweights.executors._contract import Batch, Ended, Event, Lost, Reported, Started, Waiting
from lossweights.executors._messages import (
    received_report,
    received_result,
    received_standings,
)
from lossweights.executors._worker import Worker
from lossweights.records import Failure, TrialResult


class Attempt:
    """One batch on one worker: what it says is read here, and its time is limited here."""

    def __init__(self, batch: Batch, worker: Worker) -> None:
        self.started = False
        self.memory = 0
        self._batch, self._worker = batch, worker
        self._results: dict[int, TrialResult] = {}
        self._timer: threading.Timer | None = None
        self._left, self._since = batch.seconds, 0.0  # of the time limit, and since when it runs
        self._late = False

    def read(self, message: Mapping[str, Any]) -> Event | None:
        """What a message of the worker tells; ``None`` for what is told later, or not.

        Raises:
            WorkerError: It is nothing that a worker says about this batch.
        """
        batch, say = self._batch, message["say"]
        if message.get("batch") != batch.key:
            raise WorkerError(f"Expected news of batch {batch.key}. Found {say!r} of another.")
        if say == "started":
            self._begin()
            return Started(batch.key, self._worker.pid, self._worker.node)
        if say == "waiting":
            self._pause()
            return Waiting(batch.key, *received_standings(message, len(batch.members)))
        if say == "going_on":
            self._run_on()
            return None
        if say == "report":
            return Reported(batch.key, *received_report(message, len(batch.members)))
        if say == "result":
            position, result = received_result(message, len(batch.members))
            self._results[position] = result
            return None
        if say == "ended":
            return self._ended(message)
        if say == "lost":
            failure = Failure[message["failure"]]
            return Lost(batch.key, failure, str(message["reason"]), str(message["details"]))
        raise WorkerError(f"Expected news of a batch. Found {say!r}.")

    def _ended(self, message: Mapping[str, Any]) -> Ended:
        members, results = len(self._batch.members), self._results
        if len(results) != members:
            raise WorkerError(f"Expected {members} results. Found {len(results)}.")
        self.memory = int(message["memory"])
        in_order = tuple(results[position] for position in range(members))
        return Ended(self._batch.key, in_order, int(message["dropped"]))

    def lost(self, how: str, tail: str) -> Lost:
        """The batch is lost, because the worker died or was out of time."""
        if self._late:
            reason = f"the time limit of {self._batch.seconds:g} s was reached"
            return Lost(self._batch.key, Failure.TIMEOUT, reason, tail)
        return Lost(self._batch.key, Failure.WORKER_KILLED, f"the worker {how}", tail)

    def over(self) -> None:
        """The time limit no longer counts."""
        if self._timer is not None:
            self._timer.cancel()

    def _begin(self) -> None:
        self.started = True
        self._run_on()

    def _run_on(self) -> None:
        if self._left is not None:
            self._since = time.monotonic()
            self._timer = threading.Timer(max(self._left, 0.0), self._expire)
            self._timer.daemon = True
            self._timer.start()

    def _pause(self) -> None:
        """What waits for others takes no time of its own."""
        self.over()
        if self._left is not None:
            self._left -= time.monotonic() - self._since

    def _expire(self) -> None:
        self._late = True
        self._worker.terminate()
