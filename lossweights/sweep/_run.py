"""The way of a sweep, from its options to its result: `run_sweep`, read from top to bottom."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from lossweights.base.autologging import autologging_off
from lossweights.base.commands import command
from lossweights.base.errors import NoneComplete, StoreError
from lossweights.base.names import check_name
from lossweights.base.signals import Signals
from lossweights.driver import Driver, Policy, Recorder
from lossweights.executors import refuse_in_worker, shared_gpus
from lossweights.foreign.generated_files import own_temporary_folder
from lossweights.results.folder import Finished, read_manifest, refuse_existing
from lossweights.results.result import SweepResult
from lossweights.search.aims import Aims
from lossweights.search.rungs import Pruning
from lossweights.search.stagnation import Stagnation
from lossweights.store import Store, note_drivers
from lossweights.sweep._choose import Crew
from lossweights.sweep._cluster import early_cluster
from lossweights.sweep._contest import ContestStep
from lossweights.sweep._declaration import Declaration
from lossweights.sweep._going_on import going_on
from lossweights.sweep._held import held_parameters
from lossweights.sweep._open import open_store, placed, refuse_full_disk
from lossweights.sweep._options import RunOptions
from lossweights.sweep._preload import Preload
from lossweights.sweep._telemetry import Telemetry
from lossweights.sweep.early import early_forkserver
from lossweights.sweep.prune import pruning_of

log = logging.getLogger("lossweights")


def run_sweep(
    sweep: Declaration,
    options: RunOptions,
    tell: Callable[[SweepResult], None] = lambda result: None,
) -> SweepResult:
    """Run a sweep to its end; see `lossweights.sweep.abstract.AbstractSweep.run`.

    Args:
        sweep: The sweep.
        options: The options of the run.
        tell: Called once with the result as soon as it is known, its weight sets are written and
            its winner is saved. Then come report and pictures.
    """
    # 1. What can be refused is refused before anything is loaded or written.
    refuse_in_worker(sweep.name)
    options = options.check(sweep.trainers)
    deadline = None if options.time_limit is None else time.monotonic() + float(options.time_limit)
    name = check_name(sweep.name if options.name is None else options.name, "sweep")
    if not options.resume:
        refuse_existing(options.root, name, going_on("resume", name, options))
    manifest = read_manifest(options.root, name) if options.resume else None
    pruning = pruning_of(sweep, options, manifest)
    sweep.check_trainer(options.trainer, halts=pruning is not None)
    if options.warm_start is not None and not options.resume:
        read_manifest(options.root, options.warm_start)
    refuse_full_disk(options.root)
    options = placed(name, options)
    with (
        Signals() as signals,
        autologging_off(),
        shared_gpus(),
        # What workers are forked from imports TensorFlow beside this process.
        early_forkserver(sweep, options) as forkserver,
        early_cluster(sweep, options) as cluster,
        own_temporary_folder(),
    ):
        # 2. The data are loaded, and every part is tried once; large data are put where workers
        #    find them.
        prepared = sweep.prepare(rehearse=True).sharing()
        for note in prepared.notes:
            log.warning(note)
        with ExitStack() as run:
            # 3. How trials are trained is chosen, perhaps by timing, and a first worker has loaded
            #    the sweep, before anything of a new sweep is written. One that is gone on with is
            #    opened before: perhaps nothing is left to train.
            crew = run.enter_context(Crew(sweep, prepared, options, forkserver, cluster))
            if not options.resume:
                crew.start()
            # 4. The sweep folder is made or reopened; from here on it is ours alone. MLflow starts
            #    after the choice: its start takes all of a core.
            store = run.enter_context(open_store(sweep, prepared, name, options, pruning))
            telemetry = run.enter_context(Telemetry(store, options))
            try:
                contest = ContestStep(sweep, store, options, telemetry)
                left = store.finished() < options.trials and not options.only_confirm
                if options.resume and (left or contest.is_due):
                    crew.start(store.manifest.get("choice"))
            finally:
                telemetry.begin(prepared.shown)
            if crew.has_started:
                with crew:
                    crew.executor.log_to(store.folder / "logs")
                    preload = Preload(prepared.end_imports(recorded=telemetry.tracker is not None))
                    loop = _Loop(store, crew, signals, telemetry, options, deadline, preload)
                    # 5. Batches are trained until enough trials have ended.
                    in_time = not left or loop.run(pruning)
                    # 6. What the picks have to beat is trained, and all of them from fresh seeds.
                    if in_time:
                        contest.run(crew.executor, signals, loop.policy, deadline)
                    # What the winner ended with is asked for while those that trained are there.
                    result = contest.result
                    parameters = held_parameters(crew.executor, result)
            else:
                result, parameters = contest.result, None
            # 7. Conclusions are drawn: weight sets, verdict, winner, report.
            with _disk_errors_named(store, options):
                recorded = telemetry.tracker is not None
                ending = prepared.conclude(
                    result, options.root, recorded=recorded, parameters=parameters, tell=tell
                )
                telemetry.end(ending)
            _note_drivers(store, result)
    # 8. What there is, is returned.
    result = SweepResult.read(name, options.root)
    refuse_nothing(result, options)
    return result


@dataclass(frozen=True)
class _Loop:
    """What the trials of a run are trained with."""

    store: Store
    crew: Crew
    signals: Signals
    telemetry: Telemetry
    options: RunOptions
    deadline: float | None
    preload: Preload

    @property
    def policy(self) -> Policy:
        """What is done with trainings that go wrong."""
        options = self.options
        go_on = going_on("resume", self.store.name, options)
        return Policy(options.max_retries, options.trial_timeout, go_on)

    def run(self, pruning: Pruning | None) -> bool:
        """Train until enough trials have ended; whether that was before the deadline."""
        store, telemetry, trials = self.store, self.telemetry, self.options.trials
        if store.manifest.get("choice") != self.crew.choice:
            store.change_manifest({**store.manifest, "choice": self.crew.choice})
        recorder = Recorder(store, self._trial_ended, telemetry.idle)
        stagnation = _stagnation(store, self.options)
        driver = Driver(
            store,
            self.crew.executor,
            recorder,
            self.signals,
            self.policy,
            telemetry.tracker,
            self.deadline,
            pruning,
            stagnation,
        )
        with telemetry.progress:
            telemetry.follow(driver, driver.at_once(trials))
            with recorder:
                driver.run(trials)
        if driver.out_of_time:
            telemetry.out_of_time()
        elif stagnation is not None and stagnation.is_reached:
            telemetry.stagnated(stagnation)
        elif store.finished() < trials and store.sampler.is_done:
            telemetry.nothing_to_ask()
        return not driver.out_of_time

    def _trial_ended(self, finished: Finished) -> None:
        self.telemetry.trial_ended(finished)
        self.preload.begin()  # not before: what trains, and asks, has been imported by now


def _stagnation(store: Store, options: RunOptions) -> Stagnation | None:
    if options.patience is None:
        return None
    aims = Aims.of_manifest(store.manifest)
    return Stagnation(store.objectives, options.patience, options.min_growth, aims)


def refuse_nothing(result: SweepResult, options: RunOptions) -> None:
    """Raise where there is nothing to return.

    Raises:
        NoneComplete: No trial is complete. Says how they ended, what to change, and the way on.
    """
    why = result.none_complete
    if why is None and result.has_best:
        return
    if why is None:  # not one has ended: the time was up before
        go_on = going_on("resume", result.name, options)
        raise NoneComplete(
            f"Expected at least one complete trial of {options.trials}. Found that none had ended "
            f"when the time limit was reached. Allow more time: `{go_on}` goes on without a limit."
        )
    stopped = ", and there the sweep stopped" if why.trials < options.trials else ""
    said: dict[str, object] = {} if stopped else {"trials": why.trials + options.trials}
    if why.field is not None:
        said["accept_change"] = why.field
    change = f"{why.change[0].upper()}{why.change[1:]}"
    report = command("report", result.name, options.root)
    go_on = going_on("resume", result.name, options, **said)
    raise NoneComplete(
        f"Expected at least one complete trial of {options.trials}. Found none: {why.found}"
        f"{stopped}. {change}. `{report}` shows what there is. After the change go on with "
        f"`{go_on}`; with another range, start another sweep."
    )


def _note_drivers(store: Store, result: SweepResult) -> None:
    """Have the study show which term drove each trial, if nobody holds it for too long."""
    drivers = {number: verdict.driver for number, verdict in result.verdicts.items()}
    try:
        note_drivers(store.folder / "study.db", drivers)
    except StoreError as error:
        log.warning("%s", error)


@contextmanager
def _disk_errors_named(store: Store, options: RunOptions) -> Iterator[None]:
    """What Keras cannot write of the winner ends the sweep as any other full disk does."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        go_on = going_on("resume", store.name, options)
        raise StoreError(
            f"Expected to write what belongs to the end of the sweep {store.name!r}. Found: "
            f"{error}. Its trials are kept. Check the disk's free space, then `{go_on}`."
        ) from error
