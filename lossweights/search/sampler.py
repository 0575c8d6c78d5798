"""Which weights to try next: a sampler of Optuna's, asked place by place.

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
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
)
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from lossweights.base.sampled import Value
from lossweights.search._lessons import RUNGS, TRAINS
from lossweights.search.choices import OneOf
from lossweights.search.distributions import LogUniform, Numbers
from lossweights.search.joint import PLACE
from lossweights.search.samplers import BEFORE, SamplerLike, make_sampler
from lossweights.search.space import Space

FORGET_AT = 256  # trials seen at most; up to there nothing is forgotten
REMEMBERED = 160  # trials left after forgetting
BEST = 48  # of those, how many for being good; the others are the latest


class Sampler:
    """Samples parameters place by place, and learns how the trials there ended.

    What is sampled at a place depends on the seed, the place, what has been learned, in which
    order, and what is still open, but not on how often the sweep was stopped. A sampler that was
    given as an instance draws from its own random numbers, one place after the other, and
    remembers what it likes: it is told of all trials anew when a sweep is gone on with, and asked
    from where its random numbers begin.

    Args:
        space: What is sampled.
        directions: ``"minimize"`` or ``"maximize"`` for each objective.
        seed: Seed of the sweep.
        sampler: A name of ours, a function from a seed to a sampler of Optuna's, or a sampler.
    """

    def __init__(
        self,
        space: Space,
        directions: Sequence[str],
        seed: int,
        sampler: SamplerLike = BEFORE,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        self._distributions = coordinate_distributions(space)
        self._directions = list(directions)
        self._seed = seed
        # A foreign sampler may keep notes in the study, and is not made to lose them.
        self._forgets = isinstance(sampler, str)
        self._make = sampler if callable(sampler) else None
        self._given: BaseSampler | None = None
        if isinstance(sampler, str):
            self._given = make_sampler(sampler, seed, self._distributions)
        elif isinstance(sampler, BaseSampler):
            self._given = sampler
        self._learned: list[FrozenTrial] = []
        self._open: dict[int, dict[str, Value]] = {}
        self._numbers: dict[int, int] = {}  # of open places, in the study in memory
        self._recall()

    def ask(self, place: int) -> dict[str, Value]:
        """Parameters for a place of the sweep, which is open until learned."""
        if self._given is not None:
            self._study.sampler = self._given
        else:
            assert self._make is not None
            self._study.sampler = self._make((self._seed * 1_000_003 + place) % 2**32)
        self._study.set_user_attr(PLACE, place)
        trial = self._study.ask(dict(self._distributions))
        parameters = self._space.parameters_at(trial.params)
        self._open[place], self._numbers[place] = parameters, trial.number
        if self._space.coordinates_of(parameters) != trial.params:
            # Rounding moved it. One that is told of it later would see other numbers.
            self._study.tell(trial, state=TrialState.FAIL)
            self._numbers[place] = self._add(self._frozen(parameters, TrialState.RUNNING))
        return dict(parameters)

    def expect(self, place: int, parameters: Mapping[str, Value]) -> None:
        """Parameters at a place that were given, not sampled; it is open until learned."""
        if place not in self._open and self._known(parameters):
            self._open[place] = dict(parameters)
            self._numbers[place] = self._add(self._frozen(parameters, TrialState.RUNNING))

    def learn(
        self,
        place: int,
        parameters: Mapping[str, Value],
        state: TrialState,
        values: Sequence[float] | None = None,
        last: float | None = None,
        *,
        rungs: Mapping[int, Sequence[float]] | None = None,
        constraints: Sequence[float] | None = None,
        barren: bool = False,
    ) -> None:
        """How the trial at a place ended.

        Args:
            place: The place.
            parameters: Its parameters.
            state: Complete, pruned or failed; of failures nothing is learned.
            values: The objectives of a complete trial.
            last: The last finite value of the only objective, for one that is not complete.
            rungs: Of a trial that was stopped at a rung, its objectives at each rung, by epoch.
            constraints: A number a constraint, feasible up to 0.
            barren: Whether nothing can be trained there: it diverged, or failed and would again.
        """
        if barren:
            state, values = TrialState.PRUNED, None
        steps = {} if last is None else {0: last}
        if rungs and len(self._directions) == 1:
            steps = {int(epoch): float(at[0]) for epoch, at in rungs.items()}
        limits = {str(index): float(at) for index, at in enumerate(constraints or ())}
        frozen = None
        if self._known(parameters):
            frozen = self._frozen(
                parameters,
                state,
                values,
                steps,
                attributes={RUNGS: {str(k): list(v) for k, v in rungs.items()}} if rungs else {},
                constraints={**limits, **({TRAINS: 1.0} if barren else {})},
            )
        opened = self._open.pop(place, None) is not None
        if opened and frozen is not None:
            self._end(self._numbers.pop(place), frozen)
        if state is not TrialState.FAIL and frozen is not None:
            self._learned.append(frozen)
            if not opened:
                self._add(frozen)
        if self._forgets and len(self._learned) >= FORGET_AT:
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

    def _end(self, number: int, ended: FrozenTrial) -> None:
        """A trial that was open has ended, and what is said of it is noted in the study."""
        storage = self._storage
        trial_id = storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        for step, value in ended.intermediate_values.items():
            storage.set_trial_intermediate_value(trial_id, step, value)
        for key, attribute in ended.user_attrs.items():
            storage.set_trial_user_attr(trial_id, key, attribute)
        for key, attribute in ended.system_attrs.items():  # constraints, among Optuna's own notes
            storage.set_trial_system_attr(trial_id, key, attribute)
        trial = storage.get_trial(trial_id)
        self._study.sampler.after_trial(self._study, trial, ended.state, ended.values)
        storage.set_trial_state_values(trial_id, ended.state, ended.values)

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

    def _known(self, parameters: Mapping[str, Value]) -> bool:
        """Whether parameters are in the space; those of before an accepted change may not be."""
        inside = distributions(self._space)
        return set(parameters) == set(inside) and all(
            _is_inside(part, parameters[name]) for name, part in inside.items()
        )

    def _frozen(
        self,
        parameters: Mapping[str, Value],
        state: TrialState,
        values: Sequence[float] | None = None,
        steps: Mapping[int, float] | None = None,
        attributes: Mapping[str, Any] | None = None,
        constraints: Mapping[str, float] | None = None,
    ) -> FrozenTrial:
        return create_trial(
            state=state,
            values=values,
            params=self._space.coordinates_of(parameters),
            distributions=dict(self._distributions),
            intermediate_values=dict(steps or {}),
            user_attrs=dict(attributes or {}),
            constraints=dict(constraints or {}),
        )


def coordinate_distributions(space: Space) -> dict[str, BaseDistribution]:
    """What a sampler searches: the space as Optuna knows it, without a coordinate too many."""
    return {name: _as_optunas(part) for name, part in space.coordinates.items()}


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """The space as Optuna knows it."""
    return {name: _as_optunas(part) for name, part in space.sampled.items()}


def _as_optunas(part: Numbers | OneOf) -> BaseDistribution:
    if isinstance(part, OneOf):
        return CategoricalDistribution(part.names)
    return FloatDistribution(part.low, part.high, log=isinstance(part, LogUniform))


def _is_inside(part: BaseDistribution, value: Value) -> bool:
    if isinstance(part, CategoricalDistribution):
        return value in part.choices
    assert isinstance(part, FloatDistribution)
    return isinstance(value, int | float) and part.low <= value <= part.high


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
