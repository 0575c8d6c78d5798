"""Choosing among trials by their metrics: the Pareto front, its knee, and constrained minima."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lossweights.base.errors import PickError

_CONDITION = re.compile(r"\s*(?P<metric>[^<>=\s]+)\s*(?P<sign><=|>=|<|>)\s*(?P<bound>\S+)\s*")
_PICK = re.compile(r"(?P<goal>min|max):(?P<metric>\S+?)(\s+where\s+(?P<conditions>.+))?")


def costs(table: pd.DataFrame, objectives: Mapping[str, str]) -> NDArray[np.float64]:
    """The objectives as numbers that are all better when smaller, shape ``(rows, objectives)``."""
    signs = [-1.0 if direction == "maximize" else 1.0 for direction in objectives.values()]
    return table[list(objectives)].to_numpy(dtype=np.float64) * signs


def pareto_mask(values: ArrayLike) -> NDArray[np.bool_]:
    """Which rows no other row beats: at least as small everywhere and smaller somewhere.

    Rows with a number that is not finite are never on the front; equal rows are on it together.
    With two objectives it takes one sort; with more, one comparison of all rows that are left for
    each row of the front (Kung, Luccio and Preparata, "On finding the maxima of a set of vectors",
    Journal of the ACM 22, 1975, do it faster for fronts that are most of the rows).

    Args:
        values: Costs, shape ``(rows, objectives)``, smaller is better.

    >>> pareto_mask([[1, 3], [2, 2], [3, 3], [3, 1]]).tolist()
    [True, True, False, True]
    """
    points = np.asarray(values, dtype=np.float64)
    rows = np.flatnonzero(np.all(np.isfinite(points), axis=1))
    mask = np.zeros(len(points), dtype=np.bool_)
    if rows.size:
        distinct, place = np.unique(points[rows], axis=0, return_inverse=True)
        mask[rows] = _unbeaten(distinct)[place.reshape(-1)]
    return mask


def _unbeaten(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of distinct points, sorted by their first cost, then the second and so on, none beats.

    A point can only be beaten by one before it.
    """
    if points.shape[1] == 1:
        return np.arange(len(points)) == 0
    if points.shape[1] == 2:
        least = np.minimum.accumulate(points[:, 1])
        first: NDArray[np.bool_] = points[1:, 1] < least[:-1]
        return np.concatenate([[True], first])
    mask = np.zeros(len(points), dtype=np.bool_)
    left = np.arange(len(points))
    while left.size:
        mask[left[0]] = True
        better_somewhere = (points[left] < points[left[0]]).any(axis=1)
        left = left[better_somewhere]
    return mask


def knee_index(values: ArrayLike) -> int:
    """The row of the Pareto front nearest to the ideal point, with each cost scaled to the front.

    Each cost is mapped so that 0 is the best and 1 the worst value on the front; the knee has the
    smallest Euclidean distance to the ideal point (0, ..., 0), also known as the compromise
    solution (Zeleny, Multiple Criteria Decision Making, 1982). A cost on which the front does not
    vary plays no part. Of equally near rows the first one is taken.

    Raises:
        PickError: No row has finite costs.

    >>> knee_index([[0.0, 1.0], [0.2, 0.2], [1.0, 0.0]])
    1
    """
    points = np.asarray(values, dtype=np.float64)
    front = np.flatnonzero(pareto_mask(points))
    if front.size == 0:
        raise PickError("Expected at least one trial with finite objectives. Found none.")
    low, high = points[front].min(axis=0), points[front].max(axis=0)
    width = np.where(high > low, high - low, 1.0)
    distance = np.linalg.norm((points[front] - low) / width, axis=1)
    return int(front[int(np.argmin(distance))])


def pick_index(table: pd.DataFrame, objectives: Mapping[str, str], pick: str) -> int:
    """The position of the row that a pick names.

    Args:
        table: One row a trial, with a column for each metric.
        objectives: ``"minimize"`` or ``"maximize"`` for each objective.
        pick: ``"knee"``, ``"min:rmse"``, ``"max:dice"``, or with conditions:
            ``"min:rmse where shortfall<=0.1 and bias<0.5"``.

    Raises:
        PickError: The pick cannot be read, names an unknown metric, or no row satisfies it.

    >>> table = pd.DataFrame({"rmse": [1.0, 2.0], "shortfall": [0.5, 0.05]})
    >>> both = {"rmse": "minimize", "shortfall": "minimize"}
    >>> pick_index(table, both, "min:rmse where shortfall<=0.1")
    1
    """
    if pick == "knee":
        return knee_index(costs(table, objectives))
    match = _PICK.fullmatch(pick.strip())
    if match is None:
        raise PickError(
            f"Expected 'knee', 'min:METRIC' or 'max:METRIC', with an optional "
            f"' where METRIC<=NUMBER and ...'. Found {pick!r}."
        )
    values = _column(table, match["metric"], pick)
    allowed = np.isfinite(values)
    for condition in re.split(r"\s+and\s+", match["conditions"] or ""):
        if condition:
            allowed &= _satisfied(table, condition, pick)
    if not allowed.any():
        raise PickError(
            f"Expected a trial that satisfies {pick!r}. Found none of {len(table)}. "
            f"Loosen the condition, or train more trials."
        )
    signed = -values if match["goal"] == "max" else values
    return int(np.argmin(np.where(allowed, signed, np.inf)))


def _satisfied(table: pd.DataFrame, condition: str, pick: str) -> NDArray[np.bool_]:
    match = _CONDITION.fullmatch(condition)
    try:
        bound = float(match["bound"]) if match else np.nan
    except ValueError:
        bound = np.nan
    if match is None or not np.isfinite(bound):
        raise PickError(
            f"Expected a condition like 'shortfall<=0.1' in {pick!r}. Found {condition!r}."
        )
    values = _column(table, match["metric"], pick)
    compare = {"<=": np.less_equal, ">=": np.greater_equal, "<": np.less, ">": np.greater}
    result: NDArray[np.bool_] = compare[match["sign"]](values, bound)
    return result


def _column(table: pd.DataFrame, metric: str, pick: str) -> NDArray[np.float64]:
    numeric = list(table.select_dtypes("number").columns)
    if metric not in numeric:
        raise PickError(f"Expected a metric among {numeric} in {pick!r}. Found {metric!r}.")
    return table[metric].to_numpy(dtype=np.float64)
