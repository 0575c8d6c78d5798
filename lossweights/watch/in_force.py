"""The weights in force in an epoch, whoever moves them: the mean over its batches."""

from __future__ import annotations

from collections.abc import Mapping


class InForce:
    """Adds up the weights that batches were trained with.

    What an epoch takes off a term counts with one weight. The fall of a batch counts with the
    batch's; where all fall alike, those of an epoch count with the mean.

    >>> weights = InForce()
    >>> weights.add({"mse": 1.0}); weights.add({"mse": 2.0})
    >>> weights.taken(), weights.taken()
    ({'mse': 1.5}, None)
    """

    def __init__(self) -> None:
        self._first: Mapping[str, float] | None = None
        self._beyond: dict[str, float] = {}  # the sum of what was beyond the first
        self._count = 0

    def add(self, weights: Mapping[str, float]) -> None:
        """Add the weights of one more batch."""
        if self._first is None:
            self._first, self._beyond = weights, {}
        elif weights != self._first:
            for name, weight in weights.items():
                self._beyond[name] = self._beyond.get(name, 0.0) + weight - self._first[name]
        self._count += 1

    def taken(self) -> dict[str, float] | None:
        """The mean since the last call, to the bit what all had; ``None`` if there was no batch."""
        first, beyond, count = self._first, self._beyond, self._count
        self._first, self._count = None, 0
        if first is None:
            return None
        return {name: weight + beyond.get(name, 0.0) / count for name, weight in first.items()}
