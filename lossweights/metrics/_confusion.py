"""How right a classifier is class by class: F1 and the mean of the recalls."""

from typing import Literal, Unpack, get_args

import keras
import numpy as np

from lossweights.base.errors import MetricError
from lossweights.metrics._classes import ClassArguments, ClassMetric, checked_threshold, decided
from lossweights.metrics._whole import WholeMetric

F1Average = Literal["macro", "micro", "weighted", "positive"]


class ConfusionMetric(ClassMetric, WholeMetric):
    """A metric of how many rows of each class are predicted as each.

    Args:
        threshold: For two classes, above which probability class 1 is predicted; 0.5 unless told.
        from_logits, name, dtype: As for every `ClassMetric`.
    """

    direction = "maximize"

    def __init__(self, *, threshold: float | None = None, **shared: Unpack[ClassArguments]) -> None:
        self.threshold = checked_threshold(threshold)
        super().__init__(**shared)

    def counts(
        self, y_true: np.ndarray, y_pred: np.ndarray, weight: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each class the rows that are found, that there are, and that are predicted."""
        found = decided(np, self.probabilities(np, y_pred), self.threshold)
        rows = tuple(range(1, y_true.ndim - 1))
        tables = [part.mean(axis=rows) for part in (y_true * found, y_true, found)]
        by = np.ones(len(y_true)) if weight is None else weight
        return tuple(by @ table for table in tables)


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class BalancedAccuracy(ConfusionMetric):
    """The mean over classes of the share of their rows that is found.

    Classes without a row are left out, as in scikit-learn. Range ``[0, 1]``, larger is better; the
    best constant has one over the number of classes. Shapes and classes are those of every
    `ClassMetric`.

    Args:
        threshold: For two classes, above which probability class 1 is predicted; 0.5 unless told.
        from_logits, name, dtype: As for every `ClassMetric`.

    Raises:
        MetricError: The threshold is no probability, or as for every `ClassMetric`.

    >>> from lossweights import metrics
    >>> metrics.BalancedAccuracy().evaluate([0, 0, 0, 1], [0.1, 0.2, 0.3, 0.4])
    0.5
    """

    default_name = "balanced_accuracy"

    def measure(
        self, y_true: np.ndarray, y_pred: np.ndarray, sample_weight: np.ndarray | None
    ) -> float:
        """The mean recall of the classes that there are."""
        right, there, _ = self.counts(y_true, y_pred, sample_weight)
        return float((right[there > 0] / there[there > 0]).mean())


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class F1(ConfusionMetric):
    """The F1 score, ``2·TP / (2·TP + FP + FN)``, of class 1 or over the classes.

    Classes that are neither there nor predicted are left out, as in scikit-learn. Range ``[0, 1]``,
    larger is better. Shapes and classes are those of every `ClassMetric`.

    Args:
        average: ``"positive"``: that of class 1 of two. ``"macro"``: the mean over the classes.
            ``"micro"``: of all counts together, which is the accuracy. ``"weighted"``: the mean
            over the classes by their rows. None: ``"positive"`` of two classes, ``"macro"`` of
            more.
        threshold: For two classes, above which probability class 1 is predicted; 0.5 unless told.
        from_logits, name, dtype: As for every `ClassMetric`.

    Raises:
        MetricError: ``average`` is none of these, or ``"positive"`` of more classes than two, or
            there is no row of class 1 for it; or as for every `ClassMetric`.

    >>> from lossweights import metrics
    >>> metrics.F1().evaluate([0, 0, 1, 1], [0.1, 0.6, 0.7, 0.9])
    0.8
    """

    default_name = "f1"

    def __init__(
        self,
        average: F1Average | None = None,
        *,
        threshold: float | None = None,
        **shared: Unpack[ClassArguments],
    ) -> None:
        if average is not None and average not in get_args(F1Average):
            raise MetricError(
                f"Expected `average` to be one of {', '.join(get_args(F1Average))}, or None. "
                f"Found {average!r}."
            )
        self.average = average
        super().__init__(threshold=threshold, **shared)

    def check_data(self, y_true: np.ndarray) -> None:
        """Refuse targets without class 1 where it is that of class 1."""
        super().check_data(y_true)
        if self._of_positives(y_true.shape[-1]) and not y_true[..., 1].any():
            raise MetricError(
                "Expected at least one row of class 1 for its F1. Found none. Check the split, or "
                "say average='macro'."
            )

    def measure(
        self, y_true: np.ndarray, y_pred: np.ndarray, sample_weight: np.ndarray | None
    ) -> float:
        """The score of class 1, or over all classes."""
        right, there, said = self.counts(y_true, y_pred, sample_weight)
        if self.average == "micro":
            return float(2 * right.sum() / (there + said).sum())
        known = there + said > 0
        scores = 2 * right[known] / (there + said)[known]
        if self._of_positives(len(right)):
            return float(scores[-1])
        return float(
            np.average(scores, weights=there[known] if self.average == "weighted" else None)
        )

    def _of_positives(self, classes: int) -> bool:
        if self.average == "positive" and classes != 2:
            raise MetricError(
                f"Expected two classes for average='positive'. Found {classes}. Say 'macro'."
            )
        return self.average == "positive" or (self.average is None and classes == 2)
