"""How fast the trials of a sweep end, known from the second round on."""

from __future__ import annotations

import time


class Pace:
    """Tells how long a trial takes, once that can be told.

    Trials are under way several at once, and the first round of them waits for workers that start,
    load the data and compile. What it took says nothing of those that follow. So the clock runs
    from the end of the first round to that of the last: in the middle of one, as where a stack is
    being written, it would say anything.

    >>> pace = Pace()
    >>> pace.trial_ended()  # whatever that took
    >>> pace.seconds_left(39) is None
    True
    """

    def __init__(self) -> None:
        self.begin(1)

    def begin(self, at_once: int) -> None:
        """Training begins: nothing is known.

        Args:
            at_once: How many trials are under way at once.
        """
        self._trials, self._seconds = 0, 0.0  # of the rounds after the first
        self._at_once, self._ended = max(at_once, 1), 0
        self._since = self._last = time.monotonic()

    def trial_ended(self) -> None:
        """A trial has ended, now."""
        self._ended += 1
        if self._ended % self._at_once:
            return
        self._last = time.monotonic()
        if self._ended == self._at_once:
            self._since = self._last
        self._trials, self._seconds = self._ended - self._at_once, self._last - self._since

    @property
    def trials_an_hour(self) -> float:
        """How many trials end in an hour; 0 while it cannot be told."""
        return 3600.0 * self._trials / self._seconds if self._trials and self._seconds else 0.0

    def seconds_left(self, trials: int) -> float | None:
        """How long so many more trials take from now on; ``None`` while it cannot be told."""
        if not trials:
            return 0.0
        if not self._trials:
            return None
        since = self._ended - self._at_once - self._trials  # of the round under way
        waited = time.monotonic() - self._last
        return max(self._seconds / self._trials * (trials + since) - waited, 0.0)


def as_minutes(seconds: float) -> str:
    """A duration as people read it.

    >>> as_minutes(59.7), as_minutes(3599.6)
    ('1:00', '60:00')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
