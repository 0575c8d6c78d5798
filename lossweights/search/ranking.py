"""Ranking by non-dominated sorting with crowding distance: which of some trials are the best.

Deb, Pratap, Agarwal and Meyarivan, A fast and elitist multiobjective genetic algorithm: NSGA-II
(IEEE Transactions on Evolutionary Computation 6, 2002).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lossweights.search._unbeaten import unbeaten

Floats = NDArray[np.float64]


def fronts(costs: Floats) -> NDArray[np.int64]:
    """The front of each row: 0 if none beats it, 1 if only those of front 0 do, and so on.

    Args:
        costs: Shape ``(rows, objectives)``, smaller is better; infinity is worst, NaN is not there.

    >>> fronts(np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 3.0], [3.0, 1.0]])).tolist()
    [0, 0, 1, 0]
    """
    found = np.zeros(len(costs), dtype=np.int64)
    left, front = np.arange(len(costs)), 0
    while len(left):
        best = unbeaten(costs[left])
        found[left[best]] = front
        left, front = left[~best], front + 1
    return found


def crowding(costs: Floats) -> Floats:
    """How far apart the neighbours of each row of one front are; infinite at the front's ends.

    Args:
        costs: Shape ``(rows, objectives)``. An infinite cost has no neighbours and adds nothing.

    >>> crowding(np.array([[0.0, 4.0], [1.0, 2.0], [2.0, 1.0], [4.0, 0.0]])).tolist()
    [inf, 1.25, 1.25, inf]
    """
    distance = np.zeros(len(costs))
    for column in costs.T:
        finite = np.flatnonzero(np.isfinite(column))
        order = finite[np.argsort(column[finite], kind="stable")]
        if not len(order):
            continue
        values = column[order]
        width = values[-1] - values[0]
        if width > 0:
            distance[order[1:-1]] += (values[2:] - values[:-2]) / width
        distance[order[[0, -1]]] = np.inf
    return distance


def ranking(costs: Floats, missed: Floats | None = None) -> tuple[NDArray[np.int64], int]:
    """The rows from best to worst, and how many of them are on the first front.

    By front, on one front by crowding distance, and of equals the earlier first. What misses a
    constraint comes after all that misses none, and by what it misses (Deb, An efficient constraint
    handling method for genetic algorithms, 2000); of those that miss as much, by front again.

    Args:
        costs: Shape ``(rows, objectives)``, smaller is better; infinity is worst.
        missed: What each row misses of constraints, 0 if nothing, shape ``(rows,)``.

    >>> order, first = ranking(np.array([[3.0], [1.0], [2.0]]))
    >>> order.tolist(), first
    ([1, 2, 0], 1)
    >>> ranking(np.array([[3.0], [1.0], [2.0]]), np.array([0.0, 0.5, 0.1]))[0].tolist()
    [0, 2, 1]
    """
    met = np.ones(len(costs), dtype=bool) if missed is None else missed <= 0
    front = np.zeros(len(costs), dtype=np.int64)
    front[met] = fronts(costs[met])
    before = front[met].max(initial=-1) + 1
    for each in [] if missed is None else np.unique(missed[~met]):
        alike = missed == each
        front[alike] = before + fronts(costs[alike])
        before = front[alike].max() + 1
    distance = np.zeros(len(costs))
    for each in range(front.max(initial=-1) + 1):
        distance[front == each] = crowding(costs[front == each])
    order = np.lexsort((np.arange(len(costs)), -distance, front))
    return order, int((front == 0).sum())
