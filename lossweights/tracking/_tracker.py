"""The tracker: MLflow's record of a sweep, kept by a thread of its own that nobody waits for.

What is to be recorded is on the disk before the tracker hears of it: results as files, the reports
of running trials in the spool. So a server that is down, slow or wrong costs nothing but time of
this thread: what it could not write it tries again, and ``lossweights sync`` writes the rest.
"""

from __future__ import annotations

import logging
import shlex
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lossweights.base.commands import command, program
from lossweights.records import EpochReport
from lossweights.results.contest import Contestant, Outing
from lossweights.results.folder import Asked, Finished, read_result, sweep_folder, tracking_uri
from lossweights.tracking._about import About
from lossweights.tracking._address import without_password
from lossweights.tracking._ending import Ending
from lossweights.tracking._points import Point, report_points
from lossweights.tracking._runs import Runs
from lossweights.tracking._settings import mlflow_settings
from lossweights.tracking._subject import Ended, Key, Subject, trial_subject

log = logging.getLogger("lossweights")

MAX_HELD = 64  # finished trials kept in memory for the thread; further ones are read from disk
MAX_POINTS = 10_000  # points of running trials that wait; beyond, the oldest wait for the result
LIVE_AFTER_SECONDS = 5.0  # trials that end sooner are recorded at their end, in one go
START_SECONDS = 4.0  # until it opens MLflow, unless there is something to write: it takes a core
LIVE_SECONDS = 5.0  # between two writes of points of running trials
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds until a server that failed is tried again
GIVE_UP_AFTER = 2  # failures in a row at the end of a sweep


