"""Simulated sweeps of two terms whose flip is known: what each takes off, by the weights' ratio.

The logit of the second term's part in what both take off rises with ``x``, the logarithm of the
ratio of the weights, and passes zero at the flip. Weights are drawn log-uniformly from 0.01 to 100.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

Floats = NDArray[np.float64]
REACH = np.log(100.0)


class Problem(NamedTuple):
    """A curve of the logit, where it passes zero, and what scatters the trials about it."""

    curve: Callable[[Floats], Floats]
    at: float
    noise: float = 0.0  # standard deviation of the logit
    other: float = 0.0  # what the weight of a third term, drawn as well, moves the logit by at most

    def sweep(self, rng: np.random.Generator, trials: int) -> tuple[Floats, Floats]:
        """Weights and decreases of one sweep, shapes ``(trials, 2)``."""
        x = rng.uniform(-REACH, REACH, trials)
        logit = self.curve(x) + rng.normal(0.0, self.noise, trials)
        logit += self.other * rng.uniform(-1.0, 1.0, trials)
        part = 1 / (1 + np.exp(-logit))
        return np.stack([np.ones(trials), np.exp(x)], axis=1), np.stack([1 - part, part], axis=1)


def logistic(at: float, noise: float, other: float = 0.0) -> Problem:
    """Each term takes off the same in all trials, unweighted."""
    return Problem(lambda x: x - at, at, noise, other)


def kink(at: float, below: float, above: float, noise: float) -> Problem:
    """The slope changes exactly where the lead does."""
    return Problem(lambda x: (x - at) * np.where(x < at, below, above), at, noise)


def step(at: float, noise: float) -> Problem:
    """Almost flat on either side, and a jump between."""
    return Problem(lambda x: 0.2 * (x - at) + np.where(x < at, -2.0, 2.0), at, noise)


def plateau(at: float, noise: float) -> Problem:
    """Neither term ever takes off nearly all."""
    return Problem(lambda x: 4 * np.tanh((x - at) / 1.5), at, noise)


def gompertz(at: float, noise: float) -> Problem:
    """The part rises fast from nothing and slowly to all."""

    def curve(x: Floats) -> Floats:
        log_part = -np.log(2.0) * np.exp(at - x)
        return log_part - np.log(-np.expm1(np.clip(log_part, -700.0, -1e-12)))

    return Problem(curve, at, noise)


def optimum(ratio: float) -> float:
    """The best constant for ``e**2 + ratio * 2 relu(e)`` of Normal data: ``p = ratio P(y > p)``."""
    return float(brentq(lambda p: p - ratio * norm.sf(p), -1.0, 1.0 + ratio))


def fall_of_t1(ratio: float, start: float = -1.0) -> tuple[float, float]:
    """What squared error and weighted underestimation take off from a first constant, exactly."""
    end = optimum(ratio)

    def under(p: float) -> float:
        return 2 * float(norm.pdf(p) - p * norm.sf(p))

    return start**2 - end**2, ratio * (under(start) - under(end))


def flip_of_t1() -> float:
    """The logarithm of the ratio at which both take off as much: log 0.594 from a start at -1."""
    return float(brentq(lambda x: np.subtract(*fall_of_t1(float(np.exp(x)))), -REACH, REACH))


def t1(noise: float = 0.0) -> Problem:
    """Constant prediction of Normal data under squared error and linear underestimation."""
    grid = np.linspace(-REACH, REACH, 2001)
    fell = np.maximum([fall_of_t1(float(r)) for r in np.exp(grid)], 1e-6)
    logits = np.log(fell[:, 1] / fell[:, 0])
    return Problem(lambda x: np.interp(x, grid, logits), flip_of_t1(), noise)


PROBLEMS = {
    "logistic": logistic(np.log(4.0), 0.3),
    "logistic, no noise": logistic(np.log(4.0), 0.0),
    "logistic, much noise": logistic(np.log(4.0), 1.0),
    "logistic, near an end": logistic(3.0, 0.5),
    "a third term": logistic(np.log(4.0), 0.2, other=0.8),
    "T1, exact": t1(),
    "T1, noise": t1(0.3),
    "kink": kink(-1.0, 0.4, 3.0, 0.3),
    "kink, the other way": kink(0.5, 3.0, 0.5, 0.3),
    "step": step(0.7, 0.5),
    "plateaus": plateau(1.5, 0.5),
    "gompertz": gompertz(0.5, 0.3),
}
