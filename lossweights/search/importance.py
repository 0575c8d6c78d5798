"""How much each weight and choice matters for each metric, by Optuna's importance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

from lossweights.base.sampled import Value

# The forest's cost grows faster than the number of trials; these say as much.
TRIALS, TREES = 64, 16
LEAST_TRIALS = 8  # fewer say nothing


def importances(
    weights: Mapping[str, Sequence[Value]], metrics: Mapping[str, Sequence[float]]
) -> dict[str, dict[str, float]]:
    """The part of each metric's variation that each weight explains.

    Functional analysis of variance on a random forest: Hutter, Hoos and Leyton-Brown, "An efficient
    approach for assessing hyperparameter importance" (ICML 2014), by Optuna. Unlike a rank
    correlation it also sees what goes up and down again. It is computed on 64 trials at most,
    evenly spaced.

    Args:
        weights: For each term its weight in each trial, and likewise what else was chosen: numbers,
            or names. Those that were the same in all are left out.
        metrics: For each metric, its value in each of them; NaN where it is not defined.

    Returns:
        For each metric the importance of each, 0 to 1 and 1 in all. Metrics that are constant,
        or known for fewer than 8 trials, are left out.
    """
    columns = {name: _column(column) for name, column in weights.items()}
    columns = {name: column for name, column in columns.items() if len(set(column)) > 1}
    found = {}
    for metric, values in metrics.items():
        y = np.asarray(values, dtype=np.float64)
        usable = np.flatnonzero(np.isfinite(y))
        if len(usable) < LEAST_TRIALS or np.ptp(y[usable]) == 0 or not columns:
            continue
        chosen = usable[np.unique(np.linspace(0, len(usable) - 1, TRIALS).round().astype(int))]
        parts = {name: column[chosen] for name, column in columns.items()}
        parts = {name: column for name, column in parts.items() if len(set(column)) > 1}
        found[metric] = _importance(parts, y[chosen])
    return found


def _importance(
    columns: Mapping[str, NDArray[Any]], values: NDArray[np.float64]
) -> dict[str, float]:
    distributions = {name: _distribution(column) for name, column in columns.items()}
    study = optuna.create_study()
    for row, value in enumerate(values):
        params = {name: column[row].item() for name, column in columns.items()}
        study.add_trial(
            create_trial(params=params, distributions=distributions, value=float(value))
        )
    evaluator = FanovaImportanceEvaluator(n_trees=TREES, seed=0)
    parts = get_param_importances(study, evaluator=evaluator)
    return {name: float(parts[name]) for name in columns}


def _column(values: Sequence[Value]) -> NDArray[Any]:
    found = np.asarray(values)
    return found.astype(float) if found.dtype.kind in "iuf" else found.astype(str)


def _distribution(column: NDArray[Any]) -> BaseDistribution:
    if column.dtype.kind != "f":
        return CategoricalDistribution(sorted({str(name) for name in column}))
    low, high = float(column.min()), float(column.max())
    return FloatDistribution(low, high, log=low > 0)
