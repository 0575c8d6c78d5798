"""What is known before a sweep of several trainings a weight set: of all folds together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np

from lossweights.base.errors import RecipeError
from lossweights.records import combined

Stat = Literal["mean", "median", "worst"]


def check_stat(stat: str) -> str:
    """What counts of several trainings, if there is such a thing.

    Raises:
        RecipeError: There is not.
    """
    if stat not in get_args(Stat):
        raise RecipeError(
            f"Expected stat= to be one of {', '.join(map(repr, get_args(Stat)))}. Found {stat!r}."
        )
    return stat


def statistics_of(stat: str, objectives: Mapping[str, str], trainings: int) -> dict[str, str]:
    """What counts of the trainings of a weight set, for each objective where it is not the mean.

    Raises:
        RecipeError: There is one training alone.

    >>> statistics_of("worst", {"rmse": "minimize", "auc": "maximize"}, 3)
    {'rmse': 'max', 'auc': 'min'}
    >>> statistics_of("mean", {"rmse": "minimize"}, 1)
    {}
    """
    if stat == "mean":
        return {}
    if trainings < 2:
        raise RecipeError(
            f"Expected several trainings of each weight set for stat={stat!r}. Found one. Say "
            f"seeds= or folds= too."
        )
    worst = {"minimize": "max", "maximize": "min"}
    return {
        name: worst[direction] if stat == "worst" else stat
        for name, direction in objectives.items()
    }


def mean_of_tables(tables: Sequence[Mapping[str, float] | None]) -> dict[str, float] | None:
    """The means of what is known of each fold; ``None`` if of one nothing is.

    >>> mean_of_tables([{"mse": 1.0}, {"mse": 2.0}]), mean_of_tables([{"mse": 1.0}, None])
    ({'mse': 1.5}, None)
    """
    known = [table for table in tables if table is not None]
    if len(known) < len(tables):
        return None
    return dict(known[0]) if len(known) == 1 else combined(known)


def constants_of_folds(
    folds: Sequence[Mapping[str, Mapping[str, Any]]],
) -> dict[str, dict[str, Any]]:
    """Each objective for the best constant prediction of each fold, as a mean over the folds.

    Args:
        folds: For each fold what `lossweights.metrics.constant` found, by objective.

    >>> constants_of_folds([{"mae": {"value": 1.0, "perfect": 0.0}}, {"mae": {"value": 2.0,
    ...     "perfect": 0.0}}])
    {'mae': {'value': 1.5, 'perfect': 0.0}}
    """
    if len(folds) == 1:
        return {name: dict(found) for name, found in folds[0].items()}
    means: dict[str, dict[str, Any]] = {}
    for name in folds[0]:
        found = [fold[name] for fold in folds if name in fold]
        if len(found) < len(folds):
            continue
        perfect = [each["perfect"] for each in found]
        means[name] = {
            "value": float(np.mean([each["value"] for each in found])),
            "perfect": None if None in perfect else float(np.mean(perfect)),
        }
        lines = [each.get("along", ()) for each in found]
        if lines[0] and len({len(line) for line in lines}) == 1:
            means[name]["along"] = np.mean(lines, axis=0).tolist()
    return means
