"""Failures in a row: a sweep stops before a night is lost on trials that all fail alike."""

from __future__ import annotations

from collections.abc import Sequence

from lossweights.base.errors import SweepFailed
from lossweights.records import Failure

LONGEST = 3  # failures in a row that a sweep bears


class Streak:
    """The latest failures, as long as they have one reason and nothing was trained in between.

    What is tried again is no new evidence: neither weights that failed before, nor a stack in
    smaller parts.

    >>> streak = Streak()
    >>> [streak.add(Failure.EXCEPTION, [place]) for place in (0, 0, 1, 2)]
    [1, 1, 2, 3]
    >>> streak.add(Failure.TIMEOUT, [3])
    1
    """

    def __init__(self) -> None:
        self._reason: Failure | None = None
        self._places: set[tuple[int, ...]] = set()

    def clear(self) -> None:
        """Something was trained."""
        self._places.clear()

    def add(self, reason: Failure, places: Sequence[int]) -> int:
        """A failure at places that count as one; how many there are now."""
        if reason is not self._reason:
            self._reason = reason
            self._places.clear()
        self._places.add(tuple(places))
        return len(self._places)

    @property
    def is_too_long(self) -> bool:
        """Whether the sweep is to stop."""
        return len(self._places) >= LONGEST

    def error(self, reason: Failure, last: str, go_on: str) -> SweepFailed:
        """What is said of a streak that is too long.

        Args:
            reason: The one reason.
            last: The sentence of the last failure.
            go_on: The command that goes on with the sweep.
        """
        return SweepFailed(
            f"Expected trials that train. Found {len(self._places)} failures in a row, since "
            f"{reason.value}. The last one: {last.rstrip('.')}. The sweep is kept; mend the "
            f"cause, then `{go_on}`."
        )
