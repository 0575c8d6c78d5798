"""Costs as a model takes them: centred, of unit spread, and with the far end drawn in.

Weights span decades, and so do the costs of bad ones. What is worse than most is told from what is
worse still by its logarithm; among the good, where a front is, differences stay what they are.
"""

from __future__ import annotations

import numpy as np

from lossweights.search._cube import Floats


class Tamed:
    """One objective's costs, tamed; invertible.

    >>> tamed = Tamed(np.array([1.0, 2.0, 3.0, 4.0, 1e6]))
    >>> bool(tamed(np.array([1e6]))[0] < 20), tamed.back(tamed(np.array([2.5]))).tolist()
    (True, [2.5])
    """

    def __init__(self, costs: Floats) -> None:
        self._low, self._bend = np.quantile(costs, [0.0, 0.6])
        self._unit = float(self._bend - self._low) or float(np.ptp(costs)) or 1.0
        bent = self._bent(costs)
        self._mean, self._spread = float(bent.mean()), float(bent.std()) or 1.0

    def __call__(self, costs: Floats) -> Floats:
        """Costs as a model takes them."""
        return (self._bent(costs) - self._mean) / self._spread

    def back(self, tamed: Floats) -> Floats:
        """The costs that these were."""
        bent = tamed * self._spread + self._mean
        costs: Floats = self._bend + self._unit * np.where(
            bent > 0, np.expm1(np.clip(bent, 0.0, 50.0)), bent
        )
        return costs

    def _bent(self, costs: Floats) -> Floats:
        over = (costs - self._bend) / self._unit
        return np.where(over > 0, np.log1p(np.maximum(over, 0.0)), over)