class Tracker:
    """Records one sweep in MLflow, from a thread of its own.

    Args:
        root: Folder with ``mlflow.db`` and ``artifacts/``.
        sweep: Name of the sweep, which is also the name of the MLflow experiment.
        started: When the sweep was created, as its manifest has it. It tells the sweep from an
            earlier one of the same name, whose folder was removed and whose runs are still there.
        uri: Another tracking address, or ``None`` for the store below the root.
        about: What it is, as its manifest has it.
    """

    def __init__(
        self,
        root: Path,
        sweep: str,
        started: str,
        uri: str | None = None,
        about: About | None = None,
    ) -> None:
        self.uri = uri or tracking_uri(root)
        self._sweep, self._folder = sweep, sweep_folder(root, sweep)
        self._root = root
        self._about = about or About()
        self._runs = Runs(root, sweep, started, self.uri, self._about)
        self._params: dict[str, Any] = {}
        self._pending: deque[Key] = deque()
        self._held: dict[Key, Ended] = {}
        self._alone = 0  # how many trials are recorded one by one before several are at once again
        self._live: deque[tuple[Subject, Point]] = deque(maxlen=MAX_POINTS)
        self._began: dict[int, int] = {}
        self._live_due = 0.0
        self._reached = False  # whether the store is open, and what it holds is known
        self._there = False  # whether it could be opened the last time
        self._error: str | None = None
        self._offline_since: str | None = None
        self._ending: Ending | None = None
        self._due = threading.Event()
        self._finishing = threading.Event()
        self._closing = ExitStack()
        self._thread = threading.Thread(target=self._run, name="lossweights-tracker", daemon=True)

    @property
    def experiment_id(self) -> str | None:
        """Id of the experiment, once the thread has opened it."""
        return self._runs.experiment_id

    @property
    def parent_id(self) -> str | None:
        """Id of the parent run, once the thread has opened it."""
        return self._runs.parent_id

    @property
    def unwritten(self) -> list[Key]:
        """The trials that have ended, and trainings beside them, that are not recorded."""
        return sorted(self._pending, key=lambda key: (isinstance(key, str), key))

    @property
    def error(self) -> str | None:
        """Why MLflow cannot be written, or ``None`` while all is well."""
        return self._error

    @property
    def shown_uri(self) -> str:
        """The address as it may be shown."""
        return without_password(self.uri)

    def state(self) -> dict[str, Any]:
        """How it stands, for ``lossweights status``."""
        return {
            "uri": self.shown_uri,
            "experiment": self.experiment_id,
            "run": self.parent_id,
            "offline_since": self._offline_since,
            "error": self._error,
            "waiting": len(self._pending),
        }

    def start(self, params: Mapping[str, Any]) -> None:
        """Begin: open the store, the experiment and the parent run, in the thread.

        Not at once, since the first trials need the cores more: when the first report comes, or
        something else to write, or after a few seconds.
        """
        self._params = dict(params)
        self._closing.enter_context(mlflow_settings())
        self._closing.callback(self._runs.close)
        self._thread.start()

    def trial_ended(self, finished: Finished) -> None:
        """Record a finished trial, unless it is recorded already; returns at once."""
        number = finished.asked.number
        self._began.pop(number, None)
        if len(self._held) < MAX_HELD:
            self._held[number] = Ended.of_trial(finished, self._about)
        self._pending.append(number)
        self._due.set()

    def outing_ended(self, contestant: Contestant, outing: Outing) -> None:
        """Record a training beside the trials, unless it is recorded already; returns at once."""
        ended = Ended.of_outing(contestant, outing)
        self._held[ended.subject.key] = ended  # there are few
        self._pending.append(ended.subject.key)
        self._due.set()

    def reported(
        self, asked: Asked, weights: Mapping[str, float], report: EpochReport, time: int
    ) -> None:
        """Record an epoch of a trial that is still training, if it trains for long."""
        if not self._there:
            self._due.set()
        began = self._began.setdefault(asked.number, time)
        if time - began >= 1000 * LIVE_AFTER_SECONDS:
            subject = trial_subject(asked, weights, self._about)
            points = report_points(weights, [report], [time], self._about.objectives)
            self._live.extend((subject, point) for point in points)

    def finish(self, ending: Ending) -> None:
        """Record what is waiting, then end the parent run; waits for it.

        A server that does not answer is given up after a few seconds.
        """
        self._ending = ending
        self._finishing.set()
        self._due.set()
        with self._closing:
            self._thread.join()
        if self._error is not None:
            log.warning(
                "MLflow could not be written (%s); %d trials are missing there. Nothing is lost: "
                "`%s` writes them.",
                self._error,
                len(self._pending),
                command("sync", self._sweep, self._root),
            )

    def _run(self) -> None:
        self._due.wait(START_SECONDS)
        pause, failures, over = FIRST_PAUSE, 0, False
        while not over and (self._ending is None or failures < GIVE_UP_AFTER):
            try:
                over = self._work()
            except Exception as error:  # tracking never stops a sweep, whatever MLflow raises
                failures += 1
                self._failed(error)
                self._finishing.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                pause, failures = FIRST_PAUSE, 0
                self._error = self._offline_since = None
        if not over and self._there and self._ending is not None:
            with suppress(Exception):  # some trial cannot be recorded; the end of the sweep can
                self._runs.open(self._params)
                self._runs.end(self._ending)

    def _work(self) -> bool:
        """One thing that is to be done, or waiting for one; whether it was the last."""
        if not self._reached:
            self._there = False
            self._runs.open(self._params)
            self._reached = self._there = True
        self._write_live()
        if self._pending:
            self._write_trials()
        elif self._ending is not None:
            self._runs.end(self._ending)
            return True
        else:
            self._due.wait(LIVE_SECONDS)
            self._due.clear()
        return False

    def _failed(self, error: Exception) -> None:
        log.debug("tracking failed", exc_info=True)
        self._error = self._explained(error)
        self._offline_since = self._offline_since or datetime.now(UTC).isoformat(timespec="seconds")

    def _explained(self, error: Exception) -> str:
        first = f"{type(error).__name__}: {error}".splitlines()[0]
        if "out-of-date database schema" in first:  # of another version of MLflow
            upgrade = f"{program('mlflow')} db upgrade {shlex.quote(self.shown_uri)}"
            return f"{first} To use it, back up the database, then `{upgrade}`"
        return first

    def _write_trials(self) -> None:
        at_once = 1 if self._alone else min(len(self._pending), self._runs.at_once)
        # By index: the driver's thread may append meanwhile.
        keys = [self._pending[index] for index in range(at_once)]
        try:
            due = [self._ended(key) for key in keys if not self._runs.written(key)]
            self._runs.write(due, int(time.time() * 1000))
        except Exception:
            self._reopen()
            if at_once > 1:
                log.debug("trials could not be recorded together", exc_info=True)
                self._alone = at_once  # so that the one that cannot be shows
                return
            self._pending.rotate(-1)  # the others are not to wait for it
            raise
        self._alone = max(self._alone - 1, 0)
        for key in keys:
            self._pending.popleft()
            self._held.pop(key, None)

    def _ended(self, key: Key) -> Ended:
        held = self._held.get(key)
        if held is not None:
            return held
        assert isinstance(key, int), "trainings beside the trials are held"
        return Ended.of_trial(read_result(self._folder, key), self._about)

    def _write_live(self) -> None:
        if time.monotonic() < self._live_due:
            return
        self._live_due = time.monotonic() + LIVE_SECONDS
        waiting, self._live = self._live, deque(maxlen=MAX_POINTS)
        subjects: dict[Key, Subject] = {}
        points: dict[Key, list[Point]] = {}
        for subject, point in waiting:
            subjects[subject.key] = subject
            points.setdefault(subject.key, []).append(point)
        try:
            for key, found in points.items():
                self._runs.begin(subjects[key], found)
        except Exception:
            self._reopen()
            raise

    def _reopen(self) -> None:
        """What was done may have been done although the answer got lost: look again."""
        self._reached = False
