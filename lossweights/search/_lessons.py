"""What a study says of its trials, in the units of a sampler: points, costs, what went wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from lossweights.search._come_to import come_to
from lossweights.search._cube import Cube, Floats

# A constraint above 0 by which a study tells of a trial that cannot be trained, such as one that
# diverged. Optuna's TPE ranks what violates a constraint below all else, however many objectives.
TRAINS = "trains"
RUNGS = "rungs"  # user attribute of a trial: its objectives at each rung that it got to, by epoch


@dataclass(frozen=True)
class Lessons:
    """What can be learned from the trials of a study.

    Attributes:
        points: Where something was measured, shape ``(trials, coordinates)``.
        costs: The objectives there, better when smaller, shape ``(trials, objectives)``. Of a
            pruned trial those that it would have come to, as far as is known.
        limits: Values of the constraints there, feasible up to 0; NaN where they are not known.
        barren: Where nothing could be trained.
        open: Where trials are under way.
    """

    points: Floats
    costs: Floats
    limits: Floats
    barren: Floats
    open: Floats

    @cached_property
    def feasible(self) -> NDArray[np.bool_]:
        """Which points violate no constraint, as far as is known."""
        return np.logical_not(np.any(self.limits > 0, axis=1))

    @property
    def objectives(self) -> int:
        """How many objectives there are."""
        return self.costs.shape[1]

    @classmethod
    def of(cls, study: optuna.Study, trial: FrozenTrial, cube: Cube) -> Lessons:
        """What a study says, a trial that is being sampled left out.

        Trials that lack a parameter say nothing, nor do those that ended without any values, unless
        their constraint `TRAINS` is above 0.
        """
        known = [
            t
            for t in study.get_trials(deepcopy=False)
            if t.number != trial.number and t.params.keys() >= cube.space.keys()
        ]
        signs = [-1.0 if d == StudyDirection.MAXIMIZE else 1.0 for d in study.directions]
        measured, barren = [], []
        for each in known:
            values = _values(each, len(signs))
            if each.state.is_finished() and each.constraints.get(TRAINS, 0.0) > 0:
                barren.append(each)
            elif values is not None:
                measured.append((each, np.multiply(signs, values)))
        limits = [{k: v for k, v in t.constraints.items() if k != TRAINS} for t, _ in measured]
        keys = sorted({key for row in limits for key in row})
        rows = [[row.get(key, math.nan) for key in keys] for row in limits]
        running = [t for t in known if t.state == TrialState.RUNNING]
        points = cube.encode([t.params for t, _ in measured])
        costs = np.array([costs for _, costs in measured]).reshape(len(measured), len(signs))
        whole = np.array([t.state == TrialState.COMPLETE for t, _ in measured], dtype=bool)
        rungs = [
            {
                int(epoch): np.multiply(signs, at)
                for epoch, at in t.user_attrs.get(RUNGS, {}).items()
            }
            for t, _ in measured
        ]
        return cls(
            points=points,
            costs=come_to(points, costs, rungs, whole),
            limits=np.array(rows, dtype=np.float64).reshape(len(measured), len(keys)),
            barren=cube.encode([t.params for t in barren]),
            open=cube.encode([t.params for t in running]),
        )


def _values(trial: FrozenTrial, objectives: int) -> Sequence[float] | None:
    """The finite objectives of a trial, or of its last rung."""
    found: Any = trial.values if trial.state == TrialState.COMPLETE else None
    if trial.state == TrialState.PRUNED:
        rungs = trial.user_attrs.get(RUNGS) or {}
        if rungs:
            found = rungs[max(rungs, key=int)]
        elif objectives == 1 and trial.intermediate_values:
            found = [trial.intermediate_values[max(trial.intermediate_values)]]
    if found is None or len(found) != objectives or not all(map(math.isfinite, found)):
        return None
    return [float(value) for value in found]
