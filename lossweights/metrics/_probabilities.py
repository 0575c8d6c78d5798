"""How right a classifier is, and how right its probabilities: sums over rows, also in a graph."""

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
from lossweights.metrics._base import MeanMetric
from lossweights.metrics._classes import ClassArguments, ClassMetric, checked_threshold, decided

_LEAST = 1e-7  # the least probability, as in Keras: its logarithm is finite in float32


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class Accuracy(ClassMetric, MeanMetric):
    """The share of rows whose class is predicted.

    Shapes and classes are those of every `ClassMetric`. The most probable class is predicted, the
    first of equals; of two classes, class 1 above the threshold. Range ``[0, 1]``, larger is
    better. Where classes are unequally frequent, see `BalancedAccuracy`.

    Args:
        threshold: For two classes, above which probability class 1 is predicted; 0.5 unless told.
        from_logits, name, dtype: As for every `ClassMetric`.

    Raises:
        MetricError: The threshold is no probability, or as for every `ClassMetric`.

    >>> from lossweights import metrics
    >>> metrics.Accuracy().evaluate([0, 2, 1], [[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.4, 0.3, 0.3]])
    0.6666666666666666
    """

    direction = "maximize"
    default_name = "accuracy"

    def __init__(self, *, threshold: float | None = None, **shared: Unpack[ClassArguments]) -> None:
        self.threshold = checked_threshold(threshold)
        super().__init__(**shared)

    def statistics(self, xp: Namespace, y_true: Array, y_pred: Array) -> list[Array]:
        """The share of each sample's rows that are right."""
        found = decided(xp, self.probabilities(xp, y_pred), self.threshold)
        return [per_sample_mean(xp, xp.sum(y_true * found, axis=-1))]


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class LogLoss(ClassMetric, MeanMetric):
    """The mean of minus the logarithm of the probability of the true class: the cross-entropy.

    Shapes and classes are those of every `ClassMetric`. In nats; range ``[0, ∞)``, smaller is
    better. Probabilities below 1e-7 count as 1e-7, as in Keras; logits have no such bound. As a
    metric it has no weight and no class weights, so that it may be an objective where it is a term.

    Args:
        from_logits, name, dtype: As for every `ClassMetric`.

    Raises:
        MetricError: As for every `ClassMetric`.

    >>> from lossweights import metrics
    >>> metrics.LogLoss().evaluate([1, 0], [0.5, 0.5])
    0.6931471805599453
    """

    direction = "minimize"
    unit = "nats"
    default_name = "log_loss"

    def statistics(self, xp: Namespace, y_true: Array, y_pred: Array) -> list[Array]:
        """The mean cross-entropy of each sample's rows."""
        if self.from_logits:
            above = y_pred - xp.max(y_pred, axis=-1, keepdims=True)
            logs = above - xp.log(xp.sum(xp.exp(above), axis=-1, keepdims=True))
        else:
            bounded = xp.maximum(y_pred, _LEAST)
            # their sum is 1 but for rounding, which must not be worth anything
            logs = xp.log(bounded / xp.sum(bounded, axis=-1, keepdims=True))
        return [per_sample_mean(xp, -xp.sum(y_true * logs, axis=-1))]


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class BrierScore(ClassMetric, MeanMetric):
    """The mean squared error of the probabilities (Brier, Monthly Weather Review 1950).

    Of two classes ``(p - y)²`` of class 1, range ``[0, 1]``; of more the sum over the classes,
    range ``[0, 2]``; smaller is better. Shapes and classes are those of every `ClassMetric`.

    Args:
        from_logits, name, dtype: As for every `ClassMetric`.

    Raises:
        MetricError: As for every `ClassMetric`.

    >>> from lossweights import metrics
    >>> metrics.BrierScore().evaluate([1, 0], [0.5, 0.5])
    0.25
    """

    direction = "minimize"
    default_name = "brier_score"

    def statistics(self, xp: Namespace, y_true: Array, y_pred: Array) -> list[Array]:
        """The mean squared error of each sample's rows."""
        errors = xp.sum(xp.square(self.probabilities(xp, y_pred) - y_true), axis=-1)
        return [per_sample_mean(xp, errors / 2 if y_pred.shape[-1] == 2 else errors)]


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class CalibrationError(ClassMetric):
    """How far probabilities are from frequencies: the expected calibration error (ECE).

    Rows are sorted into ``bins`` of equal width by a probability; the value is the mean over rows
    of how far the mean probability of their bin is from its frequency (Naeini et al., AAAI 2015;
    Guo et al. 2017, arXiv 1706.04599). Of two classes it is the probability of class 1 and how
    often it is class 1; of more the probability of the predicted class and how often that is right.
    A bin holds its upper edge. Range ``[0, 1]``, smaller is better. A model that gives base rates
    to all is calibrated, so pair it with a metric of how right it is. Shapes and classes are those
    of every `ClassMetric`.

    Args:
        bins: How many; 15 as Guo et al.
        from_logits, name, dtype: As for every `ClassMetric`.

    Raises:
        MetricError: There is no bin, or as for every `ClassMetric`.

    >>> from lossweights import metrics
    >>> metrics.CalibrationError(bins=10).evaluate([1, 1, 0, 1], [0.75, 0.75, 0.75, 0.75])
    0.0
    """

    direction = "minimize"
    default_name = "calibration_error"

    def __init__(self, bins: int = 15, **shared: Unpack[ClassArguments]) -> None:
        if isinstance(bins, bool) or int(bins) != bins or bins < 1:
            raise MetricError(f"Expected `bins` as a whole number above 0. Found {bins!r}.")
        self.bins = int(bins)
        self.n_statistics = 2 * self.bins  # type: ignore[misc]  # of the class elsewhere
        super().__init__(**shared)

    def statistics(self, xp: Namespace, y_true: Array, y_pred: Array) -> list[Array]:
        """For each bin the share of the sample's rows in it times their mean gap; and the share."""
        probabilities = self.probabilities(xp, y_pred)
        if y_pred.shape[-1] == 2:
            said, came = probabilities[..., 1], y_true[..., 1]
        else:
            said = xp.max(probabilities, axis=-1)
            came = xp.sum(y_true * decided(xp, probabilities, None), axis=-1)
        edges = np.linspace(0.0, 1.0, self.bins + 1)[1:-1].tolist()
        reached = [indicator(xp, said > edge, said) for edge in edges]
        ones, zeros = xp.ones_like(said), xp.zeros_like(said)
        lower, upper = [ones, *reached], [*reached, zeros]
        return [
            per_sample_mean(xp, (low - high) * part)
            for part in (said - came, ones)
            for low, high in zip(lower, upper, strict=True)
        ]

    def value(self, sums: Array) -> Array:
        """The gaps of all bins, each by the share of rows that it has."""
        xp = namespace_of(sums)
        gaps = xp.abs(sums[..., : self.bins])
        return ratio(xp, xp.sum(gaps, axis=-1), sums[..., -1])
