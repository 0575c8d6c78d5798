"""How much each weight matters for each metric, over the trials of a sweep: Optuna's importance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

# The forest's cost grows faster than the number of trials; these say as much.
TRIALS, TREES = 64, 16
LEAST_TRIALS = 8  # fewer say nothing


def importances(
    weights: Mapping[str, Sequence[float]], metrics: Mapping[str, Sequence[float]]
) -> dict[str, dict[str, float]]:
    """The part of each metric's variation that each weight explains.

    Functional analysis of variance on a random forest: Hutter, Hoos and Leyton-Brown, "An efficient
    approach for assessing hyperparameter importance" (ICML 2014), by Optuna. Unlike a rank
    correlation it also sees what goes up and down again. It is computed on 64 trials at most,
    evenly spaced.

    Args:
        weights: For each term its weight in each trial. Terms that had one weight are left out.
        metrics: For each metric, its value in each of them; NaN where it is not defined.

    Returns:
        For each metric the importance of each term, 0 to 1 and 1 in all. Metrics that are constant,
        or known for fewer than 8 trials, are left out.
    """
    columns = {name: np.asarray(column, float) for name, column in weights.items()}
    columns = {name: column for name, column in columns.items() if len(set(column)) > 1}
    found = {}
    for metric, values in metrics.items():
        y = np.asarray(values, dtype=np.float64)
        usable = np.flatnonzero(np.isfinite(y))
        if len(usable) < LEAST_TRIALS or np.ptp(y[usable]) == 0 or not columns:
            continue
        chosen = usable[np.unique(np.linspace(0, len(usable) - 1, TRIALS).round().astype(int))]
        parts = {name: column[chosen] for name, column in columns.items()}
        parts = {name: column for name, column in parts.items() if np.ptp(column) > 0}
        found[metric] = _importance(parts, y[chosen])
    return found


def _importance(
    columns: Mapping[str, NDArray[np.float64]], values: NDArray[np.float64]
) -> dict[str, float]:
    distributions = {
        name: FloatDistribution(float(c.min()), float(c.max()), log=bool(c.min() > 0))
        for name, c in columns.items()
    }
    study = optuna.create_study()
    for row, value in enumerate(values):
        params = {name: float(column[row]) for name, column in columns.items()}
        study.add_trial(
            create_trial(params=params, distributions=distributions, value=float(value))
        )
    evaluator = FanovaImportanceEvaluator(n_trees=TREES, seed=0)
    parts = get_param_importances(study, evaluator=evaluator)
    return {name: float(parts[name]) for name in columns}
