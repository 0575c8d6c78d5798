"""How many live reports pass: enough for curves and decisions, not enough to drown the driver."""

from __future__ import annotations

import time
from collections.abc import Callable

from lossweights.executors._contract import REPORT_SECONDS, Batch


class ReportLimit:
    """Lets at most one report of a batch pass every so often, the members' turns taken evenly.

    Reports at a rung always pass. What does not is counted and forgotten: the results of the batch
    hold every report.

    Args:
        batch: The batch.
        seconds: Between two reports; by default a tenth.
        clock: Tells the time.

    >>> limit = ReportLimit(Batch(0, ("one member",)), clock=iter([5.0, 5.05, 5.2]).__next__)
    >>> [limit.passes(0, epoch) for epoch in range(3)], limit.dropped
    ([True, False, True], 1)
    """

    def __init__(
        self,
        batch: Batch,
        seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.dropped = 0
        self._rungs = batch.rungs
        self._between = (REPORT_SECONDS if seconds is None else seconds) * len(batch.members)
        self._last: dict[int, float] = {}
        self._clock = clock

    def passes(self, position: int, epoch: int) -> bool:
        """Whether the report of a member passes now."""
        now = self._clock()
        early = now - self._last.get(position, -self._between) < self._between
        if early and epoch not in self._rungs:
            self.dropped += 1
            return False
        self._last[position] = now
        return True
