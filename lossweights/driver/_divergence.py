"""Divergence of every trial: a sweep stops before a night is lost on trainings that all explode."""

from __future__ import annotations

from lossweights.records import Outcome

ENOUGH = 16  # trials that have diverged, while no other trained


class Divergence:
    """How many trials have diverged, as long as no other trained to where it was to end.

    >>> divergence = Divergence()
    >>> for _ in range(16):
    ...     divergence.add(Outcome.DIVERGED)
    >>> divergence.is_all
    True
    >>> divergence.add(Outcome.COMPLETE)
    >>> divergence.is_all
    False
    """

    def __init__(self) -> None:
        self._diverged, self._trained = 0, False

    def add(self, outcome: Outcome) -> None:
        """A trial has ended for good. One that failed says nothing of the others."""
        self._diverged += outcome is Outcome.DIVERGED
        self._trained |= outcome in (Outcome.COMPLETE, Outcome.PRUNED)

    @property
    def is_all(self) -> bool:
        """Whether enough trials have diverged to stop, and no other trained."""
        return self._diverged >= ENOUGH and not self._trained
