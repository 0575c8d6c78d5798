"""Where a front bulges or breaks: what weighted sums do not reach.

The minimum of a weighted sum lies where a line with the slope of the weights touches the front from
below. Where the front bulges away from the ideal point no line touches it, whatever the weights: as
they change a little, the minimum jumps from one end of the bulge to the other (Das and Dennis, "A
closer look at drawbacks of minimizing weighted sums of objectives", 1997). A straight stretch is
jumped over as well.

A sweep weights terms, and its front is one of metrics, and trained models are no exact minima. So
what is found here are signs, not proofs, and whoever reports them says "may". There are two:

- a *jump*: weights that are nearly the same give trials on either side of a wide gap of the front;
- a *bulge*: trials on the front that a mixture of others surpasses in every objective. Exact
  minima of sums of the objectives never are; that such trials were found says that the front of the
  metrics is not convex there, and more of it may be missing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lossweights.search.selection import pareto_mask

# All lengths are in parts of the range that each objective has on the front. The numbers were
# chosen by the simulations of tests/science/test_fronts.py.
FEWEST = 24  # trials: with fewer, gaps are what is expected
GAP = 0.25  # of neighbours on the front
STEEP = 0.8  # of a gap, for a factor e in the weights; of two quadratics it is at most 0.36
PAIRS = 3  # of trials on either side that must all jump: one could be chance
BEHIND = 0.05  # of a trial behind a mixture of others
BULGING = 3  # trials behind: one could be bad luck of its neighbours
NOISE = 2.0  # how often the usual step between trials of nearly the same weights
MOST = 200  # trials that are looked at; of a longer front every few

Floats = NDArray[np.float64]


class Stretch(NamedTuple):
    """A stretch of the front where it may hide something.

    Attributes:
        first: The row of the trial at one end.
        last: The row of the trial at the other end.
        kind: ``"jump"`` or ``"bulge"``.
    """

    first: int
    last: int
    kind: str


def hidden_stretch(values: ArrayLike, weights: ArrayLike) -> Stretch | None:
    """The widest stretch of the front that weighted sums may not reach, or ``None``.

    Nothing is said with fewer than `FEWEST` trials, with one objective, or where an objective does
    not vary along the front.

    Args:
        values: Costs, shape ``(trials, objectives)``, smaller is better.
        weights: Relative weights, shape ``(trials, terms)``.

    >>> ratio = np.geomspace(0.01, 100, 40)
    >>> weights = np.column_stack([ratio, np.ones(40)])
    >>> x = 1 / (1 + ratio)  # where the weighted sum of x**2 and (1 - x)**2 is least
    >>> hidden_stretch(np.column_stack([x**2, (1 - x) ** 2]), weights) is None
    True
    >>> x = (ratio < 1).astype(float)  # of 1 - (1 - x)**2 and 1 - x**2: at one end or the other
    >>> hidden_stretch(np.column_stack([1 - (1 - x) ** 2, 1 - x**2]), weights).kind
    'jump'
    """
    points, shares = np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    usable = np.flatnonzero(np.isfinite(points).all(axis=1) & np.isfinite(shares).all(axis=1))
    if usable.size < FEWEST or points.shape[1] < 2:
        return None
    rows = usable[np.linspace(0, usable.size - 1, min(usable.size, 8 * MOST)).round().astype(int)]
    points = points[rows]
    front = np.flatnonzero(pareto_mask(points))
    span = np.ptp(points[front], axis=0)
    if not (span > 0).all():
        return None
    points, logs = points / span, _logs(shares[rows])
    front = front[np.argsort(points[front, 0], kind="stable")]
    front = front[np.linspace(0, front.size - 1, min(front.size, MOST)).round().astype(int)]
    found = _jump(points, logs, front) or _bulge(points, logs, front)
    return found and found._replace(first=int(rows[found.first]), last=int(rows[found.last]))


def _logs(weights: Floats) -> Floats:
    """Logarithms of weights; a term that is switched off has a millionth of the largest weight."""
    largest = weights.max(axis=1, keepdims=True)
    logs: Floats = np.log(np.maximum(weights / np.where(largest > 0, largest, 1.0), 1e-6))
    return logs


def _apart(logs: Floats, others: Floats) -> Floats:
    """The logarithm of the factor by which ratios of weights differ at most, for all pairs."""
    difference = logs[:, None] - others[None]
    apart: Floats = difference.max(axis=2) - difference.min(axis=2)
    return apart


def _steps(points: Floats, logs: Floats) -> Floats:
    """How far each trial is from the one with the most similar weights, in its worst objective."""
    nearest = np.empty(len(points), dtype=np.intp)
    for start in range(0, len(points), MOST):
        apart = _apart(logs[start : start + MOST], logs)
        own = np.arange(len(apart))
        apart[own, own + start] = np.inf
        nearest[start : start + MOST] = apart.argmin(axis=1)
    steps: Floats = np.abs(points - points[nearest]).max(axis=1)
    return steps


def _jump(points: Floats, logs: Floats, front: NDArray[np.intp]) -> Stretch | None:
    """The widest gap that nearly the same weights are on either side of."""
    noise = float(np.median(_steps(points, logs)))
    ends = points[front]
    nearest = np.array([np.linalg.norm(ends - point, axis=1).argmin() for point in points])
    for gap, group in _gaps(ends):
        if gap < max(GAP, 2 * NOISE * noise):
            break
        beyond = group[nearest]  # of all trials, also those that are not on the front
        ours, theirs = np.flatnonzero(beyond), np.flatnonzero(~beyond)
        jumps = [
            (np.linalg.norm(points[ours[one]] - points[theirs[other]]), apart)
            for one, other, apart in _closest(_apart(logs[ours], logs[theirs]))
        ]
        if all(jump >= max(gap / 2, STEEP * apart) for jump, apart in jumps):
            between = np.linalg.norm(ends[group][:, None] - ends[~group][None], axis=2)
            a, b = np.unravel_index(between.argmin(), between.shape)
            pair = sorted([front[group][a], front[~group][b]], key=lambda row: points[row, 0])
            return Stretch(int(pair[0]), int(pair[1]), "jump")
    return None


def _closest(apart: Floats) -> list[tuple[int, int, float]]:
    """The closest pairs of a row and a column, each in one pair at most."""
    left, found = apart.copy(), []
    for _ in range(min(PAIRS, *apart.shape)):
        one, other = np.unravel_index(left.argmin(), left.shape)
        found.append((int(one), int(other), float(apart[one, other])))
        left[one], left[:, other] = np.inf, np.inf
    return found


def _gaps(ends: Floats) -> list[tuple[float, NDArray[np.bool_]]]:
    """The gaps of a front, the widest first: its width, and the trials on one side of it.

    They are the edges of the shortest tree that joins all trials (Prim, 1957), so that a front of
    three objectives has gaps as one of two has.
    """
    count = len(ends)
    parent, reach = np.zeros(count, dtype=np.intp), np.full(count, np.inf)
    joined, order = np.zeros(count, dtype=np.bool_), [0]
    joined[0] = True
    while len(order) < count:
        away = np.linalg.norm(ends - ends[order[-1]], axis=1)
        closer = ~joined & (away < reach)
        reach[closer], parent[closer] = away[closer], order[-1]
        following = int(np.where(joined, np.inf, reach).argmin())
        joined[following] = True
        order.append(following)
    found = []
    for cut in sorted(order[1:], key=lambda row: -reach[row]):
        if reach[cut] < GAP:
            break
        group = np.zeros(count, dtype=np.bool_)
        group[cut] = True
        for row in order[1:]:  # parents come before their children
            group[row] |= group[parent[row]]
        found.append((float(reach[cut]), group))
    return found


def _bulge(points: Floats, logs: Floats, front: NDArray[np.intp]) -> Stretch | None:
    """The stretch around the trials that mixtures of others surpass clearly."""
    noise = float(np.median(_steps(points, logs)[front]))
    ends = points[front]
    behind = np.array([_behind(ends, row) for row in range(len(ends))])
    clearly = np.flatnonzero(behind >= max(BEHIND, NOISE * noise))
    if clearly.size < BULGING:
        return None
    return Stretch(int(front[clearly[0]]), int(front[clearly[-1]]), "bulge")


def _behind(ends: Floats, row: int) -> float:
    """By how much some mixture of the trials is better than one of them in every objective.

    As a linear program it is the largest ``t`` such that a mean of the trials is at most the trial
    minus ``t``. By duality it is also how far the trial stays behind the best one under the weights
    that suit it best; so it is 0 where weights of the objectives reach it.
    """
    from scipy.optimize import linprog  # which takes long to load, in workers too

    count, objectives = ends.shape
    bounds = [(0.0, None)] * count + [(0.0, None)]
    solved = linprog(
        np.append(np.zeros(count), -1.0),
        A_ub=np.column_stack([ends.T, np.ones(objectives)]),
        b_ub=ends[row],
        A_eq=np.append(np.ones(count), 0.0)[None],
        b_eq=[1.0],
        bounds=bounds,
        method="highs",
    )
    return float(solved.x[-1]) if solved.success else 0.0
