"""A front filler: weights between those of neighbours on the front, where the gap is widest.

After the adaptive weighted sums of Kim and de Weck ("Adaptive weighted-sum method for bi-objective
optimization: Pareto front generation", Structural and Multidisciplinary Optimization 29, 2005): the
ends of a front come from weights far apart, and what lies between from weights in between, as long
as the front is convex. Where it is not, no weights lead there, and gaps stay.
"""

from __future__ import annotations

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FrozenTrial

from lossweights.search._cube import Cube, Floats, distances
from lossweights.search._lessons import Lessons
from lossweights.search._unbeaten import unbeaten
from lossweights.search.joint import JointSampler, Parameters, hazard_of, likely_to_train
from lossweights.search.sobol import sobol

_ELSEWHERE = 4  # of so many trials one is asked for anywhere
_WOBBLE = 0.03  # how far from the line between two neighbours, in parts of the cube
_DRAWS = 16


class Filler(JointSampler):
    """Asks for weights between neighbours on the front, where they are farthest apart.

    What is under way is expected half way between its nearest neighbours. With one objective the
    best trials are neighbours of the best. One of four trials is asked for anywhere, since a front
    of gaps that are filled can still be a bad one.

    Args:
        seed: Seed.
        space: See `JointSampler`.
    """

    def propose(self, study: optuna.Study, trial: FrozenTrial, space: Parameters) -> Parameters:
        """A point in the widest gap."""
        cube, rng = Cube(space), self.random(study, trial)
        lessons = Lessons.of(study, trial, cube)
        hazard = hazard_of(lessons)
        points, costs = _front(lessons)
        anywhere = cube.points(sobol(cube.inputs, int(rng.integers(2**31)), 0, _DRAWS))
        if len(points) < 2 or rng.integers(_ELSEWHERE) == 0:
            return cube.decode(likely_to_train(hazard, anywhere)[0])
        one, other = _widest(points, costs, lessons.open)
        part = rng.uniform(0.3, 0.7, (_DRAWS, 1))
        steps = _WOBBLE * rng.normal(size=(_DRAWS, cube.inputs))
        between = cube.moved(one + part * (other - one), steps, np.tile(other, (_DRAWS, 1)))
        return cube.decode(likely_to_train(hazard, between)[0])


def _front(lessons: Lessons) -> tuple[Floats, Floats]:
    """Points and costs of the front, the costs scaled to its extent; of one objective the best."""
    usable = np.flatnonzero(lessons.feasible) if lessons.feasible.any() else slice(None)
    points, costs = lessons.points[usable], lessons.costs[usable]
    if costs.shape[1] == 1:
        best = np.argsort(costs[:, 0], kind="stable")[: max(2, len(costs) // 5)]
        return points[best], points[best]
    good = unbeaten(costs)
    points, costs = points[good], costs[good]
    if len(costs):
        low, extent = costs.min(axis=0), np.ptp(costs, axis=0)
        costs = (costs - low) / np.where(extent > 0, extent, 1.0)
    return points, costs


def _widest(points: Floats, costs: Floats, running: Floats) -> tuple[Floats, Floats]:
    """The two neighbours that are farthest apart, with those under way where they may end."""
    for point in running:
        near = np.argsort(((points - point) ** 2).sum(axis=1), kind="stable")[:2]
        points = np.concatenate([points, point[None]])
        costs = np.concatenate([costs, costs[near].mean(axis=0)[None]])
    apart = distances(costs, costs)
    one, other = max(_tree(apart), key=lambda edge: apart[edge])
    return points[one], points[other]


def _tree(apart: Floats) -> list[tuple[int, int]]:
    """The edges of the shortest tree over all points: neighbours (Prim 1957)."""
    edges: list[tuple[int, int]] = []
    nearest: NDArray[np.intp] = np.zeros(len(apart), dtype=np.intp)
    distance = apart[0].copy()
    distance[0] = np.inf
    for _ in range(len(apart) - 1):
        new = int(np.argmin(distance))
        edges.append((int(nearest[new]), new))
        closer = (apart[new] < distance) & np.isfinite(distance)
        distance[closer], nearest[closer] = apart[new][closer], new
        distance[new] = np.inf
    return edges
