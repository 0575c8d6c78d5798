"""Shares of a whole by breaking a stick: k shares have k - 1 coordinates, spread evenly.

Of what is left of a stick each term takes a part; the last one takes the rest. Parts that are
Beta(1, terms still to come) make the shares a flat Dirichlet distribution (Devroye, Non-Uniform
Random Variate Generation, 1986, chapter XI.4), and a uniform coordinate u makes such a part by
``1 - (1 - u) ** (1 / terms still to come)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def shares_at(coordinates: Sequence[float]) -> list[float]:
    """The shares at coordinates in [0, 1], one more than those.

    >>> shares_at([0.75])
    [0.75, 0.25]
    """
    shares, left = [], 1.0
    for index, unit in enumerate(coordinates):
        rest = left * (1.0 - unit) ** (1.0 / (len(coordinates) - index))
        shares.append(left - rest)
        left = rest
    return [*shares, left]


def coordinates_of(shares: Sequence[float]) -> list[float]:
    """The coordinates of shares of any whole, one fewer than those.

    >>> coordinates_of([3.0, 1.0])
    [0.75]
    """
    coordinates = []
    for index in range(len(shares) - 1):
        rest, left = math.fsum(shares[index + 1 :]), math.fsum(shares[index:])
        part = rest / left if left > 0 else 0.5
        coordinates.append(1.0 - part ** (len(shares) - 1 - index))
    return coordinates
