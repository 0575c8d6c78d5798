"""Several samplers that take turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from lossweights.search.joint import JointSampler, Parameters, number_of


class Rota(JointSampler):
    """A fixed rota of samplers: the trial's number says whose turn it is.

    Args:
        samplers: The samplers, in turn.
        seed: Seed.
        space: See `JointSampler`.
    """

    def __init__(
        self,
        samplers: Sequence[BaseSampler],
        seed: int = 0,
        space: Mapping[str, BaseDistribution] | None = None,
    ) -> None:
        super().__init__(seed, space)
        self._samplers = list(samplers)

    def propose(self, study: optuna.Study, trial: FrozenTrial, space: Parameters) -> Parameters:
        """What the sampler proposes whose turn it is."""
        turn = number_of(study, trial) % len(self._samplers)
        return self._samplers[turn].sample_relative(study, trial, space)
