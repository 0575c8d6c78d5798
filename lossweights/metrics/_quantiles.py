"""Quantile forecasts: what their errors cost, and how often one lies above the next."""

from collections.abc import Sequence
from typing import Unpack

import keras

from lossweights.base.errors import MetricError
from lossweights.base.numbers import as_number
from lossweights.metrics._arrays import Array, Namespace, aligned, indicator, per_sample_mean
from lossweights.metrics._base import MeanMetric, MetricArguments


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class PinballLoss(MeanMetric):
    """The pinball loss of a quantile forecast, ``mean(max(τ·e, (τ - 1)·e))``.

    Shapes ``(batch, ...)``, any rank; of several quantiles targets ``(batch, ..., 1)``, or without
    that axis, and predictions ``(batch, ..., quantiles)``; unit of the target; range ``[0, ∞)``,
    smaller is better. It is least at the τ-quantile of the target (Koenker and Bassett, *Regression
    Quantiles*, Econometrica 1978), and equals `NewsvendorCost` with the costs τ and 1 - τ.

    Args:
        tau: The quantile aimed at, strictly between 0 and 1. Or several of one target, such as
            ``(0.1, 0.5, 0.9)``, each predicted by a channel of its own; the value is the mean over
            them.
        name, dtype: As for every `Metric`.

    Raises:
        MetricError: If ``tau`` is not strictly between 0 and 1.

    >>> from lossweights import metrics
    >>> metrics.PinballLoss(tau=0.75).evaluate([10.0, 10.0], [8.0, 12.0])
    1.0
    >>> metrics.PinballLoss((0.25, 0.75)).evaluate([[4.0]], [[0.0, 0.0]])  # (1 + 3) / 2
    2.0
    """

    direction = "minimize"
    unit = "target"
    unknown = "elements"
    default_name = "pinball_loss"

    def __init__(self, tau: float | Sequence[float], **host: Unpack[MetricArguments]) -> None:
        several = list(tau) if isinstance(tau, list | tuple) else None
        levels = tuple(as_number(each) for each in ([tau] if several is None else several))
        if not levels or not all(0 < level < 1 for level in levels):
            raise MetricError(
                f"Expected `tau` strictly between 0 and 1, or several such. Found {tau!r}. Write "
                f"0.9, or (0.1, 0.5, 0.9) if three quantiles are predicted."
            )
        self.tau: float | tuple[float, ...] = levels[0] if several is None else levels
        super().__init__(**host)

    def align(self, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
        """One shape; of several quantiles one target beside them on the last axis.

        Raises:
            MetricError: They do not fit each other.
        """
        if not isinstance(self.tau, tuple):
            return super().align(y_true, y_pred)
        return _beside(y_true, y_pred, len(self.tau))

    def statistics(self, xp: Namespace, y_true: Array, y_pred: Array) -> list[Array]:
        """The mean pinball loss of each sample, and of its quantiles."""
        error = y_true - y_pred
        if not isinstance(self.tau, tuple):
            return [per_sample_mean(xp, _pinball(xp, error, self.tau))]
        each = [_pinball(xp, error[..., i], tau) for i, tau in enumerate(self.tau)]
        return [per_sample_mean(xp, xp.stack(each, axis=-1))]


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class QuantileCrossing(MeanMetric):
    """The share of neighbouring quantiles that cross, ``mean(q[i] > q[i + 1])``.

    Predictions ``(batch, ..., quantiles)``, of rising levels along the last axis; targets
    ``(batch, ..., 1)``, or without that axis, whose values do not count; a fraction; range
    ``[0, 1]``, smaller is better. Quantiles of a distribution never cross, those that a model
    predicts each by itself may (Koenker, *Quantile Regression*, 2005, section 2.5). Equal ones do
    not. A constant prediction has none, so that it is an objective beside `PinballLoss` alone.

    Arguments and errors are those of every `Metric`.

    >>> from lossweights import metrics
    >>> metrics.QuantileCrossing().evaluate([[0.0], [0.0]], [[1.0, 2.0, 3.0], [1.0, 0.0, 3.0]])
    0.25
    """

    direction = "minimize"
    unit = "fraction"
    unknown = "elements"
    default_name = "quantile_crossing"

    def align(self, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
        """One target beside the quantiles, of which there have to be several.

        Raises:
            MetricError: They do not fit each other.
        """
        return _beside(y_true, y_pred, None)

    def statistics(self, xp: Namespace, y_true: Array, y_pred: Array) -> list[Array]:
        """The share of each sample's neighbouring quantiles that cross."""
        # What is unknown of the target stays so.
        lower, upper = y_pred[..., :-1], y_pred[..., 1:]
        return [per_sample_mean(xp, indicator(xp, lower > upper, upper) + 0.0 * y_true)]


def _beside(y_true: Array, y_pred: Array, count: int | None) -> tuple[Array, Array]:
    """One target beside so many quantiles, or several, on the last axis.

    Raises:
        MetricError: They do not fit each other.
    """
    found = tuple(y_true.shape), tuple(y_pred.shape)
    if len(found[0]) == len(found[1]) - 1:
        y_true = y_true[..., None]
    ends = (*y_true.shape[1:][-1:], *y_pred.shape[-1:])
    fits = len(ends) == 2 and (ends[1] > 1 if count is None else ends[1] == count)
    if not fits or ends[0] != 1:
        raise MetricError(
            f"Expected one target and {count or 'several'} predicted quantiles on the last axis. "
            f"Found y_true of shape {found[0]}, y_pred of shape {found[1]}. Give the model as "
            f"many outputs as quantiles."
        )
    aligned(y_true[..., 0], y_pred[..., 0])
    return y_true, y_pred


def _pinball(xp: Namespace, error: Array, tau: float) -> Array:
    return xp.maximum(tau * error, (tau - 1) * error)
