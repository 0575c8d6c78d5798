"""Taking turns: the sampler learns of trials in the order they were asked for.

Workers end when they end. Were the sampler told in that order, no two runs of a sweep would sample
the same. So results wait for their turn, and no more is asked for than a fixed number ahead: what
the sampler knows when it is asked depends on the sweep alone, not on who was faster.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

from lossweights.folder import Finished

PATIENCE_SECONDS = 10.0  # that a turn is waited for, at least
PATIENCE_FACTOR = 3.0  # or as many times the longest turn so far


class Turn:
    """Places that are tried together, and what came of them.

    Attributes:
        places: The places.
        results: What ended for good, by place.
    """

    def __init__(self, places: Sequence[int], now: float) -> None:
        self.places = tuple(places)
        self.results: dict[int, Finished] = {}
        self.since = now

    @property
    def over(self) -> bool:
        """Whether all of its places have ended."""
        return len(self.results) == len(self.places)


class Turns:
    """The turns that are under way, oldest first.

    A turn that takes far longer than all before is passed by, so that one slow or hanging trial
    does not leave the other workers idle; from there on the order is that of ending.

    Args:
        depth: How many turns may be under way.
        clock: Seconds that never jump.
    """

    def __init__(self, depth: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._depth, self._clock = depth, clock
        self._waiting: deque[Turn] = deque()
        self._passed: list[Turn] = []
        self._longest = 0.0

    @property
    def room(self) -> bool:
        """Whether another turn may be asked for."""
        return len(self._waiting) < self._depth

    @property
    def under_way(self) -> int:
        """How many turns are not over, or wait for an earlier one."""
        return len(self._waiting) + len(self._passed)

    def begin(self, places: Sequence[int]) -> Turn:
        """A new turn for places that were asked for now."""
        turn = Turn(places, self._clock())
        self._waiting.append(turn)
        return turn

    def next_over(self) -> Turn | None:
        """The turn to learn from now, which is then forgotten; ``None`` to wait."""
        for turn in self._passed:
            if turn.over:
                self._passed.remove(turn)
                return turn
        while self._waiting:
            turn = self._waiting[0]
            age = self._clock() - turn.since
            if turn.over:
                self._longest = max(self._longest, age)
                return self._waiting.popleft()
            if self.room or age < max(PATIENCE_SECONDS, PATIENCE_FACTOR * self._longest):
                return None
            self._passed.append(self._waiting.popleft())
        return None
