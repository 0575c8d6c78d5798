"""How well scores rank the rows of a class above the others: ROC AUC and average precision."""

from abc import abstractmethod
from typing import Literal, Unpack, get_args

import keras
import numpy as np

from lossweights.base.errors import MetricError
from lossweights.metrics._classes import ClassArguments, ClassMetric
from lossweights.metrics._whole import WholeMetric

RankAverage = Literal["macro", "weighted"]


class RankMetric(ClassMetric, WholeMetric):
    """A metric of the order of scores alone, exact: ties are one step of the curve.

    Of two classes it is that of class 1; of more the mean over the classes, each against the rest.
    Classes that nothing can be said of, without a row or, for AUC, with all, are left out.

    Args:
        average: ``"macro"``, or ``"weighted"`` by the rows of each class.
        from_logits, name, dtype: As for every `ClassMetric`; any scores will do.
    """

    direction = "maximize"
    of_probabilities = False

    def __init__(self, *, average: RankAverage = "macro", **shared: Unpack[ClassArguments]) -> None:
        if average not in get_args(RankAverage):
            raise MetricError(f"Expected `average` 'macro' or 'weighted'. Found {average!r}.")
        self.average = average
        super().__init__(**shared)

    @abstractmethod
    def of_class(self, right: np.ndarray, wrong: np.ndarray) -> float:
        """The value of one class, NaN if nothing can be said of it.

        Args:
            right: Weight of its rows with at least each of the scores, from the highest on, and 0
                before.
            wrong: Weight of the other rows, alike.
        """

    def check_data(self, y_true: np.ndarray) -> None:
        """Refuse targets of one class alone."""
        super().check_data(y_true)
        there = y_true.reshape(-1, y_true.shape[-1]).any(axis=0)
        if there.sum() < 2:
            raise MetricError(
                f"Expected rows of at least two classes for `{self.name}`. Found class "
                f"{int(np.argmax(there))} alone. Check the split."
            )

    def measure(
        self, y_true: np.ndarray, y_pred: np.ndarray, sample_weight: np.ndarray | None
    ) -> float:
        """The value of class 1, or the mean over the classes."""
        classes = y_true.shape[-1]
        if self.from_logits and classes > 2:
            y_pred = self.probabilities(np, y_pred)
        elif self.from_logits:  # of two classes their difference, which never rounds to 1
            y_pred = y_pred - y_pred[..., :1]
        inner = int(np.prod(y_true.shape[1:-1]))
        by = np.ones(len(y_true)) if sample_weight is None else sample_weight
        by = by.repeat(inner)
        true, scores = y_true.reshape(-1, classes), y_pred.reshape(-1, classes)
        if classes == 2:
            return self.of_class(*_steps(true[:, 1], scores[:, 1], by))
        values = np.array(
            [self.of_class(*_steps(true[:, c], scores[:, c], by)) for c in range(classes)]
        )
        known = np.isfinite(values)
        rows = by @ true if self.average == "weighted" else np.ones(classes)
        return float(np.average(values[known], weights=rows[known]))


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class AUC(RankMetric):
    """The area under the ROC curve: the chance that a row of a class has the higher score.

    Ties count half. Exact, where Keras' own takes 200 thresholds. Of two classes that of class 1,
    of more the mean of each against the rest. Range ``[0, 1]``, larger is better; 0.5 is chance.
    Shapes and classes are those of every `ClassMetric`.

    Args:
        average: ``"macro"``, or ``"weighted"`` by the rows of each class.
        from_logits, name, dtype: As for every `ClassMetric`; any scores will do.

    Raises:
        MetricError: There is one class alone, or as for every `ClassMetric`.

    >>> from lossweights import metrics
    >>> metrics.AUC().evaluate([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    0.875
    """

    default_name = "auc"

    def of_class(self, right: np.ndarray, wrong: np.ndarray) -> float:
        """The area by trapezoids."""
        if right[-1] == 0 or wrong[-1] == 0:
            return float("nan")
        return float(np.trapezoid(right, wrong) / (right[-1] * wrong[-1]))


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class AveragePrecision(RankMetric):
    """The average precision: the mean of the precisions, each by the recall that it adds.

    As in scikit-learn without interpolation, which areas under a precision-recall curve by
    trapezoids are too good by. Of two classes that of class 1, of more the mean of each against the
    rest. Range ``[0, 1]``, larger is better; the share of the class is chance. Shapes and classes
    are those of every `ClassMetric`.

    Args:
        average: ``"macro"``, or ``"weighted"`` by the rows of each class.
        from_logits, name, dtype: As for every `ClassMetric`; any scores will do.

    Raises:
        MetricError: There is one class alone, or as for every `ClassMetric`.

    >>> from lossweights import metrics
    >>> metrics.AveragePrecision().evaluate([0, 1, 1], [0.5, 0.4, 0.8])
    0.8333333333333333
    """

    default_name = "average_precision"

    def of_class(self, right: np.ndarray, wrong: np.ndarray) -> float:
        """The sum over steps."""
        if right[-1] == 0:
            return float("nan")
        precision = right[1:] / (right[1:] + wrong[1:])
        return float(np.diff(right) @ precision / right[-1])


def _steps(is_class: np.ndarray, scores: np.ndarray, by: np.ndarray) -> tuple[np.ndarray, ...]:
    """Weights of a class and of the rest with at least each of the scores; equals are one step."""
    order = np.argsort(-scores, kind="stable")
    scores, own, weight = scores[order], is_class[order], by[order]
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    right, wrong = np.cumsum(own * weight)[last], np.cumsum((1 - own) * weight)[last]
    return np.append(0.0, right), np.append(0.0, wrong)
