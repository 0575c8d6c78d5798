"""A Gaussian process, asked by drawing from it: what would add most to a front that might be true.

For every trial one function is drawn for each objective, from all that would agree with what was
measured (Thompson 1933). The point is asked for that adds most hypervolume to the front that these
functions have over the trials, those under way included (Bradford, Schweidtmann and Lapkin,
"Efficient multiobjective optimization employing Gaussian processes, spectral sampling and a genetic
algorithm", Journal of Global Optimization 71, 2018). Trials of a batch differ since their draws do,
and keep apart since each sees in its draw what the others would add.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FrozenTrial

from lossweights.search._cube import Cube, Floats
from lossweights.search._gaussian import Gaussian, Settings, enough, fit
from lossweights.search._lessons import Lessons
from lossweights.search._tamed import Tamed
from lossweights.search._unbeaten import unbeaten
from lossweights.search.joint import JointSampler, Parameters, hazard_of, likely_to_train, number_of
from lossweights.search.sobol import sobol

_Functions: TypeAlias = Callable[[Floats], Floats]  # from points to values at them

SPREAD, NEARBY = 192, 320  # candidates all over the cube, and around the front
UNDER_WAY = 256  # trials at most, the latest, from which one keeps apart; draws differ anyway
STEPS = (0.2, 0.07, 0.02)  # how far from the front those are, in parts of the cube
LEAST = 4  # trials to learn from; before, points are spread evenly
_REACH = 0.1  # of the front's extent: how far beyond its worst values the hypervolume goes
_LOOKED_AT = 96  # candidates that might be on the front, whose hypervolume is computed


class Thompson(JointSampler):
    """Asks for the point that would add most hypervolume to a front drawn from a model.

    With one objective that is the point of the least drawn value. Points at which training is
    unlikely are left out. Constraints are modelled as objectives are: what violates one in its draw
    adds nothing; where all do, the least violation is asked for. A trial that was pruned counts
    with what it would have come to.

    Args:
        seed: Seed.
        space: See `JointSampler`.
    """

    def propose(self, study: optuna.Study, trial: FrozenTrial, space: Parameters) -> Parameters:
        """The candidate that would add most."""
        cube, rng = Cube(space), self.random(study, trial)
        lessons = Lessons.of(study, trial, cube)
        spread = cube.points(sobol(cube.inputs, int(rng.integers(2**31)), 0, SPREAD))
        if len(lessons.points) < LEAST:
            own = cube.points(sobol(cube.inputs, self.seed, number_of(study, trial), 1))
            either = np.concatenate([own, spread])
            return cube.decode(likely_to_train(hazard_of(lessons), either)[0])
        tried = np.concatenate([lessons.points, lessons.open[-UNDER_WAY:]])
        costs = self._drawn(lessons.points, lessons.costs, rng)
        limits = self._drawn_limits(lessons, rng)
        values, over = costs(tried), limits(tried)
        front = np.flatnonzero(over == over.min())
        front = front[unbeaten(values[front])]
        nearby = _around(tried[front], cube, rng)
        hazard = hazard_of(lessons)
        candidates = likely_to_train(hazard, np.concatenate([nearby, spread]))
        beyond = limits(candidates)
        if beyond.min() > 0:
            return cube.decode(candidates[int(np.argmin(beyond))])
        candidates = candidates[beyond == 0]
        known = values[front] if over.min() == 0 else values[:0]
        safe = np.ones(len(candidates)) if hazard is None else hazard.safe(candidates)
        return cube.decode(candidates[_adds_most(known, costs(candidates), safe, rng)])

    def _drawn(self, points: Floats, costs: Floats, rng: np.random.Generator) -> _Functions:
        """A drawn function for each column of costs."""
        parts = []
        for column in costs.T:
            tamed = Tamed(column)
            process = Gaussian(points, tamed(column), self._settings(points, column))
            parts.append((process.draw(rng), tamed.back))
        return lambda at: np.stack([back(function(at)) for function, back in parts], axis=1)

    def _drawn_limits(self, lessons: Lessons, rng: np.random.Generator) -> _Functions:
        """By how much drawn constraints are violated in all; 0 where none is."""
        functions = []
        for column in lessons.limits.T:
            known = np.isfinite(column)
            if known.sum() < LEAST:
                continue
            # Scaled about 0, which is where it is decided what is feasible.
            values = np.arcsinh(column[known] / (np.median(np.abs(column[known])) or 1.0))
            at = lessons.points[known]
            functions.append(Gaussian(at, values, fit(at, values)).draw(rng))
        if not functions:
            return lambda at: np.zeros(len(at))
        return lambda at: np.sum([np.maximum(f(at), 0.0) for f in functions], axis=0)

    def _settings(self, points: Floats, costs: Floats) -> Settings:
        """Settings by the first trials alone, as many as there were at the last refit."""
        rows = enough(len(points))
        return fit(points[:rows], Tamed(costs[:rows])(costs[:rows]))


def _around(front: Floats, cube: Cube, rng: np.random.Generator) -> Floats:
    """Candidates near the points of a front: steps of several lengths, and towards another one."""
    one, other = (front[rng.integers(len(front), size=NEARBY)] for _ in range(2))
    length = np.resize(STEPS, NEARBY)[:, None]
    steps = length * rng.normal(size=(NEARBY, cube.inputs))
    few = rng.random(steps.shape) < 2.0 / cube.inputs  # of many parameters only some are moved
    between = one + np.where(np.arange(NEARBY) % 2 == 0, rng.random(NEARBY), 0.0)[:, None] * (
        other - one
    )
    return cube.moved(between, np.where(few, steps, 0.0), other)


def _adds_most(front: Floats, costs: Floats, safe: Floats, rng: np.random.Generator) -> int:
    """Which row of costs adds most hypervolume to a front, or is the least of one objective.

    What it adds counts by how likely it trains: an end of a front is often where training fails.
    """
    counts = np.clip(safe, 0.0, 1.0) ** 2
    if costs.shape[1] == 1:
        gained = (front.min() if len(front) else costs.max()) - costs[:, 0]
        return int(np.argmax(gained * np.where(gained > 0, counts, 1.0)))
    import moocore

    everything = np.concatenate([front, costs])
    good = unbeaten(everything)
    low, high = everything[good].min(axis=0), everything[good].max(axis=0)
    extent = np.where(high > low, high - low, 1.0)
    chosen: NDArray[np.intp] = np.flatnonzero(good[len(front) :])
    if len(chosen) == 0:
        return int(np.argmin(((costs - low) / extent).max(axis=1)))
    if len(chosen) > _LOOKED_AT:
        chosen = np.sort(rng.choice(chosen, _LOOKED_AT, replace=False))
    scaled, known = (costs[chosen] - low) / extent, (front - low) / extent
    volume = moocore.Hypervolume(ref=np.full(costs.shape[1], 1.0 + _REACH))
    before = volume(known) if len(known) else 0.0
    added = [volume(np.concatenate([known, row[None]])) - before for row in scaled]
    return int(chosen[int(np.argmax(added * counts[chosen]))])
