"""Which weights to try next: Optuna's TPE on a bounded memory of what was tried.

The study on disk grows with the sweep; what the sampler looks at does not. Its cost grows with the
trials that it sees, and past a few hundred of them the older ones, none of which is among the best,
say little that the others do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from lossweights.search.feasibility import constraint_attributes
from lossweights.search.space import LogUniform, Space

STARTUP_TRIALS = 16  # random weight sets before TPE models anything; baselines count among them
FORGET_AT = 256  # trials seen at most; up to there nothing is forgotten
REMEMBERED = 160  # trials left after forgetting
BEST = 48  # of those, how many for being good; the others are the latest


class Sampler:
    """Samples parameters place by place, and learns how the trials there ended.

    Each place of the sweep has its own seed: what is sampled there depends on what has been
    learned, in which order, and what is still open, but not on how often the sweep was stopped.

    Args:
        space: What is sampled.
        directions: ``"minimize"`` or ``"maximize"`` for each objective.
        seed: Seed of the sweep.
    """

    def __init__(self, space: Space, directions: Sequence[str], seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._distributions = distributions(space)
        self._directions = list(directions)
        self._seed = seed
        self._learned: list[FrozenTrial] = []
        self._open: dict[int, dict[str, float]] = {}
        self._numbers: dict[int, int] = {}  # of open places, in the study in memory
        self._recall()

    def ask(self, place: int) -> dict[str, float]:
        """Parameters for a place of the sweep, which is open until learned."""
        self._study.sampler = optuna.samplers.TPESampler(
            n_startup_trials=STARTUP_TRIALS, seed=(self._seed * 1_000_003 + place) % 2**32
        )
        trial = self._study.ask(self._distributions)
        self._open[place], self._numbers[place] = dict(trial.params), trial.number
        return dict(trial.params)

    def expect(self, place: int, parameters: Mapping[str, float]) -> None:
        """Parameters at a place that were given, not sampled; it is open until learned."""
        if place not in self._open and self._known(parameters):
            self._open[place] = dict(parameters)
            self._numbers[place] = self._add(self._frozen(parameters, TrialState.RUNNING))

    def learn(
        self,
        place: int,
        parameters: Mapping[str, float],
        state: TrialState,
        values: Sequence[float] | None = None,
        last: float | None = None,
        *,
        constraints: Sequence[float] | None = None,
        rungs: Mapping[int, Sequence[float]] | None = None,
    ) -> None:
        """How the trial at a place ended.

        Args:
            place: The place.
            parameters: Its parameters.
            state: Complete, pruned or failed; of failures nothing is learned.
            values: The objectives of a complete trial.
            last: The last finite value of the only objective, for one that is not complete.
            constraints: One number for each constraint, at most 0 where it is satisfied.
            rungs: The objectives at each rung, for one that was stopped at one.
        """
        steps = {} if last is None else {0: last}
        at = {str(epoch): list(found) for epoch, found in (rungs or {}).items()}
        notes = {"rungs": at} if at else {}
        opened = self._open.pop(place, None) is not None
        if opened:
            trial_id = self._storage.get_trial_id_from_study_id_trial_number(
                self._study_id, self._numbers.pop(place)
            )
            for step, value in steps.items():
                self._storage.set_trial_intermediate_value(trial_id, step, value)
            for key, note in notes.items():
                self._storage.set_trial_user_attr(trial_id, key, note)
            for key, number in constraint_attributes(_by_place(constraints)).items():
                self._storage.set_trial_system_attr(trial_id, key, number)
            self._storage.set_trial_state_values(trial_id, state, values)
        if state is not TrialState.FAIL and self._known(parameters):
            self._learned.append(self._frozen(parameters, state, values, steps, constraints, notes))
            if not opened:
                self._add(self._learned[-1])
        if len(self._learned) >= FORGET_AT:
            self._learned = self._worth_keeping()
            self._recall()

    def _recall(self) -> None:
        """Start a study in memory with what is remembered."""
        self._storage = optuna.storages.InMemoryStorage()
        self._study = optuna.create_study(storage=self._storage, directions=self._directions)
        self._study_id = self._storage.get_study_id_from_name(self._study.study_name)
        self._study.add_trials(self._learned)
        for place, parameters in self._open.items():
            self._numbers[place] = self._add(self._frozen(parameters, TrialState.RUNNING))

    def _add(self, trial: FrozenTrial) -> int:
        trial_id = self._storage.create_new_trial(self._study_id, trial)
        return self._storage.get_trial_number_from_id(trial_id)

    def _worth_keeping(self) -> list[FrozenTrial]:
        """The latest trials, and of the others the best, in their order."""
        old = self._learned[: BEST - REMEMBERED]
        beaten = times_beaten([self._costs(trial) for trial in old])
        violated = [sum(max(n, 0.0) for n in trial.constraints.values()) for trial in old]
        best = np.sort(np.lexsort((beaten, violated))[:BEST])
        return [old[i] for i in best] + self._learned[BEST - REMEMBERED :]

    def _costs(self, trial: FrozenTrial) -> list[float]:
        """The objectives as numbers that are better when smaller; those of no values are worst."""
        if trial.state is not TrialState.COMPLETE:
            return [np.inf] * len(self._directions)
        signs = [-1.0 if direction == "maximize" else 1.0 for direction in self._directions]
        return [sign * value for sign, value in zip(signs, trial.values, strict=True)]

    def _known(self, parameters: Mapping[str, float]) -> bool:
        """Whether parameters are in the space; those of before an accepted change may not be."""
        return set(parameters) == set(self._distributions) and all(
            distribution.low <= parameters[name] <= distribution.high
            for name, distribution in self._distributions.items()
        )

    def _frozen(
        self,
        parameters: Mapping[str, float],
        state: TrialState,
        values: Sequence[float] | None = None,
        steps: Mapping[int, float] | None = None,
        constraints: Sequence[float] | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> FrozenTrial:
        return create_trial(
            state=state,
            values=values,
            params=dict(parameters),
            distributions=self._distributions,
            intermediate_values=dict(steps or {}),
            constraints=_by_place(constraints),
            user_attrs=dict(notes or {}),
        )


def _by_place(constraints: Sequence[float] | None) -> dict[str, float]:
    """The numbers of constraints by the names that Optuna gives those without one."""
    return {str(index): number for index, number in enumerate(constraints or ())}


def distributions(space: Space) -> dict[str, FloatDistribution]:
    """The space as Optuna knows it."""
    return {
        name: FloatDistribution(part.low, part.high, log=isinstance(part, LogUniform))
        for name, part in space.parameters.items()
    }


def times_beaten(costs: Sequence[Sequence[float]]) -> NDArray[np.int64]:
    """How many rows beat each row: at least as small everywhere and smaller somewhere.

    The ranking of Fonseca and Fleming (Genetic Algorithms for Multiobjective Optimization, 1993);
    0 is the Pareto front.

    Args:
        costs: Shape ``(rows, objectives)``, smaller is better.

    >>> times_beaten([[1, 3], [2, 2], [3, 3], [3, 1]]).tolist()
    [0, 0, 3, 0]
    """
    points = np.asarray(costs, dtype=np.float64)
    small = (points[None] <= points[:, None]).all(axis=2)
    smaller = (points[None] < points[:, None]).any(axis=2)
    return (small & smaller).sum(axis=1)
