"""What the winner ended with, from whoever trained it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from lossweights.executors import Executor
from lossweights.results.result import SweepResult
from lossweights.training import Member

log = logging.getLogger("lossweights")


def held_parameters(executor: Executor, result: SweepResult) -> Sequence[NDArray[Any]] | None:
    """The parameters that the first pick ended with, if the executor holds them.

    Args:
        executor: What trained the trials; it trains nothing now.
        result: The result of the sweep.
    """
    if not result.has_best:
        return None
    try:
        training = result.kept(result.first_pick)[0].result
    except Exception:  # which is told where the winner is saved, and costs no more than that
        log.debug("the first pick is not known", exc_info=True)
        return None
    return executor.parameters(Member(training.weights, training.seed, chosen=training.chosen))
