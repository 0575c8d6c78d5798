"""Choosing among trials by their metrics: the Pareto front, its knee, and constrained minima."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lossweights.base.errors import PickError
from lossweights.search._knee import knee_of
from lossweights.search._unbeaten import unbeaten
from lossweights.search.conditions import WEIGHTED, parse_condition, split_conditions

_PICK = re.compile(r"(?P<goal>min|max):(?P<metric>\S+?)(\s+where\s+(?P<conditions>.+))?")


def costs(table: pd.DataFrame, objectives: Mapping[str, str]) -> NDArray[np.float64]:
    """The objectives as numbers that are all better when smaller, shape ``(rows, objectives)``."""
    signs = [-1.0 if direction == "maximize" else 1.0 for direction in objectives.values()]
    return table[list(objectives)].to_numpy(dtype=np.float64) * signs


def pareto_mask(values: ArrayLike) -> NDArray[np.bool_]:
    """Which rows no other row beats: at least as small everywhere and smaller somewhere.

    Rows with a number that is not finite are never on the front; equal rows are on it together.

    Args:
        values: Costs, shape ``(rows, objectives)``, smaller is better.

    >>> pareto_mask([[1, 3], [2, 2], [3, 3], [3, 1]]).tolist()
    [True, True, False, True]
    """
    points = np.asarray(values, dtype=np.float64)
    rows = np.flatnonzero(np.all(np.isfinite(points), axis=1))
    mask = np.zeros(len(points), dtype=np.bool_)
    mask[rows] = unbeaten(points[rows])
    return mask


class Knee(NamedTuple):
    """A knee: the row, and what is to be said of it.

    Attributes:
        row: The position of the row.
        note: Why it is not a knee proper, empty if it is.
    """

    row: int
    note: str = ""


def find_knee(values: ArrayLike, weights: ArrayLike | None = None) -> Knee:
    """The row of the Pareto front around which most is exchanged before the rate changes.

    Where a front is steep, one objective is bought dearly with the other; where it is flat,
    cheaply. The knee is the row around which most changes hands at rates within a factor 1.5 of
    its own. It follows from the front nearby: units and offsets of the objectives do not move it,
    nor do trials beyond the ends, as long as the front between them shows a knee. `docs/knee.md`
    has the formula, why it was chosen, and how far that goes.

    Two trials, or a straight line, have no knee. Then the row whose relative weights are nearest
    to equal ones is taken, or, where these are not given, the nearest to the ideal point after
    each objective is scaled to the front (the first of two, which are equally near), and
    `Knee.note` says so. With one objective the row is
    its best. An objective on which the front does not vary plays no part. Of equal rows the first
    is taken.

    Args:
        values: Costs, shape ``(rows, objectives)``, smaller is better.
        weights: Relative weights, shape ``(rows, terms)``, or ``None``.

    Raises:
        PickError: No row has finite costs.

    >>> find_knee([[0.0, 1.0], [0.2, 0.2], [1.0, 0.0]])
    Knee(row=1, note='')
    >>> find_knee([[0.0, 1.0], [1.0, 0.0]], weights=[[1.0, 9.0], [1.0, 2.0]]).row
    1
    """
    points = np.asarray(values, dtype=np.float64)
    rows = np.flatnonzero(pareto_mask(points))
    if rows.size == 0:
        raise PickError("Expected at least one trial with finite objectives. Found none.")
    front = points[rows]
    front = front[:, np.ptp(front, axis=0) > 0]
    if front.shape[1] < 2:
        return Knee(int(rows[0]))
    at = knee_of(front)
    if at is not None:
        return Knee(int(rows[at]))
    distinct = len(np.unique(front, axis=0))
    why = "The front is straight and has no knee"
    if distinct == 2:
        why = "The front has two points and has no knee"
    elif front.shape[1] > 2:
        why = "No knee was found on the front"
    if weights is None:
        low = front.min(axis=0)
        at = int(np.argmin(np.linalg.norm((front - low) / np.ptp(front, axis=0), axis=1)))
        which = "the first of the two" if distinct == 2 else "the nearest to the ideal point"
        return Knee(int(rows[at]), f"{why}; this is {which}.")
    at = int(np.argmin(_imbalance(np.asarray(weights, dtype=np.float64)[rows])))
    return Knee(int(rows[at]), f"{why}; these weights are the nearest to equal ones.")


def knee_index(values: ArrayLike) -> int:
    """The row of the knee; see `find_knee`.

    >>> knee_index([[0.0, 1.0], [0.2, 0.2], [1.0, 0.0]])
    1
    """
    return find_knee(values).row


def _imbalance(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each row of weights is from equal ones: 0 for equal, at most 1."""
    parts = weights / weights.sum(axis=1, keepdims=True)
    return np.linalg.norm(parts - 1.0 / weights.shape[1], axis=1)


def knee_in(table: pd.DataFrame, objectives: Mapping[str, str]) -> Knee:
    """The knee of a table, whose columns ``relative/TERM`` are the relative weights if it has any.

    Raises:
        PickError: No row has finite objectives.
    """
    relative = [column for column in table.columns if str(column).startswith("relative/")]
    weights = table[relative].to_numpy(dtype=np.float64) if relative else None
    return find_knee(costs(table, objectives), weights)


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
        return knee_in(table, objectives).row
    match = _PICK.fullmatch(pick.strip())
    if match is None:
        raise PickError(
            f"Expected 'knee', 'min:METRIC', 'max:METRIC' or 'one-se:METRIC', with an optional "
            f"' where METRIC<=NUMBER and ...'. Found {pick!r}."
        )
    values = numbers_of(table, match["metric"], pick)
    allowed = allowed_rows(table, match["metric"], match["conditions"] or "", pick)
    signed = -values if match["goal"] == "max" else values
    return int(np.argmin(np.where(allowed, signed, np.inf)))


def allowed_rows(table: pd.DataFrame, metric: str, conditions: str, pick: str) -> NDArray[np.bool_]:
    """The rows with a finite metric that satisfy the conditions of a pick, one at least.

    Raises:
        PickError: A condition cannot be read, or no row satisfies them.
    """
    allowed: NDArray[np.bool_] = np.isfinite(numbers_of(table, metric, pick))
    for condition in split_conditions(conditions):
        allowed &= _satisfied(table, condition, pick)
    if not allowed.any():
        raise PickError(
            f"Expected a trial that satisfies {pick!r}. Found none of {len(table)}. "
            f"Loosen the condition, or train more trials."
        )
    return allowed


def _satisfied(table: pd.DataFrame, text: str, pick: str) -> NDArray[np.bool_]:
    condition = parse_condition(text)
    if condition is None:
        raise PickError(f"Expected a condition like 'shortfall<=0.1' in {pick!r}. Found {text!r}.")
    return condition.holds(numbers_of(table, condition.metric, pick))


def numbers_of(table: pd.DataFrame, metric: str, pick: str) -> NDArray[np.float64]:
    """The column of a metric that a pick names.

    Raises:
        PickError: There is none, or it is a weighted sum.
    """
    numeric = list(table.select_dtypes("number").columns)
    if metric in WEIGHTED and metric not in numeric:
        raise PickError(
            f"Expected a metric among {numeric} in {pick!r}. Found {metric!r}, a weighted sum: it "
            f"gets smaller when the weights do, so the smallest weights would win. Pick by a "
            f"metric that no weight enters."
        )
    if metric not in numeric:
        raise PickError(f"Expected a metric among {numeric} in {pick!r}. Found {metric!r}.")
    return table[metric].to_numpy(dtype=np.float64)
