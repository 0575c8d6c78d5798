"""Running a sweep: everything that the driver needs, opened in order and closed in reverse."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossweights.base.commands import command
from lossweights.base.errors import RecipeError, StoreError, WorkerError
from lossweights.base.files import check_name
from lossweights.base.machine import available_cores
from lossweights.base.signals import Signals
from lossweights.driver import Driver, Policy, Recorder
from lossweights.driver._progress import SweepProgress
from lossweights.executors import Executor, InlineExecutor, ProcessExecutor
from lossweights.executors._child import refuse_in_worker
from lossweights.results.folder import Finished, list_results, read_manifest, refuse_existing
from lossweights.results.result import SweepResult
from lossweights.results.status import StatusBoard
from lossweights.store import Store
from lossweights.store.manifest import check_same, digest, make_manifest
from lossweights.sweep._choice import Asked, Choice, choice_of, told
from lossweights.sweep._target import target_of
from lossweights.tracking import Ending, Tracker
from lossweights.tracking._address import without_password
from lossweights.tracking._ending import STOPPED

if TYPE_CHECKING:
    from lossweights.sweep.abstract import AbstractSweep, Prepared

log = logging.getLogger("lossweights")

LEAST_FREE_BYTES = 64 << 20  # on the disk, before a sweep is begun
MEMORY_SHARE = 0.8  # of the machine's memory that all workers together may hold
TABLES_SECONDS = 120.0  # that MLflow may take to make its tables


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a sweep is run; see `lossweights.sweep.abstract.AbstractSweep.run` for each."""

    trials: int = 64
    name: str | None = None
    root: Path = Path("mlruns")
    trainer: str = "auto"
    workers: int | None = None
    resume: bool = False
    accept_change: Sequence[str] = ()
    tracking: bool | str = True
    trial_timeout: float | None = None
    max_retries: int = 1
    quiet: bool = False
    script: Path | None = None


def run_sweep(sweep: AbstractSweep, options: Options) -> SweepResult:
    """Run a sweep to its end; see `lossweights.sweep.abstract.AbstractSweep.run`."""
    _check(sweep, options)
    name = check_name(sweep.name if options.name is None else options.name, "sweep")
    if not options.resume:
        refuse_existing(options.root, name)
    _check_free_space(options.root)
    with Signals() as signals:
        prepared = sweep.prepare(rehearse=True)
        with _open_store(sweep, prepared, name, options) as store:
            _run(sweep, prepared, store, signals, options)
    return SweepResult.read(name, options.root)


def _run(
    sweep: AbstractSweep, prepared: Prepared, store: Store, signals: Signals, options: Options
) -> None:
    board = StatusBoard(store.folder, options.trials)
    progress = SweepProgress(store.objectives, options.trials, quiet=options.quiet)
    tracker = _tracker(store, options)
    ending = Ending("KILLED", STOPPED)
    try:
        try:
            # Before MLflow starts, which takes all of a core: training may be timed here.
            choice = _choice(sweep, prepared, store, options)
        finally:
            _begin(store, prepared, board, progress, tracker)
        if choice is not None:
            executor = _executor(sweep, prepared, store, options, choice)
            _train(store, executor, signals, options, board, progress, tracker)
        with _disk_errors_named(store):
            ending = prepared.conclude(SweepResult.read(store.name, options.root), options.root)
    except Exception as error:
        ending = Ending("FAILED", f"{type(error).__name__}: {error}")
        raise
    finally:
        ending = replace(ending, tags={**ending.tags, **_accepted_tag(store)})
        with suppress(StoreError):  # of a full disk there is worse to tell
            ending.save(store.folder)
        if tracker is not None:
            tracker.finish(ending)
            board.write([], tracker.state(), last=True)


def _begin(
    store: Store,
    prepared: Prepared,
    board: StatusBoard,
    progress: SweepProgress,
    tracker: Tracker | None,
) -> None:
    """Start recording, with what was there before."""
    if tracker is not None:
        tracker.start(prepared.shown)
    for finished in list_results(store.folder).values():
        board.trial_ended(finished)
        progress.count(finished)
        if tracker is not None:
            tracker.trial_ended(finished)  # what an interrupted process could not record


