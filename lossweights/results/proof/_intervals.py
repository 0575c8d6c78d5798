"""Intervals for the mean of a few numbers, and the correction for asking many questions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

LEVEL = 0.95  # of every interval
# Student's interval is exact for normal noise and too short for skewed noise. With half the error
# it holds its level up to a skewness of 1.75, which `tests/science/test_intervals.py` measures.
CAUTION = 2.0


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

    It is Student's interval of 97.5 %, and the p-value is twice Student's: with as few numbers
    Student's own covers 91 % where they are skewed. So it covers 95 % of normal and of moderately
    skewed numbers, or more. An interval excludes 0 just where ``p < 0.05``. Numbers that are all
    the same have an interval without width: nothing is seen that could move the mean.

    A bootstrap of three or five numbers is no way out: it covers 70 to 85 % where 95 % is meant.
    Corrections for the skewness that is seen, such as Hall's or Johnson's, cover no better at the
    same width, and see a large effect less often: of five numbers skewness cannot be told.

    Args:
        values: Finite numbers, shape ``(n,)``.

    >>> found = estimate([1.0, 2.0, 3.0, 4.0, 5.0])
    >>> round(found.low, 2), found.mean, round(found.high, 2)
    (0.53, 3.0, 5.47)
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
    from scipy.special import stdtr, stdtrit

    mean, error = float(numbers.mean()), float(numbers.std(ddof=1)) / math.sqrt(n)
    if not error > 0:  # so small that its square is none
        return Estimate(mean, mean, mean, float(mean == 0), n)
    reach = error * float(stdtrit(n - 1, 1 - (1 - LEVEL) / (2 * CAUTION)))
    p = 2.0 * float(stdtr(n - 1, -abs(mean / error)))
    return Estimate(mean, mean - reach, mean + reach, min(1.0, CAUTION * p), n)


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
