"""What begins before the sweep is prepared: what its workers are forked from, or a connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lossweights.base.errors import WorkerError
from lossweights.base.machine import available_cores
from lossweights.executors import Forkserver, RayCluster
from lossweights.sweep._declaration import Declaration
from lossweights.sweep._location import location_of
from lossweights.sweep._options import RunOptions

FEWEST = 32  # trainings of a sweep that chooses to have workers


@contextmanager
def early_forkserver(sweep: Declaration, options: RunOptions) -> Iterator[Forkserver | None]:
    """Start what workers are forked from, if there will be any; it is ended with the context.

    Args:
        sweep: The sweep.
        options: The options of the run.
    """
    if not _may_have_workers(sweep, options):
        yield None
        return
    forkserver = Forkserver(sweep.worker_imports)
    try:
        forkserver.start()
        yield forkserver
    finally:
        forkserver.close()


@contextmanager
def early_cluster(sweep: Declaration, options: RunOptions) -> Iterator[RayCluster | None]:
    """Connect to the cluster that trains, if one does: where none answers, nothing is loaded.

    Args:
        sweep: The sweep.
        options: The options of the run.

    Raises:
        WorkerError: There is none at the address, or one of other versions or with another token.
    """
    if options.executor != "ray":
        yield None
        return
    try:
        location = location_of(sweep, sweep.name, options.script)
    except WorkerError:
        location = None  # it will go by value
    with RayCluster(options.address or "auto", location, options.root) as cluster:
        yield cluster


def _may_have_workers(sweep: Declaration, options: RunOptions) -> bool:
    """For few trials workers are not worth their start, unless somebody asks for them."""
    if options.executor not in (None, "processes"):
        return False
    asked = bool(options.workers or options.executor) or options.trial_timeout is not None
    enough = options.trials * sweep.trainings >= FEWEST and available_cores() > 1
    return options.workers != 0 and (asked or enough) and Forkserver.is_possible()
