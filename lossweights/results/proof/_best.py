"""How probable it is of each contestant that it is the best one."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

_DRAWS = 20_000  # a probability is then known to 0.01


def chances(costs: ArrayLike) -> list[float]:
    """The probability of each contestant that its mean over all seeds is the lowest.

    What is known of the means after so many seeds is a multivariate Student distribution, if the
    noise is normal and nothing was known before: the difference of two contestants is then spread
    as Student's interval for it says, and pairing counts. Contestants with the same numbers share
    a probability. It is drawn with a generator of its own, so that it is the same each time.

    Args:
        costs: Smaller is better, shape ``(seeds, contestants)``; a row is a seed that all share.

    Returns:
        Numbers that sum to 1, or NaN each for fewer than two seeds.

    >>> [round(chance, 2) for chance in chances([[1.0, 1.1], [2.0, 2.1], [3.0, 3.1]])]
    [1.0, 0.0]
    >>> chances([[1.0, 1.0], [2.0, 2.0]])
    [0.5, 0.5]
    """
    numbers = np.asarray(costs, dtype=np.float64)
    seeds = len(numbers)
    if seeds < 2:
        return [math.nan] * numbers.shape[1]
    distinct, which, shared = np.unique(numbers, axis=1, return_inverse=True, return_counts=True)
    mean = distinct.mean(axis=0)
    generator = np.random.default_rng(0)
    normal = generator.standard_normal((_DRAWS, seeds))
    spread = np.sqrt(1.0 / (seeds * generator.chisquare(seeds - 1, (_DRAWS, 1))))
    drawn = mean + spread * (normal @ (distinct - mean))
    lowest = drawn == drawn.min(axis=1, keepdims=True)
    chance = (lowest / lowest.sum(axis=1, keepdims=True)).mean(axis=0) / shared
    return [float(chance[column]) for column in np.ravel(which)]
