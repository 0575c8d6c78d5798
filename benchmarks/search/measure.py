"""How good a front is: hypervolume and largest gap, against the best front that is known."""

from __future__ import annotations

import moocore
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BEYOND = 0.1  # of a front's extent: how far the reference point lies beyond its worst values


class Scale:
    """The units of a problem: 0 and 1 are the best and the worst values of the best front.

    Args:
        front: The best front, shape ``(points, objectives)``, better when smaller.
    """

    def __init__(self, front: Floats) -> None:
        self._low, high = front.min(axis=0), front.max(axis=0)
        self._extent = np.where(high > self._low, high - self._low, np.abs(high) + 1e-12)
        self._front = self(front)
        self._volume = moocore.Hypervolume(ref=np.full(front.shape[1], 1.0 + BEYOND))
        self._best = self._volume(self._front)

    @property
    def extent(self) -> Floats:
        """The extent of the best front in each objective."""
        return self._extent

    def __call__(self, costs: Floats) -> Floats:
        """Costs in these units."""
        return (costs - self._low) / self._extent

    def volume(self, costs: Floats) -> float:
        """Hypervolume in parts of that of the best front. With one objective 1 is the best."""
        return float(self._volume(self(costs)) / self._best) if len(costs) else 0.0

    def gap(self, costs: Floats) -> float:
        """How far the point of the best front that is farthest from all of these is from them."""
        if not len(costs):
            return float("inf")
        apart = np.abs(self._front[:, None] - self(costs)[None]).max(axis=2)
        return float(apart.min(axis=1).max())
