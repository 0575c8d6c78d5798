"""Which term, or which terms together, took off clearly more than the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from lossweights.dominance.shares import NOISE_REPORTS, Floats, noise

MINIMUM_LEAD = 0.1  # of what all falling terms took off: 55 % against 45 %; less is no lead
# As long as there are too few measurements to see noise: 60 % against 40 %.
MINIMUM_LEAD_UNSEEN = 0.2
LEVEL = 0.05  # how often noise alone may look like a lead, either way


def leader(fall: ArrayLike) -> int | None:
    """The position of the term that fell by more than all other falling terms together, if any.

    >>> leader([3.0, 2.0, -4.0])
    0
    >>> leader([3.0, 2.0, 2.0]) is None
    True
    """
    gains = np.maximum(np.asarray(fall, dtype=np.float64), 0.0)
    most = int(np.argmax(gains))
    return most if gains[most] > gains.sum() - gains[most] else None


def driver_of(fall: ArrayLike, weighted: ArrayLike) -> int | None:
    """The position of the term that fell clearly by more than all other falling terms, if any.

    Args:
        fall: What each term took off the weighted loss, shape ``(terms,)``.
        weighted: Weighted magnitudes, shape ``(reports, terms)``, whose jumps are the noise.

    >>> driver_of([3.0, 1.0], [[3.0, 1.0], [0.0, 0.0]])
    0
    >>> driver_of([2.51, 2.49], [[3.0, 3.0], [0.49, 0.51]]) is None
    True
    """
    numbers, rows = np.asarray(fall, dtype=np.float64), np.asarray(weighted, dtype=np.float64)
    most = leader(numbers)
    return most if most is not None and _lead(numbers, rows, [most], _falling(numbers)) else None


def together(fall: ArrayLike, weighted: ArrayLike) -> list[int]:
    """The positions of terms none of which is clearly ahead, all of them clearly of the others.

    Empty if there are no two such terms. Arguments as for `driver_of`.

    >>> together([2.6, 2.4, 0.1], [[3.0, 3.0, 1.0], [0.4, 0.6, 0.9]])
    [0, 1]
    """
    numbers, rows = np.asarray(fall, dtype=np.float64), np.asarray(weighted, dtype=np.float64)
    falling, most = _falling(numbers), int(np.argmax(numbers))
    tied = [i for i in falling if i == most or not _lead(numbers, rows, [most], [i])]
    return tied if len(tied) > 1 and _lead(numbers, rows, tied, falling) else []


def _falling(fall: Floats) -> list[int]:
    return [int(i) for i in np.flatnonzero(fall > 0)]


def _lead(fall: Floats, weighted: Floats, ahead: Sequence[int], of: Sequence[int]) -> bool:
    """Whether some terms together took off clearly more than the others of those given.

    A fall is the difference of two measurements, so its noise is that of one times the root of 2;
    that noise is known from few measurements only, hence Student's t.
    """
    from scipy.special import stdtrit

    sign = np.zeros(len(fall))
    sign[list(of)] = -1.0
    sign[list(ahead)] = 1.0
    by_chance = np.sqrt(2.0) * stdtrit(NOISE_REPORTS - 2, 1 - LEVEL / 2)
    gained = np.maximum(fall, 0.0).sum()
    smallest = MINIMUM_LEAD if len(weighted) > NOISE_REPORTS else MINIMUM_LEAD_UNSEEN
    least = max(smallest * gained, by_chance * float(noise(weighted @ sign)))
    return float(sign @ fall) > least
