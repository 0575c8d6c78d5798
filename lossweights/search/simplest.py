"""The simplest weights: those that are nearest to equal ones."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lossweights.base.errors import PickError
from lossweights.search.selection import allowed_rows, numbers_of

PREFIX = "one-se:"  # of a pick
_PICK = re.compile(r"one-se:(?P<metric>\S+?)(\s+where\s+(?P<conditions>.+))?")


def distance_to_equal(weights: ArrayLike) -> NDArray[np.float64]:
    """How far weights are from equal ones: the root of the sum of their squared log ratios.

    The ratios are those to the geometric mean of the weights, so a common factor is nothing, and a
    term that is ten times lighter counts as one that is ten times heavier. It is Aitchison's
    distance (*The Statistical Analysis of Compositional Data*, 1986). A term that is left out is
    infinitely far.

    Args:
        weights: Relative weights, shape ``(..., terms)``.

    >>> distance_to_equal([[2.0, 2.0], [1.0, 100.0], [0.0, 1.0]]).round(2).tolist()
    [0.0, 3.26, inf]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.asarray(weights, dtype=np.float64))
        far = np.sqrt(((logs - logs.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1))
    found: NDArray[np.float64] = np.where(np.isfinite(logs).all(axis=-1), far, np.inf)
    return found


def one_se_index(
    table: pd.DataFrame,
    directions: Mapping[str, str | None],
    pick: str,
    error: Callable[[str], float | None],
) -> int:
    """The row of the simplest weights whose metric is within one standard error of the best.

    The rule is that of Breiman, Friedman, Olshen and Stone (*Classification and Regression Trees*,
    1984). Of rows that are equally simple the better one is taken.

    Args:
        table: One row a trial, with columns ``relative/TERM``, one for each metric, and
            ``stderr/METRIC`` where trials had several seeds.
        directions: Which way each metric is better, or ``None`` where neither end is.
        pick: ``"one-se:METRIC"``, or with conditions, ``"one-se:rmse where shortfall<=0.1"``.
        error: The standard error of a metric of one trial, for those that have none of their own;
            ``None`` if nobody knows.

    Raises:
        PickError: The pick cannot be read or satisfied, or no standard error is known.

    >>> table = pd.DataFrame({"rmse": [1.0, 1.1, 2.0], "relative/a": [9.0, 2.0, 1.0],
    ...                       "relative/b": [1.0, 1.0, 1.0]})
    >>> one_se_index(table, {"rmse": "minimize"}, "one-se:rmse", lambda metric: 0.2)
    1
    """
    match = _parsed(pick)
    metric = match["metric"] or ""
    values = numbers_of(table, metric, pick)
    direction = directions.get(metric)
    if direction is None:
        raise PickError(
            f"Expected a metric with a better end in {pick!r}. Found {metric!r}, of which neither "
            f"end is better. Name one of {[n for n, d in directions.items() if d]}."
        )
    allowed = allowed_rows(table, metric, match["conditions"] or "", pick)
    costs = np.where(allowed, -values if direction == "maximize" else values, np.inf)
    best = int(np.argmin(costs))
    own = float(table[f"stderr/{metric}"].iloc[best]) if f"stderr/{metric}" in table else math.nan
    width = own if math.isfinite(own) else error(metric)
    if width is None:
        raise PickError(
            f"Expected a standard error of {metric!r} for {pick!r}. Found one seed a trial and no "
            f"confirmation. Confirm the sweep with `lossweights confirm`, or give it seeds=3."
        )
    relative = [column for column in table.columns if str(column).startswith("relative/")]
    weights = table[relative].to_numpy(dtype=np.float64)
    far = distance_to_equal(weights[:, (weights > 0).any(axis=0)])  # a term may be off in all
    within = costs <= costs[best] + width
    order = np.lexsort((costs, np.where(within, far, np.inf), ~within))
    return int(order[0])


def _parsed(pick: str) -> re.Match[str]:
    match = _PICK.fullmatch(pick.strip())
    if match is None:
        raise PickError(
            f"Expected 'one-se:METRIC', with an optional ' where METRIC<=NUMBER and ...'. Found "
            f"{pick!r}."
        )
    return match
