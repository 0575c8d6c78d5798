"""The contest of a sweep: baselines that are no trials, and confirmation, once trials have ended.

A look is trained whole before the next thing begins; what a kill cut off is gone on with. Fresh
seeds and the test data make a confirmation worth something once: one that is repeated is another
look at the test data, and is recorded as such.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from lossweights.base.signals import Signals
from lossweights.driver import ContestDriver, Policy
from lossweights.executors import Executor
from lossweights.results.baselines import contestants_inside, contestants_outside
from lossweights.results.contest import BESIDE, Contestant, Outing
from lossweights.results.pace import as_minutes
from lossweights.results.result import SweepResult
from lossweights.store import ContestJournal, Store
from lossweights.sweep._declaration import Declaration
from lossweights.sweep._entrants import (
    DEFAULT_SEEDS,
    entries,
    fresh_seeds,
    picks,
    seconds_of,
    seeds_by_default,
    used_seeds,
)
from lossweights.sweep._going_on import going_on
from lossweights.sweep._options import RunOptions
from lossweights.sweep._telemetry import Telemetry
from lossweights.sweep.raced import raced_in

log = logging.getLogger("lossweights")


@dataclass(frozen=True)
class _Look:
    """What is to be trained: who, from which seeds, and whether that begins now."""

    number: int
    contestants: tuple[Contestant, ...]
    seeds: tuple[int, ...]
    begins: bool


class ContestStep:
    """Trains what competes with the trials of a sweep, and confirms its picks.

    Args:
        sweep: The sweep.
        store: The sweep on disk.
        options: The options of the run.
        telemetry: Tells of it.
    """

    def __init__(
        self, sweep: Declaration, store: Store, options: RunOptions, telemetry: Telemetry
    ) -> None:
        self._sweep, self._store, self._options = sweep, store, options
        self._telemetry = telemetry
        self._scales = store.manifest.get("scales") or {}
        self._raced = raced_in(sweep, options, store.manifest).baselines
        self._changes = len(store.manifest.get("accepted", ()))
        recipe = store.manifest.get("recipe") or {}
        self._replicas = int(recipe.get("seeds", 1))
        self._journal = ContestJournal(store.folder)

    @property
    def is_due(self) -> bool:
        """Whether anything is to be trained, as things stand."""
        result = self.result
        return result.has_best and bool(self._beside(result) or self._confirmation(result))

    def run(
        self, executor: Executor, signals: Signals, policy: Policy, deadline: float | None
    ) -> None:
        """Train what is due: baselines that are no trials, then the confirmation.

        Where it is not confirmed for the time that it takes, say so, and how to.

        Raises:
            Interrupted: A signal asked to stop; the sweep can be resumed.
            StoreError: The disk takes no more; the sweep can be resumed.
            WorkerError: Nothing can be trained any more.
        """
        driver = ContestDriver(
            executor,
            signals,
            policy,
            self._store.objectives,
            self._keep,
            self._telemetry.idle,
            deadline,
        )
        for plan in (self._beside, self._confirmation):
            result = self.result
            look = plan(result) if result.has_best else None
            if look is not None and not driver.out_of_time:
                self._train(look, driver, executor.capacity * executor.slots)
        if driver.out_of_time:
            self._telemetry.contest_out_of_time()
        else:
            self._say_how()

    def _say_how(self) -> None:
        """Where nothing was confirmed and nobody said no, say what it takes, and how."""
        result = self.result
        if self._wanted is not None or result.contest.looks or not result.has_best:
            return
        contestants, most = self._contestants, DEFAULT_SEEDS[0]
        seconds = most * seconds_of(result, contestants)
        how = going_on("confirm", self._store.name, self._options)
        self._say(
            f"Not confirmed: {len(contestants)} picks and baselines from {most} seeds train for "
            f"about {as_minutes(seconds)}, more than half of what the trials took. To do so: {how}"
        )

    @property
    def result(self) -> SweepResult:
        """The result of the trials, which do not change from here on, and the contest so far."""
        return replace(self._trials, contest=self._journal.contest)

    @cached_property
    def _trials(self) -> SweepResult:
        return SweepResult.read(self._store.name, self._store.root)

    @cached_property
    def _outside(self) -> tuple[Contestant, ...]:
        space, finished = self._sweep.space, self._trials.finished
        return contestants_outside(self._raced, space, finished, self._scales)

    @cached_property
    def _contestants(self) -> tuple[Contestant, ...]:
        space, finished = self._sweep.space, self._trials.finished
        inside = contestants_inside(self._raced, space, finished)
        return (*picks(self._trials, space), *inside, *self._outside)

    @property
    def _wanted(self) -> int | None:
        """From how many seeds; ``None`` leaves it to the time that it takes."""
        said = self._options.confirm
        if said is None:
            said = self._store.manifest.get("confirm")
        return self._sweep.confirm if said is None else said

    def _beside(self, result: SweepResult) -> _Look | None:
        """The baselines that are no trials, from the seed of the sweep."""
        look = _Look(BESIDE, self._outside, (self._sweep.seed,), begins=True)
        if result.contest.contestants.get(BESIDE, ()) != look.contestants:
            return look
        return replace(look, begins=False) if result.contest.missing(BESIDE) else None

    def _confirmation(self, result: SweepResult) -> _Look | None:
        """The confirmation that is due, if any: one that was cut off, or another one."""
        wanted = self._wanted
        if wanted == 0:
            return None
        contest, contestants = result.contest, self._contestants
        last = contest.looks
        same = (
            last > 0
            and contest.contestants[last] == contestants
            and contest.changes.get(last, 0) == self._changes
        )
        seeds = contest.seeds.get(last, ())
        if same and contest.missing(last):
            return _Look(last, contestants, seeds, begins=False)
        if same and not self._options.only_confirm and (wanted is None or len(seeds) >= wanted):
            return None
        if wanted is None:
            wanted = seeds_by_default(result, contestants)
        used = used_seeds(result, self._replicas)
        fresh = fresh_seeds(wanted, self._sweep.seed, used, self._replicas)
        return _Look(last + 1, contestants, tuple(fresh), begins=True) if fresh else None

    def _train(self, look: _Look, driver: ContestDriver, at_once: int) -> None:
        if look.begins:
            self._journal.begin(look.number, look.contestants, look.seeds, self._changes)
        due = self._journal.contest.missing(look.number)
        if not due:
            return
        if look.number != BESIDE:
            self._say(_announced(look))
        what = "baseline" if look.number == BESIDE else "confirmation"
        units = self._store.manifest.get("units")
        work = entries(due, look.number, self._scales, tested=look.number != BESIDE, units=units)
        total = len(look.contestants) * len(look.seeds)
        with self._telemetry.racing(what, total, len(due), min(at_once, len(work))):
            driver.run(work)

    def _keep(self, outings: Sequence[Outing]) -> None:
        """Keep what came of trainings; who hears of it hears of what is safe."""
        self._journal.keep(outings)
        for outing in outings:
            self._telemetry.outing_ended(self._journal.contest.entered(outing), outing)

    def _say(self, sentence: str) -> None:
        if not self._options.quiet:
            print(sentence, file=sys.stderr, flush=True)


def _announced(look: _Look) -> str:
    seeds = ", ".join(map(str, look.seeds))
    again = f" This is look {look.number} at the test data." if look.number > 1 else ""
    return f"Confirming {len(look.contestants)} picks and baselines from the seeds {seeds}.{again}"
