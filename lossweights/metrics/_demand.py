"""What too low a prediction costs: how often, how much, what share of demand, how much money.

A target is read as demand and a prediction as what was made ready for it. ``e = y_true - y_pred``,
so ``e > 0`` is underestimation, and a prediction exactly on its target has covered it. Every
sample weighs the same: its statistics are means over its other axes.

Most of these are won by predicting too much, so pair them with an accuracy metric.
"""

from typing import Unpack

import keras
import numpy as np

from lossweights.base.errors import MetricError
from lossweights.metrics._arrays import (
    Array,
    Namespace,
    indicator,
    namespace_of,
    per_sample_mean,
    ratio,
)
from lossweights.metrics._base import MeanMetric, Metric, MetricArguments


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class UnderRate(MeanMetric):
    """The share of values underestimated, ``mean(y_true > y_pred)``; a tie is not under.

    Shapes ``(batch, ...)``, any rank; a fraction; range ``[0, 1]``, smaller is better. It is
    ``1 - ServiceLevel``. Ties are exact, in float64 if targets or predictions are: compare those of
    one precision. Keras holds whole numbers in float32, which is exact up to 2**24.

    Arguments and errors are those of every `Metric`.

    >>> from lossweights import metrics
    >>> metrics.UnderRate().evaluate([1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 4.0, 5.0])
    0.25
    """

    direction = "minimize"
    unit = "fraction"
    unknown = "elements"
    default_name = "under_rate"

    def statistics(self, xp: Namespace, y_true: Array, y_pred: Array) -> list[Array]:
        """The share of each sample's values that are underestimated."""
        return [per_sample_mean(xp, indicator(xp, y_true > y_pred, y_pred))]


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class ServiceLevel(MeanMetric):
    """The share of values covered, ``mean(y_pred >= y_true)``; a tie is covered.

    Shapes ``(batch, ...)``, any rank; a fraction; range ``[0, 1]``, larger is better. In inventory
    theory the type 1 (P1) service level, the chance of no stock-out (Silver, Pyke and Thomas,
    *Inventory and Production Management in Supply Chains*). It counts stock-outs whatever their
    size; `FillRate` counts the missing quantity.

    Arguments and errors are those of every `Metric`.

    >>> from lossweights import metrics
    >>> metrics.ServiceLevel().evaluate([1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 4.0, 5.0])
    0.75
    """

    direction = "maximize"
    unit = "fraction"
    unknown = "elements"
    default_name = "service_level"

    def statistics(self, xp: Namespace, y_true: Array, y_pred: Array) -> list[Array]:
        """The share of each sample's values that are covered."""
        return [per_sample_mean(xp, indicator(xp, y_pred >= y_true, y_pred))]


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class Shortfall(MeanMetric):
    """The mean quantity missing, ``mean(max(y_true - y_pred, 0))``, over all values.

    Shapes ``(batch, ...)``, any rank; unit of the target; range ``[0, ∞)``, smaller is better.
    Values that are covered count as zero: the mean is over all values, not over the short ones.

    Arguments and errors are those of every `Metric`.

    >>> from lossweights import metrics
    >>> metrics.Shortfall().evaluate([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 4.0, 5.0])
    0.5
    """

    direction = "minimize"
    unit = "target"
    unknown = "elements"
    default_name = "shortfall"

    def statistics(self, xp: Namespace, y_true: Array, y_pred: Array) -> list[Array]:
        """The mean quantity missing of each sample."""
        return [per_sample_mean(xp, xp.maximum(y_true - y_pred, 0.0))]


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class FillRate(Metric):
    """The share of demand met at once, ``1 - Σ max(y_true - y_pred, 0) / Σ y_true``.

    Shapes ``(batch, ...)``, any rank; a fraction; at most 1, larger is better. In inventory theory
    the type 2 (P2) service level (Silver, Pyke and Thomas). The sums run over the whole data set,
    so a large demand weighs as much as it is large. A share of demand has no meaning where demand
    is negative or all zero: `evaluate` refuses, the graph gives NaN. Predictions may be negative,
    and the rate then falls below what nothing at all would meet; clip them if nobody can order
    less than nothing.

    Raises:
        MetricError: In `evaluate`, if a target with a weight is negative or all of them are zero.

    >>> from lossweights import metrics
    >>> metrics.FillRate().evaluate([10.0, 30.0], [5.0, 40.0])
    0.875
    """

    direction = "maximize"
    unit = "fraction"
    unknown = "elements"
    default_name = "fill_rate"
    n_statistics = 2

    def statistics(self, xp: Namespace, y_true: Array, y_pred: Array) -> list[Array]:
        """The mean missing quantity and the mean demand of each sample."""
        missing = per_sample_mean(xp, xp.maximum(y_true - y_pred, 0.0))
        demand = xp.where(y_true < 0, float("nan"), y_true)
        return [missing, per_sample_mean(xp, demand)]

    def value(self, sums: Array) -> Array:
        """One minus the share of the summed demand that is missing."""
        return 1.0 - ratio(namespace_of(sums), sums[..., 0], sums[..., 1])

    def check_data(self, y_true: np.ndarray) -> None:
        """Refuse targets that are not demands."""
        if (y_true < 0).any() or not y_true.any():
            raise MetricError(
                "Expected targets of `FillRate` to be demands: none negative, not all zero. Found "
                f"values from {y_true.min()} to {y_true.max()}. Measure it on unscaled targets, "
                "or use `Shortfall`."
            )


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class NewsvendorCost(MeanMetric):
    """The mean cost of being wrong, ``mean(cu·max(e, 0) + co·max(-e, 0))``.

    Shapes ``(batch, ...)``, any rank; money per value; range ``[0, ∞)``, smaller is better. ``cu``
    is the cost of one unit too few (a lost margin), ``co`` of one unit too many (a write-off). The
    best prediction is the ``cu / (cu + co)`` quantile of the target (Arrow, Harris and Marschak,
    *Optimal Inventory Policy*, Econometrica 1951).

    Args:
        under_cost: Cost of one unit too few, not negative.
        over_cost: Cost of one unit too many, not negative; not both zero.
        name, dtype: As for every `Metric`.

    Raises:
        MetricError: If a cost is negative or not finite, or both are zero.

    >>> from lossweights import metrics
    >>> metrics.NewsvendorCost(under_cost=4.0, over_cost=1.0).evaluate([10.0, 10.0], [9.0, 12.0])
    3.0
    """

    direction = "minimize"
    unit = "money"
    unknown = "elements"
    default_name = "newsvendor_cost"

    def __init__(
        self, under_cost: float, over_cost: float, **host: Unpack[MetricArguments]
    ) -> None:
        self.under_cost, self.over_cost = float(under_cost), float(over_cost)
        costs = (self.under_cost, self.over_cost)
        if not np.isfinite(costs).all() or min(costs) < 0 or max(costs) == 0:
            raise MetricError(
                "Expected `under_cost` and `over_cost` to be finite, not negative and not both "
                f"zero. Found {under_cost!r} and {over_cost!r}."
            )
        super().__init__(**host)

    def statistics(self, xp: Namespace, y_true: Array, y_pred: Array) -> list[Array]:
        """The mean cost of each sample."""
        error = y_true - y_pred
        under, over = xp.maximum(error, 0.0), xp.maximum(-error, 0.0)
        return [per_sample_mean(xp, self.under_cost * under + self.over_cost * over)]
