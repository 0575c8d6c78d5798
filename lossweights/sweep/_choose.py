"""How trials are trained: chosen when a sweep begins, kept in its manifest, and gone on with."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict

from lossweights.base.errors import WorkerError
from lossweights.base.machine import available_cores, total_bytes
from lossweights.executors import Executor, InlineExecutor, ProcessExecutor
from lossweights.store import Store
from lossweights.sweep._declaration import Declaration
from lossweights.sweep._location import location_of
from lossweights.sweep._options import RunOptions
from lossweights.sweep.prepared import Prepared
from lossweights.training import SetupRequest, TrainingSetup

MEMORY_SHARE = 0.8  # of the machine's memory that all workers together may hold


def choose_setup(
    sweep: Declaration, prepared: Prepared, store: Store, options: RunOptions
) -> TrainingSetup | None:
    """How the trials are trained, which is said; ``None`` if there are none left."""
    if store.finished() >= options.trials:
        return None
    workers = options.workers
    least = 0 if options.trial_timeout is None else 1  # only a process can be ended in time
    if workers is None and not least and not _can_have_workers(sweep, options):
        workers = 0
    setup = _kept_setup(
        prepared, store, SetupRequest(options.trainer, options.trials, workers, least)
    )
    if setup.why and not options.quiet:
        print(setup, file=sys.stderr, flush=True)
    return setup


def make_executor(
    sweep: Declaration,
    prepared: Prepared,
    store: Store,
    setup: TrainingSetup,
    options: RunOptions,
) -> Executor:
    """What trains the trials so; it has not started.

    Raises:
        WorkerError: Worker processes were asked for, and could not find the sweep.
    """
    if setup.workers == 0:
        return InlineExecutor(lambda: prepared.make_trainer(setup.trainer, setup.members))
    return ProcessExecutor(
        setup.workers,
        location_of(sweep, sweep.name, options.script),
        setup.trainer,
        fingerprint=prepared.fingerprint,
        logs=store.folder / "logs",
        members=setup.members,
        memory=_memory_limit(setup.workers),
    )


def _kept_setup(prepared: Prepared, store: Store, request: SetupRequest) -> TrainingSetup:
    """What was chosen before, as long as the same is asked for on as many cores; else a choice.

    Timed again, or with other memory free, it might be chosen otherwise.
    """
    question = {**asdict(request), "cores": available_cores()}
    kept = store.manifest.get("choice")
    if isinstance(kept, Mapping) and kept.get("asked") == question:
        made = TrainingSetup.from_json(kept.get("made"))
        if made is not None:
            return made
    setup = prepared.choose(request)
    content = {"asked": question, "made": asdict(setup)}
    store.change_manifest({**store.manifest, "choice": content})
    return setup


def _can_have_workers(sweep: Declaration, options: RunOptions) -> bool:
    """Whether a worker could import the sweep; not one that was written in a notebook."""
    try:
        location_of(sweep, sweep.name, options.script)
    except WorkerError:
        return False
    return True


def _memory_limit(workers: int) -> int | None:
    """What a worker may hold: beyond, memory that earlier trials have left behind is given back."""
    total = total_bytes()
    return None if total is None else int(MEMORY_SHARE * total / workers)
