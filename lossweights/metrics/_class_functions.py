"""The metrics of classifiers as functions of arrays, measured in float64."""

from lossweights.metrics._arrays import Array
from lossweights.metrics._confusion import F1, BalancedAccuracy, F1Average
from lossweights.metrics._probabilities import Accuracy, BrierScore, CalibrationError, LogLoss
from lossweights.metrics._ranking import AUC, AveragePrecision, RankAverage


def accuracy(
    y_true: Array,
    y_pred: Array,
    sample_weight: Array | None = None,
    *,
    threshold: float | None = None,
    from_logits: bool = False,
) -> float:
    """The share of rows whose class is predicted, of arrays; see `Accuracy`.

    >>> from lossweights import metrics
    >>> metrics.accuracy([1, 0], [0.7, 0.6])
    0.5
    """
    metric = Accuracy(threshold=threshold, from_logits=from_logits)
    return metric.evaluate(y_true, y_pred, sample_weight)


def balanced_accuracy(
    y_true: Array,
    y_pred: Array,
    sample_weight: Array | None = None,
    *,
    threshold: float | None = None,
    from_logits: bool = False,
) -> float:
    """The mean recall of the classes, of arrays; see `BalancedAccuracy`.

    >>> from lossweights import metrics
    >>> metrics.balanced_accuracy([1, 0, 0], [0.7, 0.6, 0.4])
    0.75
    """
    metric = BalancedAccuracy(threshold=threshold, from_logits=from_logits)
    return metric.evaluate(y_true, y_pred, sample_weight)


def f1(
    y_true: Array,
    y_pred: Array,
    sample_weight: Array | None = None,
    *,
    average: F1Average | None = None,
    threshold: float | None = None,
    from_logits: bool = False,
) -> float:
    """The F1 score of arrays; see `F1`.

    >>> from lossweights import metrics
    >>> metrics.f1([1, 0, 0], [0.7, 0.6, 0.4], average="micro")
    0.6666666666666666
    """
    metric = F1(average, threshold=threshold, from_logits=from_logits)
    return metric.evaluate(y_true, y_pred, sample_weight)


def auc(
    y_true: Array,
    y_pred: Array,
    sample_weight: Array | None = None,
    *,
    average: RankAverage = "macro",
    from_logits: bool = False,
) -> float:
    """The area under the ROC curve of arrays; see `AUC`.

    >>> from lossweights import metrics
    >>> metrics.auc([1, 0, 0], [0.7, 0.6, 0.7])
    0.75
    """
    metric = AUC(average=average, from_logits=from_logits)
    return metric.evaluate(y_true, y_pred, sample_weight)


def average_precision(
    y_true: Array,
    y_pred: Array,
    sample_weight: Array | None = None,
    *,
    average: RankAverage = "macro",
    from_logits: bool = False,
) -> float:
    """The average precision of arrays; see `AveragePrecision`.

    >>> from lossweights import metrics
    >>> metrics.average_precision([1, 0, 0], [0.7, 0.6, 0.7])
    0.5
    """
    metric = AveragePrecision(average=average, from_logits=from_logits)
    return metric.evaluate(y_true, y_pred, sample_weight)


def log_loss(
    y_true: Array,
    y_pred: Array,
    sample_weight: Array | None = None,
    *,
    from_logits: bool = False,
) -> float:
    """The cross-entropy of arrays; see `LogLoss`.

    >>> from lossweights import metrics
    >>> metrics.log_loss([1, 0], [0.0, 0.0], from_logits=True)
    0.6931471805599453
    """
    return LogLoss(from_logits=from_logits).evaluate(y_true, y_pred, sample_weight)


def brier_score(
    y_true: Array,
    y_pred: Array,
    sample_weight: Array | None = None,
    *,
    from_logits: bool = False,
) -> float:
    """The mean squared error of probabilities, of arrays; see `BrierScore`.

    >>> from lossweights import metrics
    >>> metrics.brier_score([1, 0], [1.0, 0.5])
    0.125
    """
    return BrierScore(from_logits=from_logits).evaluate(y_true, y_pred, sample_weight)


def calibration_error(
    y_true: Array,
    y_pred: Array,
    sample_weight: Array | None = None,
    *,
    bins: int = 15,
    from_logits: bool = False,
) -> float:
    """How far probabilities are from frequencies, of arrays; see `CalibrationError`.

    >>> from lossweights import metrics
    >>> metrics.calibration_error([1, 0], [0.75, 0.75])
    0.25
    """
    metric = CalibrationError(bins, from_logits=from_logits)
    return metric.evaluate(y_true, y_pred, sample_weight)
