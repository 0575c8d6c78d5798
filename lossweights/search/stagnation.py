"""When a search is done: what it looks for has not got better for so many trials."""

from __future__ import annotations

from collections.abc import Mapping

import moocore
import numpy as np
from numpy.typing import NDArray

from lossweights.search.aims import Aims

BEYOND = 1.1  # the reference point, in spans from the best to the worst end of the front

Floats = NDArray[np.float64]


class Stagnation:
    """Watches the hypervolume of the trials that have ended, in their order.

    The hypervolume is what the front dominates up to a reference point (Zitzler and Thiele 1998).
    That point and the front's ends move while a sweep goes on. So both hypervolumes, of now and of
    ``patience`` trials ago, are measured by the same point: a tenth beyond the worst end of today's
    front, or beyond the median of all trials where that is worse, as it is for one objective; and
    beyond the worst of all where these are all equal, as those of a metric at its limit may be.
    Only metrics enter, never a weighted loss.

    With a wish or constraints the hypervolume is that of the trials that meet them. As long as none
    does, it is watched how little the best of them misses.

    Args:
        directions: ``"minimize"`` or ``"maximize"`` for each objective.
        patience: Trials in which it has to grow.
        min_growth: By which part of itself, at least.
        aims: A wish and constraints.

    Attributes:
        growth: By which part it grew in the last ``patience`` trials; infinite before that is
            known.
        is_near: Whether it was the miss that got smaller, since no trial meets the aims.

    >>> stagnation = Stagnation({"rmse": "minimize"}, patience=3, min_growth=0.01)
    >>> for rmse in (9.0, 7.0, 5.0, 5.1, 6.0, 4.999):
    ...     stagnation.add({"rmse": rmse})
    >>> stagnation.is_reached, round(stagnation.growth, 4)
    (True, 0.0016)
    """

    def __init__(
        self,
        directions: Mapping[str, str],
        patience: int,
        min_growth: float,
        aims: Aims | None = None,
    ) -> None:
        self._names = list(directions)
        self._signs = np.array([-1.0 if d == "maximize" else 1.0 for d in directions.values()])
        self._aims = aims or Aims()
        self.patience, self.min_growth = patience, min_growth
        # Of each trial its costs and by how much it misses, if it is complete.
        self._trials: list[tuple[Floats, float] | None] = []
        self.growth, self.is_near = np.inf, False

    def add(self, metrics: Mapping[str, float] | None) -> None:
        """The next trial has ended.

        Args:
            metrics: Its metrics, or ``None`` if it is not complete.
        """
        if self.is_reached:
            return  # those that were under way do not begin it anew
        if metrics is None:
            self._trials.append(None)
        else:
            costs = self._signs * [float(metrics[name]) for name in self._names]
            self._trials.append((costs, self._aims.missed(metrics)))
        self.growth = self._growth()

    @property
    def trials(self) -> int:
        """How many trials have ended, up to the one with which it was reached."""
        return len(self._trials)

    @property
    def is_reached(self) -> bool:
        """Whether there is no growth to speak of any more."""
        return self.growth < self.min_growth

    def _growth(self) -> float:
        before = [each for each in self._trials[: -self.patience] if each is not None]
        if not before:
            return np.inf
        now = [each for each in self._trials if each is not None]
        missed = min(miss for _, miss in now)
        self.is_near = missed > 0
        if self.is_near:
            return 1.0 - missed / min(miss for _, miss in before)
        met = [costs for costs, miss in before if miss == 0]
        if not met:
            return np.inf  # it is less than so many trials ago that the first met them
        return _growth_of_hypervolume(np.array(met), np.array([c for c, miss in now if miss == 0]))


def _growth_of_hypervolume(before: Floats, now: Floats) -> float:
    """The part of what the front of now dominates that the one of before did not."""
    front = now[moocore.is_nondominated(now)] if now.shape[1] > 1 else now[now.argmin(axis=0)]
    best, worst = front.min(axis=0), np.maximum(front.max(axis=0), np.median(now, axis=0))
    for worse in (now.max(axis=0), best + 1.0):
        worst = np.where(worst > best, worst, worse)
    old, new = (_hypervolume((points - best) / (worst - best)) for points in (before, now))
    return float(1.0 - old / new) if new > 0 else 0.0


def _hypervolume(points: Floats) -> float:
    if points.shape[1] == 1:  # a length, which moocore does not measure
        return max(float(BEYOND - points.min()), 0.0)
    return float(moocore.hypervolume(points, ref=np.full(points.shape[1], BEYOND)))
