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
from lossweights.executors._attempt import Attempt
from lossweights.executors._contract import (
    Batch,
    Ended,
    Event,
    Lost,
    WorkerState,
)
from lossweights.executors._kept import Parameters
from lossweights.executors._messages import batch_message
from lossweights.executors._worker import StartWorker, Worker
from lossweights.records import Failure
from lossweights.training import Member

log = logging.getLogger("lossweights")

MAX_STARTS = 3  # a worker that dies this often before it is ready will not get ready
PAUSE_SECONDS = 10.0  # before it is tried again all the same, where that is; doubled every time
LONGEST_SECONDS = 600.0
LOOK_SECONDS = 0.25  # how often it is looked meanwhile whether the end has come


class Desk(Protocol):
    """Where a supervisor gets batches from and puts events."""

    def next_batch(self) -> Batch | None:
        """The next batch, waiting for it; ``None`` when there will be no more."""

    def give_back(self, batch: Batch, *, sent: bool) -> bool:
        """Hand back a batch that has not begun, since its worker died.

        It is the next one again. Whether that is so: not if it was handed back too often.

        Args:
            batch: The batch.
            sent: Whether the worker had it, and may have died of it.
        """

    def does_without(self, worker: Worker | None, error: WorkerError) -> bool:
        """Whether what a worker cannot do is no reason to end: others can, on other machines.

        Args:
            worker: What could not, and has been ended; ``None`` if several died in a row.
            error: Why.
        """

    def put(self, event: Event | Ready | WorkerError) -> None:
        """Hand in what happened."""


class Ready:
    """A worker has loaded the sweep: where, its trainer, what it trains best, what it loaded."""

    def __init__(self, message: Mapping[str, Any], node: str) -> None:
        self.node = node
        self.trainer = str(message["trainer"])
        self.capacity = int(message["capacity"])
        self.fingerprint = str(message["fingerprint"])


class CannotLoad(WorkerError):
    """A worker is there, and cannot load the sweep that it was told of."""


class CannotStart(WorkerError):
    """Workers died before they were ready, again and again."""


