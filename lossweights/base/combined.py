"""What counts of numbers that several trainings have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

STATISTICS: dict[str, Callable[[Sequence[float]], Any]] = {
    "mean": np.mean, "median": np.median, "min": np.min, "max": np.max
}  # fmt: skip


def combined(
    tables: Sequence[Mapping[str, float]], stats: Mapping[str, str] = MappingProxyType({})
) -> dict[str, float]:
    """Of each number that all tables have what counts: the mean, unless it is said.

    Args:
        tables: Numbers by name.
        stats: One of `STATISTICS` for the names of which it is not the mean.

    >>> combined([{"rmse": 1.0, "cost": 2.0}, {"rmse": 2.0, "cost": 3.0}], {"cost": "max"})
    {'rmse': 1.5, 'cost': 3.0}
    """
    return {
        name: float(STATISTICS[stats.get(name, "mean")](values))
        for name, values in by_name(tables).items()
    }


def by_name(tables: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """The values of each name that all tables have.

    >>> by_name([{"rmse": 1.0, "cost": 2.0}, {"rmse": 2.0}])
    {'rmse': [1.0, 2.0]}
    """
    names = [name for name in tables[0] if all(name in table for table in tables)]
    return {name: [table[name] for table in tables] for name in names}
