"""Intervals for the mean of a few numbers, and the correction for asking many questions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95  # of every interval, nominally


class Estimate(NamedTuple):
    """The mean of a few numbers, and how well it is known.

    Attributes:
        mean: Their mean; NaN without any.
        low: Lower end of the interval; NaN for fewer than two numbers.
        high: Upper end of the interval.
        p: Two-sided p-value of a mean of 0; NaN for fewer than two numbers.
        n: How many numbers there are.
    """

    mean: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    n: int = 0


def estimate(values: ArrayLike) -> Estimate:
    """The mean of numbers that are drawn independently, with an interval of 95 %.

    The interval is the wider one, at each end, of two: Student's, which is exact for normal numbers
    but too short for skewed ones, and the one of Hall's monotone transformation of Student's
    statistic ("On the removal of skewness by transformation", Journal of the Royal Statistical
    Society B 54, 1992), which corrects for the skewness that is seen. The p-value is the larger one
    of both, so that an interval excludes 0 just where ``p < 0.05``. Numbers that are all the same
    have an interval without width: nothing is seen that could move the mean.

    A bootstrap of three or five numbers is no way out: it covers 70 to 85 % where 95 % is meant.
    `tests/science/test_intervals.py` measures all of this.

    Args:
        values: Finite numbers, shape ``(n,)``.

    >>> found = estimate([1.0, 2.0, 3.0, 4.0, 5.0])
    >>> round(found.low, 2), found.mean, round(found.high, 2)
    (1.04, 3.0, 4.96)
    >>> estimate([2.0, 2.0, 2.0])
    Estimate(mean=2.0, low=2.0, high=2.0, p=0.0, n=3)
    >>> estimate([2.0])
    Estimate(mean=2.0, low=nan, high=nan, p=nan, n=1)
    """
    numbers = np.asarray(values, dtype=np.float64)
    n = len(numbers)
    if n == 0:
        return Estimate(math.nan)
    if np.ptp(numbers) == 0:
        same = float(numbers[0])
        return Estimate(same, n=1) if n == 1 else Estimate(same, same, same, float(same == 0), n)
    mean, error, a = _moments(numbers)
    if not error > 0:  # so small that its square is none
        return Estimate(mean, mean, mean, float(mean == 0), n)
    from scipy.special import stdtr, stdtrit

    reach = float(stdtrit(n - 1, (1 + LEVEL) / 2))
    ends = [-reach, reach, *(_untransformed(end, a) for end in (-reach, reach))]
    largest, statistic = -math.inf, mean / error
    for found in (statistic, _transformed(statistic, a)):
        largest = max(largest, 2.0 * float(stdtr(n - 1, -abs(found))))
    return Estimate(mean, mean - max(ends) * error, mean - min(ends) * error, largest, n)


def _moments(numbers: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean, its standard error, and the skewness over the root of the number of them."""
    n, mean = len(numbers), float(numbers.mean())
    unit = float(np.abs(numbers - mean).max())  # so that no power overflows, or vanishes
    off = (numbers - mean) / unit
    spread = float(np.sqrt((off**2).mean()))
    skewness = float((off**3).mean()) / spread**3
    return mean, unit * spread / math.sqrt(n - 1), skewness / math.sqrt(n)


def _transformed(t: float, a: float) -> float:
    """Hall's transformation of Student's statistic, which rises with it everywhere."""
    return t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6


def _untransformed(y: float, a: float) -> float:
    """The statistic whose transformation it is."""
    if abs(a) < 1e-6:  # rounding would be all that is left
        return y
    return 3.0 / a * (float(np.cbrt(1.0 + a * (y - a / 6))) - 1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for how many questions were asked, by Holm's method.

    Whatever depends on what, the chance of any false answer among those below a level is at most
    that level ("A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6, 1979). NaN is a question that could not be asked: it stays NaN and counts nothing.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    corrected = [math.nan] * len(p_values)
    asked = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    worst = 0.0
    for rank, (p, i) in enumerate(asked):
        worst = max(worst, min(1.0, (len(asked) - rank) * p))
        corrected[i] = worst
    return corrected
