"""The connection to a cluster, before anything is loaded that only it may train."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lossweights.base.errors import WorkerError
from lossweights.executors import RayCluster, shipped_folder
from lossweights.sweep._declaration import Declaration
from lossweights.sweep._location import location_of
from lossweights.sweep._options import RunOptions


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
    folder = shipped_folder(location)
    with RayCluster(options.address or "auto", folder, options.root) as cluster:
        yield cluster
