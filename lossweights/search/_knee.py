"""The knee of a Pareto front: where along it most is exchanged before the rate of exchange changes.

Along a front one objective is bought with another, at a rate that goes from cheap to dear. Trials
near an end say little about what lies between, so the knee must not depend on how far a search
happened to go: it is found from what the front does around it, not from the front's ends.

For two objectives, take the front's convex hull. Each of its sides exchanges ``da`` of the one for
``db`` of the other, at the rate ``db / da``; it exchanges much if ``sqrt(da * db)`` is large. The
knee is the corner with most exchange at rates within a factor `_NEAR` of its own. Units do not
matter: scaling an objective multiplies all rates by one number, and all exchanges by another. The
sum of ``sqrt(da * db)`` is the length of the front in the geometry that such scalings leave alone,
the Minkowski plane, and the knee is where it bends least there, between the two ends at which it
runs along one objective's optimum.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

_NEAR = 1.5  # rates within this factor count as one; chosen by the simulations of test_knee.py
_LEAST = 0.98  # corners with this part of the largest exchange are as good: their middle is taken
# Relative difference of rates below which two sides are one: metrics come in float32 as well.
_STRAIGHT = 1e-5

Floats = NDArray[np.float64]


def knee_of(front: Floats) -> int | None:
    """The row of the knee, or ``None`` for a front without one: of two points, or straight.

    With three objectives or more, a rate is found for each pair of them, as if the others did not
    count, and one set of rates is fitted to those of the pairs. A front of two objectives that
    bulges away from the ideal point has its knee on that side. Of equal rows the first is taken.

    Args:
        front: Costs that no other beats, shape ``(trials, objectives)``, each objective varying.
    """
    sides = [front, -front]
    if front.shape[1] == 2 and _corners(-front) > _corners(front):
        sides.reverse()
    for side in sides:
        worth = _worth(side)
        if worth is not None:
            return int(np.argmin(side @ worth))
    return None


def _corners(front: Floats) -> int:
    """How many corners the hull has, without its ends."""
    return len(_sides(front[:, 0], front[:, 1])[0]) - 1


def _worth(front: Floats) -> Floats | None:
    """What a unit of each objective is worth around the knee, or ``None`` where there is none.

    Logarithms of the rates of pairs are differences of what is fitted, by least squares. Where too
    few pairs have a rate, an objective is worth the more, the less it is spread along the front.
    """
    objectives = front.shape[1]
    low, high = np.quantile(front, [0.25, 0.75], axis=0)
    spread = np.log(np.where(high > low, high - low, np.ptp(front, axis=0)))
    pairs, rates = [], []
    for one, other in combinations(range(objectives), 2):
        rate = _knee_rate(front[:, one], front[:, other])
        if rate is not None:
            pairs.append(np.eye(objectives)[one] - np.eye(objectives)[other])
            rates.append(np.log(rate) + spread[one] - spread[other])
    if not pairs:
        return None
    fitted = np.linalg.lstsq(np.array(pairs), np.array(rates), rcond=None)[0]
    worth: Floats = np.exp(fitted - spread)
    return worth


def _knee_rate(a: Floats, b: Floats) -> float | None:
    """The rate ``-db / da`` of the knee of the front of two costs."""
    da, db = _sides(a, b)
    if len(da) < 2:
        return None
    side_rates, exchanged = np.log(db / da), np.sqrt(da * db)
    corner_rates = (side_rates[1:] + side_rates[:-1]) / 2
    # The exchange of a side is spread over the rates from the corner before it to the next. How far
    # those of the first and the last side reach, nobody knows: they are the ends.
    below = np.concatenate([[0.0], np.cumsum(exchanged[1:-1])])
    reach = np.log(_NEAR)
    around = np.interp(corner_rates + reach, corner_rates, below) - np.interp(
        corner_rates - reach, corner_rates, below
    )
    best = np.flatnonzero(around >= _LEAST * around.max())
    # Of two in the middle, always the same: a rule by their sizes would be decided by rounding on
    # fronts that are alike on both sides, and the pick would move.
    return float(np.exp(corner_rates[best[(len(best) - 1) // 2]]))


def _sides(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """The sides of the lower left convex hull, from the cheapest rate to the dearest.

    Andrew's monotone chain (Information Processing Letters 9, 1979).

    Returns:
        How much of ``a`` is gained and how much of ``b`` is lost along each side, both above 0.
    """
    hull: list[tuple[float, float]] = []
    for x, y in sorted(zip(a.tolist(), b.tolist(), strict=True), reverse=True):
        while hull and y <= hull[-1][1]:
            hull.pop()  # the new one is at least as good in both
        while len(hull) > 1 and not _is_dearer(hull[-2], hull[-1], (x, y)):
            hull.pop()
        hull.append((x, y))
    corners = np.array(hull)
    return -np.diff(corners[:, 0]), np.diff(corners[:, 1])


def _is_dearer(
    first: tuple[float, float], corner: tuple[float, float], last: tuple[float, float]
) -> bool:
    """Whether the side beyond a corner has a dearer rate than the side before it."""
    before = (corner[1] - first[1]) * (corner[0] - last[0])
    beyond = (last[1] - corner[1]) * (first[0] - corner[0])
    return beyond > before * (1 + _STRAIGHT)
