"""What a sweep tells of itself while it runs: to the status file, the terminal and MLflow."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from lossweights.base.errors import StoreError
from lossweights.driver import Driver, SweepProgress
from lossweights.results.contest import Contestant, Outing, read_contest
from lossweights.results.folder import Asked, Finished, list_results
from lossweights.results.status import StatusBoard
from lossweights.search.stagnation import Stagnation
from lossweights.store import Store
from lossweights.sweep._going_on import going_on
from lossweights.sweep._options import RunOptions
from lossweights.tracking import STOPPED, About, Ending, Tracker

log = logging.getLogger("lossweights")


class Telemetry:
    """Tells of a sweep from its begin to its end, whatever that is; a context manager.

    Args:
        store: The sweep folder.
        options: The options of the run.

    Attributes:
        progress: What the terminal shows; a context manager around the training.
        tracker: Records in MLflow, or ``None``.
    """

    def __init__(self, store: Store, options: RunOptions) -> None:
        self._store, self._options = store, options
        self._trials, self._quiet = options.trials, options.quiet
        self._register = options.register
        self._board = StatusBoard(store.folder, options.trials)
        self.progress = SweepProgress(store.objectives, options.trials, quiet=options.quiet)
        self.tracker = _tracker(store, options)
        self._ending = Ending("KILLED", STOPPED)  # by a signal, unless an error or `end` says else
        self._why_early = ""
        self._driver: Driver | None = None

    def __enter__(self) -> Telemetry:
        return self

    def begin(self, shown: Mapping[str, Any]) -> None:
        """Start, with what was there before.

        Args:
            shown: What MLflow shows of the sweep.
        """
        if self.tracker is not None:
            self.tracker.start(shown)
        for finished in list_results(self._store.folder).values():
            self._board.trial_ended(finished)
            self.progress.count(finished)
            if self.tracker is not None:
                self.tracker.trial_ended(finished)  # what an interrupted process could not record
        contest = read_contest(self._store.folder)
        for outing in contest.outings:
            if self.tracker is not None:
                self.tracker.outing_ended(contest.entered(outing), outing)

    def follow(self, driver: Driver, at_once: int) -> None:
        """Tell of the workers of a driver, too, which trains so many trials at once."""
        self._driver = driver
        for each in (self._board, self.progress):
            each.begin(at_once)

    def trial_ended(self, finished: Finished) -> None:
        """A trial's result is on the disk."""
        self._board.trial_ended(finished)
        self.progress.trial_ended(finished)
        if self.tracker is not None:
            self.tracker.trial_ended(finished)

    @contextmanager
    def racing(self, what: str, total: int, due: int, at_once: int) -> Iterator[None]:
        """Tell of trainings beside the trials.

        Args:
            what: What each of them is.
            total: How many there are.
            due: How many of them are to be trained now.
            at_once: How many are trained at once.
        """
        self.progress = SweepProgress({}, total, quiet=self._quiet, what=what, done=total - due)
        self._driver = None
        self._board.race(what, total - due, total)
        with self.progress:
            self.progress.begin(at_once)
            yield

    def outing_ended(self, contestant: Contestant, outing: Outing) -> None:
        """A training beside the trials is on the disk."""
        self.progress.trial_ended(Finished(Asked(0, {}, "contest"), outing.result))
        self._board.outing_ended()
        if self.tracker is not None:
            self.tracker.outing_ended(contestant, outing)

    def contest_out_of_time(self) -> None:
        """Say that the time limit ended the contest."""
        go_on = going_on("resume", self._store.name, self._options)
        self._why_early = (
            f"The time limit was reached before baselines and picks were compared. Go on with: "
            f"{go_on}"
        )
        log.warning("%s", self._why_early)

    def idle(self) -> None:
        """About once a second: show where the sweep is."""
        self.progress.show()
        workers = [] if self._driver is None else self._driver.workers()
        self._board.write(workers, {} if self.tracker is None else self.tracker.state())

    def out_of_time(self) -> None:
        """Say that the time limit ended the sweep before enough trials had ended."""
        self._ended_early("The time limit was reached", self._options)

    def stagnated(self, stagnation: Stagnation) -> None:
        """Say that the front does not grow any more, and by what it grew last."""
        what = "The front's hypervolume grew"
        if stagnation.is_near:
            what = "No trial meets what was asked for, and what the nearest misses fell"
        self._ended_early(
            f"{what} by {stagnation.growth:.2%} in the last {stagnation.patience} trials, less "
            f"than {stagnation.min_growth:.2%}, so the sweep is done",
            replace(self._options, patience=None),  # which would end it again at once
        )

    def nothing_to_ask(self) -> None:
        """Say that the sampler, such as one of a grid, has no more weights to try."""
        self._ended_early("The sampler has nothing more to ask for, so the sweep is done", None)

    def _ended_early(self, why: str, options: RunOptions | None) -> None:
        """Say why, and how to go on with which options, if there is anything to go on to."""
        then = ""
        if options is not None:
            then = f" Go on with: {going_on('resume', self._store.name, options)}"
        self._why_early = f"{why} after {self._store.finished()} of {self._trials} trials.{then}"
        log.warning("%s", self._why_early)

    def end(self, ending: Ending) -> None:
        """Say how the sweep ends."""
        note = f"{ending.note} {self._why_early}".rstrip()
        self._ending = replace(ending, note=note)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        ending = self._ending
        if isinstance(error, Exception):
            ending = Ending("FAILED", f"{type(error).__name__}: {error}")
        tags = {**ending.tags, **_accepted_tag(self._store)}
        ending = replace(ending, tags=tags, register=self._register)
        with suppress(StoreError):  # of a full disk there is worse to tell
            ending.save(self._store.folder)
        if self.tracker is not None:
            self.tracker.finish(ending)
            self._board.write([], self.tracker.state(), last=True)


def _tracker(store: Store, options: RunOptions) -> Tracker | None:
    if options.tracking is False:
        return None
    uri = options.tracking if isinstance(options.tracking, str) else None
    created, about = str(store.manifest["created"]), About.of_manifest(store.manifest)
    return Tracker(options.root, store.name, created, uri, about)


def _accepted_tag(store: Store) -> dict[str, str]:
    """The changes that a sweep was gone on with, for its parent run."""
    fields = sorted({str(change["field"]) for change in store.manifest.get("accepted", [])})
    return {"lossweights.accepted_changes": ", ".join(fields)[:1000]} if fields else {}
