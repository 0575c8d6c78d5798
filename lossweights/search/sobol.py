"""Scrambled Sobol points: spread more evenly than chance, and the same however often stopped."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from lossweights.search._cube import Cube, Floats
from lossweights.search.joint import JointSampler, Parameters, first_likely, number_of


class Sobol(JointSampler):
    """The first trials are points of a scrambled Sobol sequence; another sampler goes on.

    Owen's scrambling (1998) by SciPy. Of 2^k points each half, quarter and so on of every parameter
    holds as many as any other.

    Args:
        seed: Seed of the scrambling.
        space: See `JointSampler`.
        points: How many trials; ``None`` for all.
        then: The sampler of those that follow.
    """

    def __init__(
        self,
        seed: int = 0,
        space: Mapping[str, BaseDistribution] | None = None,
        *,
        points: int | None = None,
        then: BaseSampler | None = None,
    ) -> None:
        super().__init__(seed, space)
        self._points, self._then = points, then

    def propose(self, study: optuna.Study, trial: FrozenTrial, space: Parameters) -> Parameters:
        """The point of the trial's number, or a later one while training there is unlikely."""
        at = number_of(study, trial)
        if self._then is not None and self._points is not None and at >= self._points:
            return self._then.sample_relative(study, trial, space)
        cube, later = Cube(space), 0

        def draw() -> Parameters:
            nonlocal later
            at_this, later = at + 7919 * later, later + 1  # a prime: no two trials draw the same
            return cube.decode(cube.points(sobol(cube.inputs, self.seed, at_this, 1))[0])

        return first_likely(study, trial, cube, draw)


def sobol(dimensions: int, seed: int, first: int, count: int) -> Floats:
    """Points of a scrambled Sobol sequence, shape ``(count, dimensions)``."""
    from scipy.stats import qmc  # not above: with it the package would take a second to load

    engine = qmc.Sobol(dimensions, seed=np.random.default_rng(seed))
    if first:
        engine.fast_forward(first)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a number of points that is no power of two
        return np.asarray(engine.random(count), dtype=np.float64)
