"""A Gaussian process over the unit cube, and functions drawn from it.

Small on purpose: scikit-learn's regressor has no priors, without which a dozen points fit any
length, and draws from the joint posterior of n points in n^3; here a drawn function is a sum of
waves and one correction a trial (Wilson et al., "Efficiently sampling functions from Gaussian
process posteriors", ICML 2020), so that a thousand candidates cost a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossweights.search._cube import Floats

_ROOT5 = np.sqrt(5.0)
_WAVES = 192
_LEAST_NOISE = 1e-6
_LOG_BOUND = 14.0
_START_NOISE = -5.0


REFIT = 1.25  # settings are found anew whenever there is so many times more to learn from
_FIRST = 4  # rows that settings are first found by


class Priors(NamedTuple):
    """Priors of logarithms, as mean and standard deviation: lengths in parts of the cube, variance
    and noise in parts of those of the data.

    Lengths grow with the root of the coordinates, as distances do (Hvarfner, Hellsten and Nardi,
    "Vanilla Bayesian optimization performs great in high dimensions", ICML 2024).
    """

    length: tuple[float, float] = (-0.7, 0.8)
    variance: tuple[float, float] = (0.0, 1.0)
    noise: tuple[float, float] = (-7.0, 3.0)


WIDE = Priors()


class Settings(NamedTuple):
    """What decides how a process looks: lengths of the coordinates, variance, and noise."""

    lengths: Floats
    variance: float
    noise: float


class Gaussian:
    """A process with Matérn's kernel (5/2), given what was measured.

    Args:
        points: Shape ``(rows, coordinates)``.
        values: Centred and of about unit variance, shape ``(rows,)``.
        settings: As `fit` found them.
    """

    def __init__(self, points: Floats, values: Floats, settings: Settings) -> None:
        from scipy.linalg import cho_factor

        self._points, self._values, self._settings = points, values, settings
        kernel = _matern(points, points, settings)
        kernel[np.diag_indices(len(points))] += settings.noise
        self._factor = cho_factor(kernel, lower=True)

    def draw(self, rng: np.random.Generator) -> Callable[[Floats], Floats]:
        """A function from the posterior, without noise."""
        from scipy.linalg import cho_solve

        lengths, variance, noise = self._settings
        # Frequencies of a Matérn kernel of 5/2 are Student's t with 5 degrees of freedom.
        stretch = np.sqrt(5.0 / rng.chisquare(5.0, (_WAVES, 1)))
        waves = rng.normal(size=(_WAVES, len(lengths))) * stretch / lengths
        phases = rng.uniform(0.0, 2.0 * np.pi, _WAVES)
        heights = rng.normal(size=_WAVES) * np.sqrt(2.0 * variance / _WAVES)

        def prior(points: Floats) -> Floats:
            return np.cos(points @ waves.T + phases) @ heights

        seen = prior(self._points) + rng.normal(0.0, np.sqrt(noise), len(self._points))
        correction = cho_solve(self._factor, self._values - seen)

        def drawn(points: Floats) -> Floats:
            found: Floats = prior(points)
            return found + _matern(points, self._points, self._settings) @ correction

        return drawn

    def mean(self, points: Floats) -> Floats:
        """The expected function."""
        from scipy.linalg import cho_solve

        found: Floats = _matern(points, self._points, self._settings) @ cho_solve(
            self._factor, self._values
        )
        return found


def enough(rows: int) -> int:
    """By how many of so many rows settings are found: seldom by more, for it takes long.

    >>> [enough(rows) for rows in (3, 4, 16, 17, 64)]
    [3, 4, 15, 15, 60]
    """
    found = min(rows, _FIRST)
    while (more := int(np.ceil(REFIT * found))) <= rows and more > found:
        found = more
    return found


def fit(points: Floats, values: Floats, priors: Priors = WIDE) -> Settings:
    """The settings of greatest posterior density, from one fixed start.

    Args:
        points: Shape ``(rows, coordinates)``.
        values: Centred and of about unit variance, shape ``(rows,)``.
        priors: What is expected of them.
    """
    return _fitted(points.tobytes(), points.shape[1], values.tobytes(), priors)


@lru_cache(maxsize=64)  # of a batch each trial asks for the same
def _fitted(raw_points: bytes, coordinates: int, raw_values: bytes, priors: Priors) -> Settings:
    from scipy.optimize import minimize

    points = np.frombuffer(raw_points).reshape(-1, coordinates)
    values = np.frombuffer(raw_values)
    squares = (points[:, None] - points[None]) ** 2
    means = np.r_[
        np.full(coordinates, priors.length[0] + 0.5 * np.log(coordinates)),
        priors.variance[0],
        priors.noise[0],
    ]
    spreads = np.r_[np.full(coordinates, priors.length[1]), priors.variance[1], priors.noise[1]]
    start = means.copy()
    start[-1] = max(means[-1], _START_NOISE)
    found = minimize(
        _unlikely,
        start,
        args=(squares, values, means, spreads),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-_LOG_BOUND, _LOG_BOUND)] * (coordinates + 2),
        options={"maxiter": 60},
    )
    lengths, (variance, noise) = np.exp(found.x[:coordinates]), np.exp(found.x[coordinates:])
    return Settings(lengths, float(variance), float(noise) + _LEAST_NOISE)


def _unlikely(
    logs: Floats, squares: NDArray[np.float64], values: Floats, means: Floats, spreads: Floats
) -> tuple[float, Floats]:
    """The negative logarithm of the posterior density of settings, and its gradient."""
    from scipy.linalg import cho_factor, cho_solve

    coordinates = squares.shape[2]
    lengths, variance, noise = (
        np.exp(logs[:coordinates]),
        np.exp(logs[coordinates]),
        np.exp(logs[-1]),
    )
    scaled = squares / lengths**2
    distance = np.sqrt(scaled.sum(axis=2))
    decay = variance * np.exp(-_ROOT5 * distance)
    kernel = decay * (1.0 + _ROOT5 * distance + 5.0 / 3.0 * distance**2)
    whole = kernel + (noise + _LEAST_NOISE) * np.eye(len(values))
    try:
        factor = cho_factor(whole, lower=True)
    except np.linalg.LinAlgError:
        return 1e25, np.zeros_like(logs)
    solved = cho_solve(factor, values)
    inverse = cho_solve(factor, np.eye(len(values)))
    off = (logs - means) / spreads
    density = 0.5 * values @ solved + np.log(np.diag(factor[0])).sum() + 0.5 * off @ off
    inner = inverse - np.outer(solved, solved)
    slope = decay * (5.0 / 3.0) * (1.0 + _ROOT5 * distance)
    gradient = np.empty_like(logs)
    gradient[:coordinates] = 0.5 * np.einsum("ij,ij,ijk->k", inner, slope, scaled)
    gradient[coordinates] = 0.5 * np.sum(inner * kernel)
    gradient[-1] = 0.5 * noise * np.trace(inner)
    return float(density), gradient + off / spreads


def _matern(one: Floats, other: Floats, settings: Settings) -> Floats:
    scaled, others = one / settings.lengths, other / settings.lengths
    squared = (scaled**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2.0 * scaled @ others.T
    distance = _ROOT5 * np.sqrt(np.maximum(squared, 0.0))
    kernel: Floats = settings.variance * (1.0 + distance + distance**2 / 3.0) * np.exp(-distance)
    return kernel


@contextmanager
def one_thread() -> Iterator[None]:
    """Linear algebra by one thread: small matrices are slower by two, and sums differ by how many
    there are, so that another machine, or the same one when busy, would ask for other trials.
    """
    with _pools().limit(limits=1, user_api="blas"):
        yield


@cache
def _pools() -> Any:
    import scipy.linalg  # noqa: F401  whose pool of threads is to be found as well
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
