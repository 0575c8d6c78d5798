"""How often a mask is missing: images that distances between boundaries say nothing of."""

from collections.abc import Sequence
from typing import Unpack

import keras
import numpy as np

from lossweights.metrics._arrays import Array
from lossweights.metrics._base import Metric
from lossweights.metrics._channels import OnChannels
from lossweights.metrics._known import OnKnown, known
from lossweights.metrics._output import OnOutput
from lossweights.metrics._surface import HD95, AverageSurfaceDistance, SurfaceMetric
from lossweights.terms.classes import ChosenClasses


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class Missing(SurfaceMetric):
    """The share of images in which one of the two masks is empty, and the other is not.

    Of the images (and channels) that have a true or a predicted mask; where both are empty nothing
    is missing, and the image has no part. It belongs beside distances with
    ``empty_distance="apart"``, which a model would else win by finding nothing where that is hard.
    Masks ``(batch, height, width)``, with or without channels, or volumes; range ``[0, 1]``,
    smaller is better.

    Args:
        sampling, threshold, ignore, classes, name, dtype: As for every `SurfaceMetric`.

    Raises:
        MetricError: Shapes are not those of masks.

    >>> from lossweights import metrics
    >>> metrics.Missing().evaluate([[[1, 0]], [[1, 1]]], [[[0.9, 0.1]], [[0.2, 0.3]]])
    0.5
    """

    direction = "minimize"
    default_name = "missing"

    def of_case(
        self, true: np.ndarray, pred: np.ndarray, steps: tuple[float, ...]
    ) -> tuple[float, float]:
        """One if a mask is empty, over one."""
        return float(not (true.any() and pred.any())), 1.0


def missing(
    y_true: Array,
    y_pred: Array,
    sample_weight: Array | None = None,
    *,
    sampling: float | Sequence[float] | None = None,
    threshold: float | None = 0.5,
    **chosen: Unpack[ChosenClasses],
) -> float:
    """The share of images without one of the two masks, of arrays; see `Missing`.

    >>> from lossweights import metrics
    >>> metrics.missing([[[1, 0]], [[1, 1]]], [[[0.9, 0.1]], [[0.2, 0.3]]])
    0.5
    """
    metric = Missing(sampling=sampling, threshold=threshold, **chosen)
    return metric.evaluate(y_true, y_pred, sample_weight)


def counts_missing(metric: Metric) -> Metric | None:
    """What has to be read beside a metric: how often a mask is missing that it leaves out.

    >>> from lossweights import metrics
    >>> counts_missing(metrics.HD95(empty_distance="apart"))
    Missing()
    >>> counts_missing(metrics.HD95(empty_distance=20.0)) is None
    True
    """
    if isinstance(metric, OnOutput):
        within = counts_missing(metric.metric)
        return None if within is None else OnOutput(metric.output, within)
    if isinstance(metric, OnChannels | OnKnown):
        within = counts_missing(metric.metric)
        if within is None or isinstance(metric, OnKnown):
            return None if within is None else known(within)
        return OnChannels(within, metric.target)
    if isinstance(metric, HD95 | AverageSurfaceDistance) and metric.empty_distance == "apart":
        chosen: ChosenClasses = {"ignore": metric.ignore, "classes": metric.classes}
        return Missing(sampling=metric.sampling, threshold=metric.threshold, **chosen)
    return None
