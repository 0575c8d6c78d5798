"""Which weights to try next: a sampler of Optuna's, asked place by place.

The study on disk grows with the sweep; what the sampler looks at does not. Its cost grows with the
trials that it sees, and past a few hundred of them the older ones, none of which is among the best
or at the border of where nothing can be trained, say little that the others do not.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from numpy.typing import ArrayLike, NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
)
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from lossweights.base.errors import RecipeError
from lossweights.base.sampled import Value
from lossweights.search._border import border
from lossweights.search._cube import Cube
from lossweights.search._lessons import RUNGS, TRAINS
from lossweights.search.choices import OneOf
from lossweights.search.distributions import LogUniform, Numbers
from lossweights.search.joint import PLACE
from lossweights.search.samplers import BEFORE, SamplerLike, copied, make_sampler
from lossweights.search.space import Space

FORGET_AT = 256  # trials seen at most; up to there nothing is forgotten
LATEST = 112  # trials left after forgetting for being the latest
BEST = 48  # of the older ones, how many are left for being good
BORDER = 48  # and how many at most for telling where nothing can be trained


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
            self._given = copied(sampler)
        self._learned: list[FrozenTrial] = []
        self._open: dict[int, dict[str, Value]] = {}
        self._numbers: dict[int, int] = {}  # of open places, in the study in memory
        self._recall()

    @property
    def is_done(self) -> bool:
        """Whether the sampler has said that it has nothing more to ask for, as of a grid."""
        return self._study.is_done

    def ask(self, place: int) -> dict[str, Value]:
        """Parameters for a place of the sweep, which is open until learned.

        Raises:
            RecipeError: The sampler, another's, raised an exception.
        """
        self._study.set_user_attr(PLACE, place)
        with self._named():
            if self._given is not None:
                self._study.sampler = self._given
            else:
                assert self._make is not None
                self._study.sampler = self._make((self._seed * 1_000_003 + place) % 2**32)
            trial = self._study.ask(dict(self._distributions))
        parameters = self._space.parameters_at(trial.params)
        self._open[place], self._numbers[place] = parameters, trial.number
        self._sampled.add(trial.number)
        self._move(trial, self._space.coordinates_of(parameters))
        return dict(parameters)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Say of which sampler an exception is: another's is nothing that we know of."""
        try:
            yield
        except Exception as error:
            if self._forgets:
                raise
            where = traceback.extract_tb(error.__traceback__)[-1]
            raise RecipeError(
                f"Expected weights to try from {type(self._study.sampler).__name__}. Found that it "
                f"raised {type(error).__name__}: {error} ({where.filename}, line {where.lineno}). "
                f"What has been trained is kept. Mend the sampler or take another one, and resume "
                f"with --accept-change sampler."
            ) from error

    def _move(self, trial: optuna.Trial, coordinates: Mapping[str, Value]) -> None:
        """Put a trial that was asked for where its parameters are, as one told of it later will.

        There and back coordinates are rounded. What a sampler has noted of the trial stays.
        """
        trial_id = self._id_of(trial.number)
        for name, value in coordinates.items():
            if value != trial.params[name]:
                part = self._distributions[name]
                self._storage.set_trial_param(trial_id, name, part.to_internal_repr(value), part)

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

        Raises:
            RecipeError: The sampler, another's, raised an exception.
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
        made = optuna.create_study(storage=self._storage, directions=self._directions)
        self._study = _Study(made.study_name, self._storage)
        self._study_id = self._storage.get_study_id_from_name(made.study_name)
        self._sampled: set[int] = set()  # numbers of open places that the sampler was asked for
        self._study.add_trials(self._learned)
        for place, parameters in self._open.items():
            self._numbers[place] = self._add(self._frozen(parameters, TrialState.RUNNING))

    def _add(self, trial: FrozenTrial) -> int:
        trial_id = self._storage.create_new_trial(self._study_id, trial)
        return self._storage.get_trial_number_from_id(trial_id)

    def _id_of(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)

    def _end(self, number: int, ended: FrozenTrial) -> None:
        """A trial that was open has ended, and what is said of it is noted in the study."""
        storage, trial_id = self._storage, self._id_of(number)
        for step, value in ended.intermediate_values.items():
            storage.set_trial_intermediate_value(trial_id, step, value)
        for key, attribute in ended.user_attrs.items():
            storage.set_trial_user_attr(trial_id, key, attribute)
        for key, attribute in ended.system_attrs.items():  # constraints, among Optuna's own notes
            storage.set_trial_system_attr(trial_id, key, attribute)
        if number in self._sampled:  # of others it has no notes
            self._sampled.discard(number)
            with self._named():
                trial = storage.get_trial(trial_id)
                self._study.sampler.after_trial(self._study, trial, ended.state, ended.values)
        storage.set_trial_state_values(trial_id, ended.state, ended.values)

    def _worth_keeping(self) -> list[FrozenTrial]:
        """The latest trials; of the others the best, and where nothing trains; in their order."""
        old = self._learned[:-LATEST]
        barren = [i for i, trial in enumerate(old) if TRAINS in trial.constraints]
        trained = [i for i, trial in enumerate(old) if TRAINS not in trial.constraints]
        costs = np.array([self._costs(old[i]) for i in trained])
        beaten = times_beaten(costs.reshape(len(trained), len(self._directions)))
        violated = [sum(max(n, 0.0) for n in old[i].constraints.values()) for i in trained]
        kept = [trained[row] for row in np.lexsort((beaten, violated))[:BEST]]
        latest = [trial for trial in self._learned[-LATEST:] if TRAINS not in trial.constraints]
        still = self._points([old[i] for i in kept] + latest)
        wrong = border(still, self._points([old[i] for i in barren]), BORDER)
        kept += [barren[row] for row in wrong]
        return [old[i] for i in sorted(kept)] + self._learned[-LATEST:]

    def _points(self, trials: Sequence[FrozenTrial]) -> NDArray[np.float64]:
        """Where trials are in the unit cube, shape ``(trials, coordinates)``."""
        return Cube(self._distributions).encode([trial.params for trial in trials])

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


class _Study(optuna.Study):
    """A study in memory, in which a sampler may say that it has nothing more to ask for.

    Optuna's own takes that from within `optimize` alone.
    """

    is_done = False

    def stop(self) -> None:
        """Nothing more is to be asked for."""
        self.is_done = True


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


def times_beaten(costs: ArrayLike) -> NDArray[np.int64]:
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
