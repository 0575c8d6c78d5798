"""What pruned trials would have come to: their last rung, and what others gained from there.

A rung is early, and costs fall from there to the end. Taken as they are, those of pruned trials
would say that nothing good lies near, and least where training takes long. What is gained differs
from weight set to weight set, smoothly: it is modelled as the costs are, by the trials that were
trained to the end. This is the difference of two fidelities of Kennedy and O'Hagan ("Predicting the
output from a complex computer code when fast approximations are available", Biometrika 87, 2000),
with a factor of 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lossweights.search._cube import Floats
from lossweights.search._gaussian import Gaussian, enough, fit

_LEAST = 6  # trials that a model is made of; of fewer the median counts
_FAR = 4.0  # deviations from the median that count at most
_NORMAL = 1.4826  # times the median distance from the median: the deviation of normal numbers

Rungs = Mapping[int, Floats]  # the costs of a trial at each rung that it got to, by epoch


def come_to(
    points: Floats, costs: Floats, rungs: Sequence[Rungs], whole: NDArray[np.bool_]
) -> Floats:
    """Costs, those of pruned trials as they are expected to have ended.

    Args:
        points: Shape ``(trials, coordinates)``.
        costs: At the end, or at the last rung of a pruned trial, shape ``(trials, objectives)``.
        rungs: Of each trial.
        whole: Which trials were trained to the end.

    Returns:
        Shape ``(trials, objectives)``. Where no whole trial has been at a rung, costs stay.

    >>> rungs = [{3: np.array([5.0])}, {3: np.array([7.0])}, {3: np.array([9.0])}]
    >>> costs = np.array([[3.0], [5.0], [9.0]])  # the last stopped at the rung
    >>> come_to(np.eye(3), costs, rungs, np.array([True, True, False])).tolist()
    [[3.0], [5.0], [7.0]]
    """
    found = costs.copy()
    last = [None if ended or not at else max(at) for at, ended in zip(rungs, whole, strict=True)]
    for epoch in sorted({each for each in last if each is not None}):
        beyond = [row for row, at in enumerate(rungs) if whole[row] and epoch in at]
        stopped = [row for row, each in enumerate(last) if each == epoch]
        if beyond:
            gained = costs[beyond] - np.array([rungs[row][epoch] for row in beyond])
            found[stopped] += _expected(points[beyond], gained, points[stopped])
    return found


def _expected(points: Floats, gained: Floats, at: Floats) -> Floats:
    """What is gained at other points, shape ``(points there, objectives)``."""
    middle = np.median(gained, axis=0)
    unit = _NORMAL * np.median(np.abs(gained - middle), axis=0)
    found = np.repeat(middle[None], len(at), axis=0)
    if len(points) < _LEAST:
        return found
    rows = enough(len(points))
    for column in np.flatnonzero(unit):
        # One that nearly diverged, or all but stood still, does not decide for all.
        tamed = np.clip((gained[:, column] - middle[column]) / unit[column], -_FAR, _FAR)
        process = Gaussian(points, tamed, fit(points[:rows], tamed[:rows]))
        found[:, column] += unit[column] * process.mean(at)
    return found
