"""What our samplers have in common: they sample all parameters together, by number and seed alone.

Each is an `optuna.samplers.BaseSampler` for any study. What it asks for at a trial depends on the
seed, the trial's number and what the study holds, and on nothing that the sampler remembers: a
study that is gone on with asks for what it would have asked for without a stop.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import FrozenTrial

from lossweights.search._cube import Cube, Floats
from lossweights.search._gaussian import one_thread
from lossweights.search._hazard import Hazard
from lossweights.search._lessons import Lessons

Parameters = dict[str, Any]
PLACE = "place"  # user attribute of a study: the number to take instead of a trial's own

_TRIES = 10  # candidates, none of which may be likely to train; each costs TPE the same


class JointSampler(BaseSampler):
    """A sampler of all parameters together.

    Args:
        seed: Seed; trials of one number have the same random numbers in every study.
        space: What is sampled, where it is known before the first trial. Otherwise it is what all
            finished trials have in common, and parameters that are not are sampled at random.
    """

    def __init__(self, seed: int = 0, space: Mapping[str, BaseDistribution] | None = None) -> None:
        self.seed = seed
        self.space = None if space is None else dict(space)

    @abstractmethod
    def propose(self, study: optuna.Study, trial: FrozenTrial, space: Parameters) -> Parameters:
        """Parameters for a trial.

        Args:
            study: The study.
            trial: The trial.
            space: The distribution of each parameter.
        """

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """All parameters."""
        if self.space is not None:
            return self.space
        found = IntersectionSearchSpace().calculate(study)
        return {name: part for name, part in found.items() if not part.single()}

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> Parameters:
        """Parameters for a trial."""
        if not search_space:
            return {}
        with one_thread():
            return self.propose(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A parameter that no trial before had: at random."""
        seed = int(self.random(study, trial, *param_name.encode()).integers(2**32))
        return RandomSampler(seed).sample_independent(study, trial, param_name, param_distribution)

    def random(self, study: optuna.Study, trial: FrozenTrial, *more: int) -> np.random.Generator:
        """The random numbers of a trial, and for a purpose."""
        return np.random.default_rng([self.seed, number_of(study, trial), *more])


def number_of(study: optuna.Study, trial: FrozenTrial) -> int:
    """The number that decides on the random numbers of a trial."""
    return int(study.user_attrs.get(PLACE, trial.number))


def hazard_of(lessons: Lessons) -> Hazard | None:
    """Where training is likely, or ``None`` as long as it failed nowhere."""
    if not len(lessons.barren):
        return None
    return Hazard(lessons.points, lessons.barren, lessons.open, lessons.objectives)


def likely_to_train(hazard: Hazard | None, points: Floats) -> Floats:
    """Those of the points at which training is likely, or a few where it is likeliest."""
    if hazard is None:
        return points
    safe = hazard.safe(points)
    return points[safe >= min(hazard.least, np.sort(safe)[-max(1, len(safe) // 20)])]


def first_likely(study: optuna.Study, trial: FrozenTrial, cube: Cube, draw: Any) -> Parameters:
    """What is drawn, drawn again while training there is unlikely.

    Args:
        study: The study.
        trial: The trial.
        cube: What is sampled.
        draw: Gives parameters, other ones at each call.
    """
    first: Parameters = draw()
    hazard = hazard_of(Lessons.of(study, trial, cube))
    if hazard is None:
        return first
    best, likeliest = first, -np.inf
    for attempt in range(_TRIES):
        found = first if attempt == 0 else draw()
        safe = float(hazard.safe(cube.encode([found]))[0])
        if safe >= hazard.least:
            return found
        if safe > likeliest:
            best, likeliest = found, safe
    return best
