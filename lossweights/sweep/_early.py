"""What begins before the sweep is prepared: the process that its workers are forked from.

And what has to be settled before TensorFlow first computes: that cards are shared.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lossweights.base.machine import available_cores
from lossweights.executors import Forkserver, shared_gpus
from lossweights.sweep._declaration import Declaration
from lossweights.sweep._options import RunOptions

FEWEST = 32  # trainings of a sweep that chooses to have workers


@contextmanager
def early_forkserver(sweep: Declaration, options: RunOptions) -> Iterator[Forkserver | None]:
    """Start what workers are forked from, if there will be any; it is ended with the context.

    Args:
        sweep: The sweep.
        options: The options of the run.
    """
    with shared_gpus():
        if not _may_have_workers(sweep, options):
            yield None
            return
        forkserver = Forkserver(sweep.worker_imports)
        try:
            forkserver.start()
            yield forkserver
        finally:
            forkserver.close()


def _may_have_workers(sweep: Declaration, options: RunOptions) -> bool:
    """For few trials workers are not worth their start, unless somebody asks for them."""
    asked = bool(options.workers) or options.trial_timeout is not None
    enough = options.trials * sweep.trainings >= FEWEST and available_cores() > 1
    return options.workers != 0 and (asked or enough) and Forkserver.is_possible()
