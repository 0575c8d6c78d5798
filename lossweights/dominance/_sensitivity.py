"""How a metric follows the weight of a term, or what else is chosen, over the trials of a sweep."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lossweights.base.sampled import UNIT, Value
from lossweights.dominance.verdict import percent


@dataclass(frozen=True)
class Sensitivity:
    """How a metric follows the weight of a term, over the completed trials of a sweep.

    Attributes:
        spearman: Rank correlation of weight and metric, -1 to 1; NaN where one of them is constant.
        p_value: Chance of such a correlation without any connection.
        importance: Part of the metric's variation that the weight explains, 0 to 1, by Optuna's
            evaluator; ``None`` if it was not computed. It also sees what goes up and down again.
    """

    spearman: float
    p_value: float
    importance: float | None = None

    @property
    def sentence(self) -> str:
        """The numbers for a person."""
        explained = "" if self.importance is None else f", importance {percent(self.importance)}"
        return f"rank correlation {self.spearman:+.2f}{explained}"


def spearman(a: ArrayLike, b: ArrayLike) -> tuple[float, float]:
    """Rank correlation of two samples and its p-value; NaN if one is constant or they are short.

    Spearman (1904), by SciPy.

    >>> spearman([1, 10, 100, 1000], [0.1, 0.2, 0.3, 0.4])[0]
    1.0
    """
    from scipy import stats

    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    usable = np.isfinite(x) & np.isfinite(y)
    x, y = x[usable], y[usable]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan"), float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of perfect correlations, whose p-value is 0
        found = stats.spearmanr(x, y)
    return round(float(found.statistic), 12), float(found.pvalue)


def subject(name: str) -> str:
    """What a sensitivity is about, in words.

    >>> subject("under"), subject("hyper/learning_rate")
    ('the weight of under', 'hyper/learning_rate')
    """
    return name if "/" in name else f"the weight of {name}"


def sensitivities(
    weights: Mapping[int, Mapping[str, float]],
    metrics: Mapping[int, Mapping[str, float]],
    importance: Mapping[str, Mapping[str, float]],
    chosen: Mapping[int, Mapping[str, Value]],
) -> dict[str, dict[str, Sensitivity]]:
    """For each metric, each term whose weight was not the same in all trials, and each choice.

    Args:
        weights: Weight of each term in each trial.
        metrics: Metrics of the trials in question.
        importance: For each metric, the importance of each.
        chosen: What each trial chose beside. Names have no order: no rank correlation.
    """
    if not metrics:
        return {}
    columns: dict[str, list[float]] = {
        name: [weights[number][name] for number in metrics] for name in weights[next(iter(metrics))]
    }
    for name in chosen.get(next(iter(metrics)), {}):
        values = [chosen[number].get(name) for number in metrics if number in chosen]
        if name.startswith(UNIT) or len(values) < len(metrics) or len(set(values)) < 2:
            continue
        columns[name] = [v if isinstance(v, int | float) else np.nan for v in values]
    varied = [name for name, column in columns.items() if np.isnan(column).any() or np.ptp(column)]
    measured = dict.fromkeys(key for row in metrics.values() for key in row)
    return {
        metric: {
            name: Sensitivity(
                *spearman(columns[name], [row.get(metric, np.nan) for row in metrics.values()]),
                importance.get(metric, {}).get(name),
            )
            for name in varied
        }
        for metric in measured
    }