class Supervisor(threading.Thread):
    """Keeps one worker alive and busy.

    The thread lives as long as its worker: the kernel ends a worker when the thread that started
    it ends, so that no training outlives the driver.

    Args:
        desk: Source of batches and sink of events.
        number: Number of the worker, from 1, for its log.
        start: Starts a worker that knows what to load.
        logs: Folder of the logs; ``None`` as long as there is none.
        memory: Bytes at which a worker is replaced between batches, or ``None``.
        turns: Held while the worker starts and loads, where others load too; ``None`` for no limit.
    """

    def __init__(
        self,
        desk: Desk,
        number: int,
        start: StartWorker,
        logs: Path | None,
        memory: int | None,
        turns: threading.Semaphore | None = None,
    ) -> None:
        super().__init__(name=f"lossweights-worker-{number}", daemon=True)
        self._desk, self._start_one = desk, start
        self._number, self._memory = number, memory
        self._turns = turns or threading.Semaphore()
        self._log = None if logs is None else self._log_in(logs)
        self._worker: Worker | None = None
        self._talking = threading.Lock()  # of who hears what the worker says
        self._changing = threading.Lock()  # of the log: a worker that is being started is told too
        self._current: Batch | None = None
        self._idle = self._closing = self._has_started = False
        self._has_trained = False  # the worker that is there now

    def state(self) -> WorkerState | None:
        """The worker as it is now, ``None`` if there is none."""
        worker, current = self._worker, self._current
        if worker is None or not worker.pid:
            return None
        return WorkerState(worker.pid, None if current is None else current.key, worker.node)

    def stop(self, batch: int, positions: list[int]) -> None:
        """Pass on that members of a batch are to stop, if it is the one in training."""
        worker, current = self._worker, self._current
        if worker is not None and current is not None and current.key == batch:
            with suppress(OSError):  # it is gone, and the thread is about to find out
                worker.send("stop", batch=batch, positions=positions)

    def go_on(self, batch: int, epoch: int, stopped: list[int]) -> None:
        """Pass on who stops at a rung, if the batch is the one in training."""
        worker, current = self._worker, self._current
        if worker is not None and current is not None and current.key == batch:
            with suppress(OSError):
                worker.send("go_on", batch=batch, epoch=epoch, stopped=stopped)

    def parameters(self, member: Member) -> Parameters | None:
        """What a member ended with, if the worker has it; from another thread, between batches."""
        worker = self._worker
        if worker is None or not self._has_trained or self._closing:
            return None  # it has nothing, and may be compiling
        if not self._talking.acquire(blocking=False):
            return None
        try:
            return worker.parameters(member)
        except (EOFError, OSError, WorkerError):
            log.debug("worker %d does not tell parameters", worker.pid, exc_info=True)
            worker.kill()  # what it says from now on answers another question
            return None
        finally:
            self._talking.release()

    def _log_in(self, folder: Path) -> Path:
        return folder / f"worker-{self._number}.log"

    def log_to(self, folder: Path) -> None:
        """Keep what the worker prints in a file of a folder."""
        with self._changing, suppress(OSError):  # it is gone, and the thread is about to find out
            self._log = self._log_in(folder)
            if self._worker is not None:
                self._worker.log_to(self._log)

    def kill(self) -> None:
        """End the worker now and start no other."""
        self._closing = True
        worker = self._worker
        if worker is not None:
            worker.kill()

    def close(self) -> None:
        """End the worker: an idle one by itself, since the desk has no more batches for it."""
        self._closing = True
        if not self._idle:
            self.kill()

    def run(self) -> None:
        """Start the worker, then give it batches until there are no more.

        A batch is taken when there is a worker for it: where workers are on other machines, there
        may be room for none for a long time, and another supervisor's has nothing to do.
        """
        try:
            while True:
                with self._talking:
                    worker = self._worker or self._start_worker()
                batch = self._next_batch()
                if batch is None:
                    break
                with self._talking:
                    self._current = batch
                    event = self._train(worker, batch)
                    self._current = None
                if event is not None:
                    self._desk.put(event)
                if self._closing:
                    break
        except WorkerError as error:
            self._desk.put(error)
        except Exception as error:  # of an engine behind the workers; nobody else would hear it
            self._desk.put(WorkerError(f"Expected a worker. Found {error!r}.", repr(error)))
        finally:
            self._end()

    def _next_batch(self) -> Batch | None:
        self._idle = True
        try:
            batch = self._desk.next_batch()
            return None if self._closing else batch
        finally:
            self._idle = False

    def _start_worker(self) -> Worker:
        """Start a worker and wait until it has loaded the sweep.

        Raises:
            WorkerError: It cannot, or dies before it has, three times, and others cannot either.
        """
        pause = PAUSE_SECONDS
        while True:
            try:
                return self._start_one_of_several()
            except CannotStart as error:
                if not self._desk.does_without(None, error):
                    raise
                self._pause(pause)
                pause = min(2 * pause, LONGEST_SECONDS)
            except WorkerError as error:
                worker = self._worker
                self._end()
                if not self._desk.does_without(worker, error):
                    raise

    def _start_one_of_several(self) -> Worker:
        """Start a worker, and another one if it dies before it is ready, a few times.

        Raises:
            CannotStart: All died.
            WorkerError: One is there and cannot work.
        """
        how = tail = ""
        for _ in range(MAX_STARTS):
            try:
                with self._turns:
                    if self._closing:
                        break
                    with self._changing:
                        # Not in the place of one that died: perhaps of that, for lack of memory.
                        warm_up, self._has_started = not self._has_started, True
                        worker = self._worker = self._start_one(self._log, warm_up)
                    self._end_if_closing(worker)
                    message = worker.hear()
                if message["say"] == "broken":
                    raise CannotLoad(
                        f"Expected a worker that can load the sweep. Found: {message['reason']}\n"
                        f"{message['details']}{self._where_log_is()}",
                        str(message["reason"]),
                    )
                self._desk.put(Ready(message, worker.node))
                return worker
            except (EOFError, OSError) as error:
                how, tail = self._end()
                how = how or f"could not be started: {error}"
                if not self._closing:
                    log.warning("a worker %s before it was ready", how)
        raise CannotStart(
            f"Expected a worker that gets ready. Found: it {how}, {MAX_STARTS} times.\n{tail}"
            f"{self._where_log_is()}",
            f"a worker {how}",
        )

    def _pause(self, seconds: float) -> None:
        """Wait, until the end at most: an event could not be set by a signal handler."""
        until = time.monotonic() + seconds
        while not self._closing and time.monotonic() < until:
            threading.Event().wait(LOOK_SECONDS)

    def _end_if_closing(self, worker: Worker) -> None:
        """End a worker that was being started when the end was said, and has not heard it."""
        if self._closing:
            worker.kill()

    def _where_log_is(self) -> str:
        return "" if self._log is None else f"\nThe worker's log is {self._log}."

    def _train(self, worker: Worker, batch: Batch) -> Ended | Lost | None:
        """Have a batch trained; how it ended, or ``None`` if the worker died before it began.

        That is no loss, unless workers die of it again and again.
        """
        attempt, sent = Attempt(batch, worker), False
        try:
            worker.send("batch", **batch_message(batch))
            sent = True
            while not isinstance(event := attempt.read(worker.hear()), Ended | Lost):
                if event is not None:
                    self._desk.put(event)
            self._has_trained = True
            if self._memory is not None and attempt.memory > self._memory:
                log.info("worker %d holds %d MB: a new one", worker.pid, attempt.memory >> 20)
                self._end()
            return event
        except (EOFError, OSError):
            how, tail = self._end()
            if attempt.started:
                return attempt.lost(how, tail)
            if self._desk.give_back(batch, sent=sent):
                return None
            return Lost(batch.key, Failure.WORKER_KILLED, "the worker died before it began")
        except WorkerError as error:
            worker.kill()
            return Lost(batch.key, Failure.EXCEPTION, str(error), self._end()[1])
        finally:
            attempt.over()

    def _end(self) -> tuple[str, str]:
        """End the worker; how it ended, and the last it wrote."""
        worker, self._worker = self._worker, None
        self._has_trained = False
        return ("", "") if worker is None else worker.end()
