"""When a search is done: the hypervolume has not grown for so many trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import moocore
import numpy as np
from numpy.typing import NDArray

BEYOND = 1.1  # the reference point, in spans from the best to the worst end of the front


class Stagnation:
    """Watches the hypervolume of the trials that have ended, in their order.

    The hypervolume is what the front dominates up to a reference point (Zitzler and Thiele 1998).
    That point and the front's ends move while a sweep goes on. So both hypervolumes, of now and of
    ``patience`` trials ago, are measured by the same point: a tenth beyond the worst end of today's
    front, or beyond the median of all trials where that is worse, as it is for one objective. Only
    metrics enter, never a weighted loss.

    Args:
        directions: ``"minimize"`` or ``"maximize"`` for each objective.
        patience: Trials in which it has to grow.
        min_growth: By which part of itself, at least.

    >>> stagnation = Stagnation({"rmse": "minimize"}, patience=3, min_growth=0.01)
    >>> for rmse in (9.0, 7.0, 5.0, 5.1, 6.0, 4.999):
    ...     stagnation.add({"rmse": rmse})
    >>> stagnation.is_reached, round(stagnation.growth, 4)
    (True, 0.0016)
    """

    def __init__(self, directions: Mapping[str, str], patience: int, min_growth: float) -> None:
        self._names = list(directions)
        self._signs = np.array([-1.0 if d == "maximize" else 1.0 for d in directions.values()])
        self.patience, self.min_growth = patience, min_growth
        self._costs: list[NDArray[np.float64] | None] = []  # of each trial, if it is complete
        self.growth = np.inf

    def add(self, metrics: Mapping[str, float] | None) -> None:
        """The next trial has ended.

        Args:
            metrics: Its metrics, or ``None`` if it is not complete.
        """
        if self.is_reached:
            return  # those that were under way do not begin it anew
        costs = None if metrics is None else [float(metrics[name]) for name in self._names]
        self._costs.append(None if costs is None else self._signs * costs)
        self.growth = self._growth()

    @property
    def trials(self) -> int:
        """How many trials have ended, up to the one with which it was reached."""
        return len(self._costs)

    @property
    def is_reached(self) -> bool:
        """Whether there is no growth to speak of any more."""
        return self.growth < self.min_growth

    def _growth(self) -> float:
        """The part of itself by which it has grown; infinite before that is known."""
        before = _complete(self._costs[: -self.patience])
        if not len(before):
            return np.inf
        now = _complete(self._costs)
        front = now[moocore.is_nondominated(now)] if now.shape[1] > 1 else now[now.argmin(axis=0)]
        best, worst = front.min(axis=0), np.maximum(front.max(axis=0), np.median(now, axis=0))
        reference = best + BEYOND * np.maximum(worst - best, np.finfo(float).tiny)
        old, new = (_hypervolume(points, reference) for points in (before, now))
        return float(1.0 - old / new) if new > 0 else 0.0


def _complete(costs: Sequence[NDArray[np.float64] | None]) -> NDArray[np.float64]:
    return np.array([each for each in costs if each is not None])


def _hypervolume(points: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    if len(reference) == 1:  # a length, which moocore does not measure
        return max(float(reference[0] - points.min()), 0.0)
    return float(moocore.hypervolume(points, ref=reference))
