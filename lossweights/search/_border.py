"""Which of the trials that could not be trained have to be remembered, to tell where that is."""

from __future__ import annotations

import numpy as np

from lossweights.search._cube import Floats, distances


def border(trained: Floats, barren: Floats, most: int) -> list[int]:
    """Rows of barren points that suffice: each of the others is nearer to one of them than to any
    point that trained.

    That is the condensed nearest neighbour rule (Hart, IEEE Transactions on Information Theory 14,
    1968), of one class. Those nearest to what trained are looked at first, since they make the
    border; what lies behind them goes without saying.

    Args:
        trained: Points at which training came to an end, shape ``(trials, coordinates)``.
        barren: Points at which it did not.
        most: Rows at most; if they do not suffice, those nearest to what trained.

    >>> trained, barren = np.array([[0.0], [0.4]]), np.array([[1.0], [0.6], [0.7], [0.45]])
    >>> border(trained, barren, 3)
    [3]
    """
    good = distances(barren, trained).min(axis=1) if len(trained) else np.full(len(barren), np.inf)
    order = np.argsort(good, kind="stable")
    between = distances(barren, barren)
    nearest = np.full(len(barren), np.inf)  # of those that are remembered
    found: list[int] = []
    while len(found) < most:
        told_wrong = order[nearest[order] >= good[order]]
        if not len(told_wrong):
            break
        found.append(int(told_wrong[0]))
        nearest = np.minimum(nearest, between[found[-1]])
    return sorted(found)