@contextmanager
def _disk_errors_named(store: Store) -> Iterator[None]:
    """What Keras cannot write of the winner ends the sweep as any other full disk does."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        go_on = command("resume", store.name, store.root)
        raise StoreError(
            f"Expected to write what belongs to the end of the sweep {store.name!r}. Found: "
            f"{error}. Its trials are kept. Check the disk's free space, then `{go_on}`."
        ) from error


def _train(
    store: Store,
    executor: Executor,
    signals: Signals,
    options: Options,
    board: StatusBoard,
    progress: SweepProgress,
    tracker: Tracker | None,
) -> None:
    def safe(finished: Finished) -> None:
        board.trial_ended(finished)
        progress.trial_ended(finished)
        if tracker is not None:
            tracker.trial_ended(finished)

    def idle() -> None:
        progress.show()
        board.write(driver.workers(), {} if tracker is None else tracker.state())

    if tracker is not None and isinstance(executor, ProcessExecutor):
        tracker.wait_until_tried(TABLES_SECONDS)  # the databases are there before any child is
    policy = Policy(options.max_retries, options.trial_timeout)
    recorder = Recorder(store, safe, idle)
    with progress, executor:
        executor.start()
        driver = Driver(store, executor, recorder, signals, policy, tracker)
        board.begin()
        with recorder:
            driver.run(options.trials)


def _choice(
    sweep: AbstractSweep, prepared: Prepared, store: Store, options: Options
) -> Choice | None:
    """How trials are trained; ``None`` if there are none left."""
    if store.finished() >= options.trials:
        return None
    workers = options.workers
    least = 0 if options.trial_timeout is None else 1  # only a process can be ended in time
    if workers is None and not least and not _can_have_workers(sweep, options):
        workers = 0
    choice = choice_of(
        store, prepared.choose, Asked(options.trainer, options.trials, workers, least)
    )
    if choice.why and not options.quiet:
        print(told(choice), file=sys.stderr, flush=True)
    return choice


def _executor(
    sweep: AbstractSweep, prepared: Prepared, store: Store, options: Options, choice: Choice
) -> Executor:
    if choice.workers == 0:
        return InlineExecutor(lambda: prepared.make_trainer(choice.trainer, choice.members))
    return ProcessExecutor(
        choice.workers,
        target_of(sweep, options.script),
        choice.trainer,
        fingerprint=digest(prepared.parts),
        logs=store.folder / "logs",
        members=choice.members,
        memory=_memory_limit(choice.workers),
    )


def _can_have_workers(sweep: AbstractSweep, options: Options) -> bool:
    """Whether a worker could import the sweep; not one that was written in a notebook."""
    try:
        target_of(sweep, options.script)
    except WorkerError:
        return False
    return True


def _memory_limit(workers: int) -> int | None:
    """What a worker may hold: beyond, memory that earlier trials have left behind is given back."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        total = next(int(line.split()[1]) for line in lines if line.startswith("MemTotal:"))
    except (OSError, StopIteration, ValueError):
        return None
    return int(MEMORY_SHARE * 1024 * total / workers)


def _open_store(sweep: AbstractSweep, prepared: Prepared, name: str, options: Options) -> Store:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    manifest = make_manifest(
        prepared.parts,
        name=name,
        space=sweep.space,
        objectives=sweep.objectives,
        baselines=sweep.baselines,
        scales=prepared.scales,
        baseline=prepared.baseline,
        seed=sweep.seed,
        script=None if options.script is None else str(options.script.resolve()),
        created=now,
        shown=prepared.shown,
        trials=options.trials,
        tracking=without_password(options.tracking) if isinstance(options.tracking, str) else None,
    )
    if not options.resume:
        return Store.create(options.root, manifest, sweep.space)
    old = read_manifest(options.root, name)
    changes = check_same(old, manifest, options.accept_change)
    store = Store.reopen(options.root, name, sweep.space)
    if changes:
        log.warning("going on with changes in %s", ", ".join(c["field"] for c in changes))
        accepted = [{**change, "at": now, "trials": store.places} for change in changes]
        history = [*old.get("accepted", []), *accepted]
        store.change_manifest({**manifest, "created": old["created"], "accepted": history})
    elif options.trials != old.get("trials"):
        store.change_manifest({**old, "trials": options.trials})
    return store


def _tracker(store: Store, options: Options) -> Tracker | None:
    if options.tracking is False:
        return None
    uri = options.tracking if isinstance(options.tracking, str) else store.manifest.get("tracking")
    created, baseline = str(store.manifest["created"]), store.manifest.get("baseline")
    return Tracker(options.root, store.name, created, uri, baseline)


def _accepted_tag(store: Store) -> dict[str, str]:
    """The changes that a sweep was gone on with, for its parent run."""
    fields = sorted({str(change["field"]) for change in store.manifest.get("accepted", [])})
    return {"lossweights.accepted_changes": ", ".join(fields)[:1000]} if fields else {}


def _check(sweep: AbstractSweep, options: Options) -> None:
    refuse_in_worker(sweep.name)
    if options.trainer not in sweep.trainers:
        raise RecipeError(
            f"Expected a trainer among {tuple(sweep.trainers)}. Found {options.trainer!r}."
        )
    _at_least("trials", options.trials, 1)
    _at_least("max_retries", options.max_retries, 0)
    if options.workers is not None:
        _at_least("workers", options.workers, 0)
        if options.workers > 4 * available_cores():
            raise RecipeError(
                f"Expected at most {4 * available_cores()} workers on this machine's "
                f"{available_cores()} cores. Found {options.workers}."
            )
    if options.trial_timeout is not None and not options.trial_timeout > 0:
        raise RecipeError(
            f"Expected a trial_timeout above 0 seconds. Found {options.trial_timeout!r}."
        )


def _at_least(what: str, value: Any, lowest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        raise RecipeError(
            f"Expected {what} as a whole number of at least {lowest}. Found {value!r}."
        )


def _check_free_space(root: Path) -> None:
    there = next(p for p in (root.resolve(), *root.resolve().parents) if p.exists())
    free = shutil.disk_usage(there).free
    if free < LEAST_FREE_BYTES:
        raise StoreError(
            f"Expected at least {LEAST_FREE_BYTES >> 20} MB free for results in {there}. Found "
            f"{free >> 20} MB. Make room, or choose another disk with --root."
        )
