"""The unit cube that samplers work in: every distribution of Optuna's, spread evenly.

A number, in its logarithm where its distribution says so, is one coordinate in [0, 1]; a choice of
k is k coordinates, of which one is 1. Two choices are as far from each other as the two ends of a
number are, so that one length suits both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

Floats = NDArray[np.float64]

_APART = math.sqrt(0.5)  # of two choices: their points then lie at a distance of 1


class Cube:
    """Encodes parameters as points and points as parameters.

    Args:
        space: What is sampled, in the order of the coordinates.

    >>> cube = Cube({"rate": FloatDistribution(0.01, 1.0, log=True)})
    >>> cube.encode([{"rate": 0.1}]).tolist(), round(cube.decode([0.5])["rate"], 12)
    ([[0.5]], 0.1)
    """

    def __init__(self, space: Mapping[str, BaseDistribution]) -> None:
        self.space = dict(space)

    @property
    def inputs(self) -> int:
        """How many numbers a point is drawn by: one a parameter."""
        return len(self.space)

    def encode(self, parameters: Sequence[Mapping[str, Any]]) -> Floats:
        """Points, shape ``(rows, coordinates)``."""
        columns = [
            _encoded(part, [row[name] for row in parameters]) for name, part in self.space.items()
        ]
        return np.concatenate(columns, axis=1) if parameters else np.empty((0, self._coordinates))

    def points(self, unit: Floats) -> Floats:
        """Points at uniform numbers, shapes ``(rows, inputs)`` to ``(rows, coordinates)``."""
        columns = []
        for column, part in zip(unit.T, self.space.values(), strict=True):
            if isinstance(part, CategoricalDistribution):
                count = len(part.choices)
                chosen = np.minimum((column * count).astype(int), count - 1)
                columns.append(_APART * np.eye(count)[chosen])
            else:
                columns.append(column[:, None])
        return np.concatenate(columns, axis=1)

    def moved(self, points: Floats, steps: Floats, other: Floats) -> Floats:
        """Points moved by steps and put back into the cube; a choice becomes another's or stays.

        Args:
            points: Shape ``(rows, coordinates)``.
            steps: For each parameter a step, shape ``(rows, inputs)``.
            other: Points to take choices from, in one of four rows.
        """
        found, at = points.copy(), 0
        for column, part in zip(steps.T, self.space.values(), strict=True):
            if isinstance(part, CategoricalDistribution):
                until = at + len(part.choices)
                taken = np.arange(len(points)) % 4 == 0
                found[taken, at:until] = other[taken, at:until]
                at = until
            else:
                # What would leave the cube is reflected: at the rim there would be too many.
                inside = np.abs(found[:, at] + column)
                found[:, at] = np.clip(np.where(inside > 1.0, 2.0 - inside, inside), 0.0, 1.0)
                at += 1
        return found

    def decode(self, point: Sequence[float] | Floats) -> dict[str, Any]:
        """Parameters at a point, each inside its distribution."""
        found, at = {}, 0
        for name, part in self.space.items():
            if isinstance(part, CategoricalDistribution):
                until = at + len(part.choices)
                found[name] = part.choices[int(np.argmax(point[at:until]))]
                at = until
            else:
                found[name] = _decoded(part, float(point[at]))
                at += 1
        return found

    @property
    def _coordinates(self) -> int:
        return sum(
            len(part.choices) if isinstance(part, CategoricalDistribution) else 1
            for part in self.space.values()
        )


def distances(points: Floats, others: Floats) -> Floats:
    """How far each point is from each of the others, shape ``(rows, rows of the others)``."""
    apart: Floats = np.sqrt(((points[:, None] - others[None]) ** 2).sum(axis=2))
    return apart


def _encoded(part: BaseDistribution, values: Sequence[Any]) -> Floats:
    """The coordinates of one parameter, shape ``(rows, its coordinates)``."""
    if isinstance(part, CategoricalDistribution):
        at = [int(part.to_internal_repr(value)) for value in values]
        return np.asarray(_APART * np.eye(len(part.choices))[at])
    low, high = _ends(part)
    column = np.array(values, dtype=np.float64)[:, None]
    if high <= low:
        return np.full_like(column, 0.5)
    numbers = np.log(column) if part.log else column
    return np.clip((numbers - low) / (high - low), 0.0, 1.0)


def _decoded(part: BaseDistribution, unit: float) -> float | int:
    low, high = _ends(part)
    number = (1.0 - unit) * low + unit * high
    number = math.exp(number) if part.log else number
    if part.step is not None:
        number = part.low + part.step * round((number - part.low) / part.step)
    number = min(max(number, part.low), part.high)
    return int(number) if isinstance(part, IntDistribution) else number


def _ends(part: BaseDistribution) -> tuple[float, float]:
    """Both ends, of whole numbers half a step further, so that each of them is as likely."""
    assert isinstance(part, FloatDistribution | IntDistribution)
    low, high = float(part.low), float(part.high)
    if isinstance(part, IntDistribution):
        low, high = low - 0.5 * part.step, high + 0.5 * part.step
    return (math.log(low), math.log(high)) if part.log else (low, high)
