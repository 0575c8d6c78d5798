"""Where trials cannot be trained: told by those that trained and those that did not, whatever their
objectives.
"""

from __future__ import annotations

import numpy as np

from lossweights.search._cube import Floats, distances
from lossweights.search._gaussian import Priors, enough, fit

_LIKELY, _LIKELIER = 0.4, 0.7  # points that are less safe than this are not asked for
# In lengths: how far from one that did not train nothing is safe. The best weights of one
# objective are one point, and where that lies at a border all trials would be asked for there.
_APART, _APART_OF_ONE = 0.02, 0.1
_DARED = 2  # trials under way that are less safe than the second, before nothing but that is asked

# Only how long the coordinates are beside each other is taken of a fit, and it shall be calm.
_PRIORS = Priors(length=(-0.7, 0.4), variance=(0.0, 0.5), noise=(-2.3, 0.5))


class Hazard:
    """How safe a point is: how much nearer the next trial that trained is than the next that did
    not, in parts of both and a little more: right at a border nothing is safe.

    Coordinates count by how much they say: by the lengths of a Gaussian process that tells those
    that trained from those that did not. The process itself would say more, and too much: told by
    many trials on one side of a border it expects the border far beyond them.

    Args:
        good: Points at which training came to an end, shape ``(trials, coordinates)``.
        bad: Points at which it did not, at least one.
        running: Points at which training is under way. Where some of these are not quite safe, no
            more is dared until that is known: a batch would step over a border together.
        objectives: How many there are.

    Attributes:
        least: How safe a point has to be to be asked for.
    """

    def __init__(self, good: Floats, bad: Floats, running: Floats, objectives: int = 2) -> None:
        some = np.concatenate([good[: enough(len(good))], bad[: enough(len(bad))]])
        trained = np.arange(len(some)) < enough(len(good))
        labels = np.where(trained, 1.0, -1.0)
        self._apart = _APART_OF_ONE if objectives == 1 else _APART
        self._lengths = fit(some, labels - labels.mean(), _PRIORS).lengths
        self._good, self._bad = good / self._lengths, bad / self._lengths
        dared = (self.safe(running) < _LIKELIER).sum()
        self.least = _LIKELY if dared < _DARED else _LIKELIER

    def safe(self, points: Floats) -> Floats:
        """How safe points are, from -1 to 1, shape ``(rows,)``."""
        if not len(self._good):
            return np.zeros(len(points))
        scaled = points / self._lengths
        good, bad = (distances(scaled, ours).min(axis=1) for ours in (self._good, self._bad))
        return (bad - good) / (bad + good + self._apart)
