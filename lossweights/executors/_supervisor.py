"""The thread that looks after one worker: starts it, gives it batches, and finds it dead."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from lossweights.base.errors import WorkerError
from lossweights.executors._child import Child
from lossweights.executors._contract import (
    Batch,
    Ended,
    Event,
    Lost,
    Reported,
    Started,
    Waiting,
    WorkerState,
)
from lossweights.executors._environment import gpu_of
from lossweights.executors._failures import death
from lossweights.executors._forkserver import Forkserver
from lossweights.executors._messages import (
    batch_message,
    receive,
    received_report,
    received_result,
    received_standings,
)
from lossweights.records import Failure, TrialResult

log = logging.getLogger("lossweights")

LOOK_SECONDS = 0.25  # how often a silent worker is looked at: its pipe may outlive it in a child
MAX_STARTS = 3  # a worker that dies this often before it is ready will not get ready


class Desk(Protocol):
    """Where a supervisor gets batches from and puts events."""

    def next_batch(self) -> Batch | None:
        """The next batch, waiting for it; ``None`` when there will be no more."""

    def put(self, event: Event | Ready | WorkerError) -> None:
        """Hand in what happened."""


class Ready:
    """A worker has loaded the sweep: its trainer, what it trains best, and what it loaded."""

    def __init__(self, message: Mapping[str, Any]) -> None:
        self.trainer = str(message["trainer"])
        self.capacity = int(message["capacity"])
        self.fingerprint = str(message["fingerprint"])


class Supervisor(threading.Thread):
    """Keeps one worker process alive and busy.

    The thread lives as long as its worker: the kernel ends a worker when the thread that started
    it ends, so that no training outlives the driver.

    Args:
        desk: Source of batches and sink of events.
        number: Number of the worker, from 1, for its log.
        load: First message to the worker: which sweep, which trainer.
        carried: The sweep itself, if the worker cannot load it from anywhere.
        logs: Folder of the logs; ``None`` as long as there is none.
        cores: Threads for the worker's numerical libraries.
        memory: Bytes at which a worker is replaced between batches, or ``None``.
        forkserver: What the worker is forked from, or ``None``.
    """

    def __init__(
        self,
        desk: Desk,
        number: int,
        load: Mapping[str, Any],
        carried: bytes | None,
        logs: Path | None,
        cores: int,
        memory: int | None,
        forkserver: Forkserver | None = None,
    ) -> None:
        super().__init__(name=f"lossweights-worker-{number}", daemon=True)
        self._desk, self._load, self._carried = desk, dict(load), carried
        self._number, self._cores, self._memory = number, cores, memory
        self._forkserver = forkserver
        self._log = None if logs is None else self._log_in(logs)
        self._child: Child | None = None
        self._changing = threading.Lock()  # of the log: a child that is being started is told too
        self._current: Batch | None = None
        self._idle = self._closing = False

    def state(self) -> WorkerState | None:
        """The worker as it is now, ``None`` if there is none."""
        child, current = self._child, self._current
        if child is None:
            return None
        return WorkerState(child.pid, None if current is None else current.key)

    def stop(self, batch: int, positions: list[int]) -> None:
        """Pass on that members of a batch are to stop, if it is the one in training."""
        child, current = self._child, self._current
        if child is not None and current is not None and current.key == batch:
            with suppress(OSError):  # it is gone, and the thread is about to find out
                child.send("stop", batch=batch, positions=positions)

    def go_on(self, batch: int, epoch: int, stopped: list[int]) -> None:
        """Pass on who stops at a rung, if the batch is the one in training."""
        child, current = self._child, self._current
        if child is not None and current is not None and current.key == batch:
            with suppress(OSError):
                child.send("go_on", batch=batch, epoch=epoch, stopped=stopped)

    def _log_in(self, folder: Path) -> Path:
        return folder / f"worker-{self._number}.log"

    def log_to(self, folder: Path) -> None:
        """Keep what the worker prints in a file of a folder."""
        with self._changing, suppress(OSError):  # it is gone, and the thread is about to find out
            self._log = self._log_in(folder)
            if self._child is not None:
                self._child.log_to(self._log)

    def kill(self) -> None:
        """End the worker now and start no other."""
        self._closing = True
        child = self._child
        if child is not None:
            child.kill()

    def close(self) -> None:
        """End the worker: an idle one by itself, since the desk has no more batches for it."""
        self._closing = True
        if not self._idle:
            self.kill()

    def run(self) -> None:
        """Start the worker, then give it batches until there are no more."""
        try:
            self._start_worker()
            while (batch := self._next_batch()) is not None:
                self._current = batch
                event = self._train(batch)
                self._current = None
                self._desk.put(event)
        except WorkerError as error:
            self._desk.put(error)
        finally:
            self._end()

    def _next_batch(self) -> Batch | None:
        self._idle = True
        try:
            return self._desk.next_batch()
        finally:
            self._idle = False

    def _start_worker(self) -> Child:
        """Start a worker and wait until it has loaded the sweep.

        Raises:
            WorkerError: It cannot, or dies before it has, three times.
        """
        how = tail = ""
        for _ in range(MAX_STARTS):
            if self._closing:
                break
            try:
                with self._changing:
                    child = self._child = Child(
                        self._log, self._cores, self._forkserver, gpu_of(self._number)
                    )
                    child.send("load", **self._load)
                    if self._carried is not None:
                        child.send_bytes(self._carried)
                message = self._hear(child)
                if message["say"] == "broken":
                    raise WorkerError(
                        f"Expected a worker that can load the sweep. Found: {message['reason']}\n"
                        f"{message['details']}{self._where_log_is()}",
                        str(message["reason"]),
                    )
                self._desk.put(Ready(message))
                return child
            except (EOFError, OSError) as error:
                how, tail = self._end()
                how = how or f"could not be started: {error}"
                if not self._closing:
                    log.warning("a worker %s before it was ready", how)
        raise WorkerError(
            f"Expected a worker that gets ready. Found: it {how}, {MAX_STARTS} times.\n{tail}"
            f"{self._where_log_is()}",
            f"a worker {how}",
        )

    def _where_log_is(self) -> str:
        return "" if self._log is None else f"\nThe worker's log is {self._log}."

    def _train(self, batch: Batch) -> Ended | Lost:
        """Have a batch trained; how it ended. A worker that dies before it began is no loss."""
        for _ in range(MAX_STARTS):
            child = self._child or self._start_worker()
            attempt = _Attempt(batch, child)
            try:
                child.send("batch", **batch_message(batch))
                while not isinstance(event := attempt.read(self._hear(child)), Ended | Lost):
                    if event is not None:
                        self._desk.put(event)
                if self._memory is not None and attempt.memory > self._memory:
                    log.info("worker %d holds %d MB: a new one", child.pid, attempt.memory >> 20)
                    self._end()
                return event
            except (EOFError, OSError):
                how, tail = self._end()
                if attempt.started:
                    return attempt.lost(how, tail)
            except WorkerError as error:
                child.kill()
                return Lost(batch.key, Failure.EXCEPTION, str(error), self._end()[1])
            finally:
                attempt.over()
        return Lost(batch.key, Failure.WORKER_KILLED, "the worker died before it began")

    def _hear(self, child: Child) -> dict[str, Any]:
        """The next message of a worker.

        Raises:
            EOFError, OSError: The worker is dead; a child of its own may keep the pipe open.
        """
        while not child.pipe.poll(LOOK_SECONDS):
            if child.exited() and not child.pipe.poll():
                raise EOFError
        return receive(child.pipe)

    def _end(self) -> tuple[str, str]:
        """End the worker; how it ended, and the last it wrote."""
        child, self._child = self._child, None
        return ("", "") if child is None else (death(child.close()), child.log_tail())


class _Attempt:
    """One batch on one worker: what it says is read here, and its time is limited here."""

    def __init__(self, batch: Batch, child: Child) -> None:
        self.started = False
        self.memory = 0
        self._batch, self._child = batch, child
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
            return Started(batch.key, self._child.pid)
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
        self._child.terminate()
