"""Taking turns: the sampler learns of trials in the order they were asked for.

Workers end when they end. Were the sampler told in that order, no two runs of a sweep would sample
the same. So results wait for their turn, and no more is asked for than a fixed number ahead: what
the sampler knows when it is asked depends on the sweep alone, not on who was faster.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

from lossweights.results.folder import Finished

PATIENCE_SECONDS = 10.0  # that a worker idles for the sake of the order, at least


class Turn:
    """Places that are tried together, and what came of them.

    Attributes:
        places: The places.
        results: What ended for good, by place.
        since: When they were asked for.
    """

    def __init__(self, places: Sequence[int], since: float) -> None:
        self.places = tuple(places)
        self.results: dict[int, Finished] = {}
        self.since = since

    @property
    def over(self) -> bool:
        """Whether all of its places have ended."""
        return len(self.results) == len(self.places)


class Turns:
    """The turns that are under way, oldest first.

    A turn that keeps a worker idle for longer than any turn has taken is passed by: one trial that
    hangs does not stop the others. From there on it counts when it ends.

    Args:
        depth: How many turns may be under way.
        slots: How many are trained at the same time.
        clock: Seconds that never jump.
    """

    def __init__(self, depth: int, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._depth, self._slots, self._clock = depth, slots, clock
        self._waiting: deque[Turn] = deque()
        self._passed: list[Turn] = []
        self._longest = 0.0
        self._idle_since: float | None = None

    @property
    def room(self) -> bool:
        """Whether another turn may be asked for."""
        return len(self._waiting) < self._depth

    def begin(self, places: Sequence[int]) -> Turn:
        """A new turn, for places that were asked for now."""
        turn = Turn(places, self._clock())
        self._waiting.append(turn)
        return turn

    def next_over(self) -> Turn | None:
        """The turn to learn from now, which is then forgotten; ``None`` to wait."""
        if self._idle_for() > max(PATIENCE_SECONDS, self._longest):
            self._passed.append(self._waiting.popleft())
            self._idle_since = None
        for turn in self._passed:
            if turn.over:
                self._passed.remove(turn)
                return turn
        if self._waiting and self._waiting[0].over:
            turn = self._waiting.popleft()
            self._longest = max(self._longest, self._clock() - turn.since)
            return turn
        return None

    def _idle_for(self) -> float:
        """How long a worker has had nothing to do because the first turn is not over."""
        busy = sum(not turn.over for turn in (*self._passed, *self._waiting))
        if self.room or busy >= self._slots or self._waiting[0].over:
            self._idle_since = None
            return 0.0
        if self._idle_since is None:
            self._idle_since = self._clock()
        return self._clock() - self._idle_since
