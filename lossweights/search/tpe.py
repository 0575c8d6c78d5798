"""Optuna's tree-structured Parzen estimator, seeded anew for every trial."""

from __future__ import annotations

from collections.abc import Mapping

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial

from lossweights.search._cube import Cube
from lossweights.search.joint import JointSampler, Parameters, first_likely, number_of


class TPE(JointSampler):
    """Optuna's TPE (Bergstra et al. 2011; several objectives: Ozaki et al. 2022).

    It draws again where most trials nearby could not be trained: TPE itself compares densities,
    and with half of a space barren goes on to ask for a good part there.

    Args:
        seed: Seed.
        space: See `JointSampler`.
        multivariate: Whether parameters are modelled together, or each on its own.
        startup: Trials at random before anything is modelled.
    """

    def __init__(
        self,
        seed: int = 0,
        space: Mapping[str, BaseDistribution] | None = None,
        *,
        multivariate: bool = True,
        startup: int = 16,
    ) -> None:
        super().__init__(seed, space)
        self._multivariate, self._startup = multivariate, startup

    def propose(self, study: optuna.Study, trial: FrozenTrial, space: Parameters) -> Parameters:
        """What TPE makes of the study."""
        place = number_of(study, trial)
        tpe = TPESampler(
            n_startup_trials=self._startup,
            multivariate=self._multivariate,
            seed=(self.seed * 1_000_003 + place) % 2**32,
        )

        def draw() -> Parameters:
            found = tpe.sample_relative(study, trial, space) if self._multivariate else {}
            return {
                name: found[name]
                if name in found
                else tpe.sample_independent(study, trial, name, part)
                for name, part in space.items()
            }

        return first_likely(study, trial, Cube(space), draw)
