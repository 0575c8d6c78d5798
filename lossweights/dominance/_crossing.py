"""Between which of the tried places a noisy rising curve passes zero, whatever its form.

The curve is fitted as a smoothing spline: the posterior mean of an integrated Wiener process plus
a straight line (Wahba, "Improper priors, spline smoothing and the problem of guarding against
model errors in regression", Journal of the Royal Statistical Society B 1978). How smooth it is
decides the data: every smoothness counts by its restricted likelihood, and the variance of the
noise is integrated out, which gives Student's t. Such bounds are too narrow where a curve bends
sharply, since the fit is the best one for the whole; as in Calonico, Cattaneo and Titiunik ("On the
effect of bias estimation on coverage accuracy in nonparametric inference", Journal of the American
Statistical Association 2018) they are therefore read from a fit that is rougher than the best.
A straight curve loses little by it. How often the brackets hold is simulated in
``tests/science/test_flips.py``.
"""

from __future__ import annotations

from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
ROUGHER = 20.0  # factor on the variance of the curve's bending, against bias at sharp bends
MOST = (
    160  # points that are used, those nearest to the crossing: an eigenvalue problem of that size
)
_ROUGHNESS = np.logspace(-4, 7, 23)  # variance of the curve's bending over that of the noise
_ROUNDING = 1e-14  # of a sum of squares; less is a curve without noise

Floats = NDArray[np.float64]


class Bracket(NamedTuple):
    """Where a curve passes zero: two of the tried places, and the likeliest one between."""

    low: float
    at: float
    high: float


def crossing(x: Floats, y: Floats) -> Bracket | None:
    """The bracket in which the curve behind ``y`` over ``x`` passes zero from below.

    Its ends are tried places: at the one the curve is below zero and at the other above, with a
    probability of 97.5 % each, and it holds the place where the monotone fit to ``y`` (isotonic
    regression, by SciPy) changes its sign. ``None`` if the points do not show both sides.

    A clean step of a few points shows both sides by its order alone; its bracket is a place wider
    on either side than the step.

    Args:
        x: Places in rising order, shape ``(points,)``, at least four.
        y: Values, shape ``(points,)``, of about the same noise everywhere.

    >>> found = crossing(np.arange(8.0), np.arange(8.0) - 3.25)
    >>> found.low, round(found.at, 2), found.high
    (3.0, 3.25, 4.0)
    """
    signs = np.sign(_monotone(y))
    if not signs[0] < 0 < signs[-1]:
        return None
    last_below, first_above = np.flatnonzero(signs < 0)[-1], np.flatnonzero(signs > 0)[0]
    start = int(np.clip((last_below + first_above + 1 - MOST) // 2, 0, max(len(x) - MOST, 0)))
    used = slice(start, start + MOST)
    x, y = x[used], y[used]
    last_below, first_above = last_below - start, first_above - start
    fit, above = _spline(x, y)
    (below_zero,) = np.nonzero(above < (1 - LEVEL) / 2)
    (above_zero,) = np.nonzero(above > (1 + LEVEL) / 2)
    if len(below_zero) and len(above_zero) and below_zero[-1] < above_zero[0]:
        low, high = min(below_zero[-1], last_below), max(above_zero[0], first_above)
    elif _is_clean_step(y):
        low, high = max(last_below - 1, 0), min(first_above + 1, len(x) - 1)
    else:
        return None
    if not x[low] < x[high]:
        return None
    inside = slice(low, high + 1)
    at = np.interp(0.0, _monotone(fit[inside]), x[inside])
    return Bracket(float(x[low]), float(at), float(x[high]))


def _is_clean_step(y: Floats) -> bool:
    """Whether all is one value first and then another, and chance seldom sorts them so.

    Such values show no noise, by which a fit to a few of them could be judged; their order does.
    """
    step = len(np.unique(y)) == 2 and bool(np.all(np.diff(y) >= 0))
    return step and comb(len(y), int(np.sum(y > 0))) >= 1 / (1 - LEVEL) - 1e-9


def _spline(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """The fit at each place, and the probability that the curve is above zero there."""
    from scipy.special import stdtr

    n = len(x)
    u = (x - x[0]) / (x[-1] - x[0])
    line = np.stack([np.ones(n), u], axis=1)
    rest = np.linalg.qr(line, mode="complete").Q[:, 2:]  # what no straight line can follow
    less, more = np.minimum.outer(u, u), np.maximum.outer(u, u)
    bending = less**2 * (3 * more - less) / 6  # covariance of an integrated Wiener process
    sizes, directions = np.linalg.eigh(rest.T @ bending @ rest)
    axes = rest @ directions
    seen = axes.T @ y
    sizes = np.maximum(sizes, 0)[:, None] / np.mean(np.diag(bending))
    free = n - 2

    as_noise = 1 / (1 + sizes * _ROUGHNESS)  # the part of each direction that is noise
    squares = seen**2 @ as_noise + _ROUNDING * n
    evidence = 0.5 * np.log(as_noise).sum(axis=0) - free / 2 * np.log(squares)
    weight = np.exp(evidence - evidence.max())
    weight /= weight.sum()

    as_noise = 1 / (1 + sizes * ROUGHER * _ROUGHNESS)
    fits = y[:, None] - axes @ (as_noise * seen[:, None])
    variances = squares / free * np.maximum(1 - axes**2 @ as_noise, _ROUNDING)
    return fits @ weight, stdtr(free, fits / np.sqrt(variances)) @ weight


def _monotone(y: Floats) -> Floats:
    from scipy.optimize import isotonic_regression

    return np.asarray(isotonic_regression(y).x, dtype=np.float64)
