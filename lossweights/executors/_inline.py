"""The executor for debugging and for one graph that uses the whole machine: this very thread."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any

from numpy.typing import NDArray

from lossweights.executors._contract import (
    Batch,
    Ended,
    Executor,
    Listener,
    Lost,
    Reported,
    Started,
    Waiting,
    WorkerState,
)
from lossweights.executors._failures import failure_of
from lossweights.executors._kept import KeptParameters
from lossweights.records import EpochReport, Failure, Outcome
from lossweights.training import Halts, Member, Standings, Trainer

log = logging.getLogger("lossweights")


class InlineExecutor(Executor):
    """Trains in the thread that polls.

    A breakpoint in `build_model` works, and a Keras setting of the script is in force. A training
    that dies takes the sweep with it, and one that hangs cannot be ended: a time limit acts at
    the next report.

    Args:
        make_trainer: Builds the trainer; called once, at the start.
    """

    def __init__(self, make_trainer: Callable[[], Trainer]) -> None:
        self._make_trainer = make_trainer
        self._built: Trainer | None = None
        self._kept = KeptParameters()
        self._pending: deque[Batch] = deque()
        self._current: Batch | None = None
        self._stopped: set[int] = set()
        self._told: dict[int, Collection[int]] = {}  # who stops at the rung of that epoch

    @property
    def slots(self) -> int:
        """One: there is one thread."""
        return 1

    @property
    def ahead(self) -> int:
        """None: the driver waits while this thread trains, not the other way round."""
        return 0

    @property
    def capacity(self) -> int:
        """What the trainer trains best at once."""
        return self._running.capacity

    @property
    def trainer(self) -> str:
        """Name of the trainer."""
        return self._running.name

    @property
    def _running(self) -> Trainer:
        if self._built is None:
            raise RuntimeError("Expected an executor that has started. Call start() first.")
        return self._built

    def start(self) -> None:
        """Build the trainer."""
        self._built = self._make_trainer()

    def submit(self, batch: Batch) -> None:
        """Queue a batch; it is trained when `poll` gets to it."""
        self._pending.append(batch)

    def poll(self, timeout: float, listener: Listener) -> None:
        """Train the next batch, if there is one."""
        if self._pending:
            self._current, self._stopped = self._pending.popleft(), set()
            try:
                self._train(self._current, listener)
            finally:
                self._current = None

    def _train(self, batch: Batch, listener: Listener) -> None:
        started = time.monotonic()
        late = False

        def report(position: int, epoch: EpochReport) -> bool:
            nonlocal late
            listener(Reported(batch.key, position, epoch))
            late = batch.seconds is not None and time.monotonic() - started > batch.seconds
            return not late and position not in self._stopped

        def wait(epoch: int, standings: Standings) -> Collection[int]:
            self._told.clear()
            listener(Waiting(batch.key, epoch, standings))
            return {*self._stopped, *self._told.pop(epoch, ())}

        listener(Started(batch.key, os.getpid()))
        try:
            results = self._running.train(batch.members, report, Halts(batch.rungs, wait))
        except (Exception, SystemExit) as error:  # the user's code may raise anything at all
            log.debug("a batch failed", exc_info=True)
            listener(Lost(batch.key, *failure_of(error)))
            return
        if late and any(result.outcome is Outcome.PRUNED for result in results):
            reason = f"stopped after {time.monotonic() - started:.0f} s, limit {batch.seconds:g} s"
            listener(Lost(batch.key, Failure.TIMEOUT, reason))
        else:
            self._kept.take(self._running, batch.members, results)
            listener(Ended(batch.key, tuple(results)))

    def stop(self, batch: int, positions: Sequence[int]) -> None:
        """Stop members of the batch in training at their next report."""
        if self._current is not None and self._current.key == batch:
            self._stopped.update(positions)

    def go_on(self, batch: int, epoch: int, stopped: Collection[int]) -> None:
        """Say who stops at the rung that the listener is being told of."""
        if self._current is not None and self._current.key == batch:
            self._told[epoch] = stopped

    def withdraw(self) -> list[int]:
        """Give up what is queued."""
        keys = [batch.key for batch in self._pending]
        self._pending.clear()
        return keys

    def parameters(self, member: Member) -> list[NDArray[Any]] | None:
        """What a member ended with, of those that were trained last."""
        return self._kept.of(member)

    def workers(self) -> list[WorkerState]:
        """This process."""
        current = self._current
        return [WorkerState(os.getpid(), None if current is None else current.key)]

    def kill(self) -> None:
        """Nothing to end: the caller is the worker."""

    def close(self) -> None:
        """Forget what is queued, and the trainer with all the memory that it holds."""
        self._pending.clear()
        self._kept.clear()
        self._built = None
