"""Metrics that leave out elements whose target is not known, which is NaN there."""

from typing import Any, Unpack

import keras
import numpy as np
from keras import ops

from lossweights.base.arguments import kept_arguments
from lossweights.base.errors import MetricError
from lossweights.metrics._around import Around
from lossweights.metrics._arrays import (
    Array,
    Namespace,
    as_tensor,
    checked_weight,
    flat_weight,
    to_numpy,
)
from lossweights.metrics._base import Metric, MetricArguments
from lossweights.metrics._channels import OfChannels, OnChannels
from lossweights.metrics._output import OnOutput
from lossweights.metrics._outputs import OnOutputs
from lossweights.metrics._whole import WholeMetric

_READERS = (OnOutput, OnChannels, OnOutputs, OfChannels)


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class OnKnown(Around):
    """A metric on elements whose target is known; see `known`, which makes it."""

    default_name = "on_known"

    def __init__(self, metric: Metric, **host: Unpack[MetricArguments]) -> None:
        if not isinstance(metric, Metric) or isinstance(metric, _READERS):
            raise MetricError(
                f"Expected a metric of lw.metrics that reads targets as they are. Found "
                f"{type(metric).__name__}. Write lw.metrics.known(metric)."
            )
        self._way = metric.unknown
        if getattr(metric, "threshold", 0.5) is None:
            self._way = None  # a prediction always has a largest channel
        host["name"] = host.get("name") or metric.name
        super().__init__(metric, **host)

    def check_data(self, y_true: np.ndarray) -> None:
        """Refuse known targets that the metric has no meaning on."""
        unknown = np.isnan(y_true.astype(np.float64)).reshape(len(y_true), -1).any(axis=1)
        if not unknown.all():
            self.metric.check_data(y_true[~unknown])

    def given(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        """What is known; in a graph where the metric can be in one, else on the host.

        Raises:
            MetricError: Nothing is known, or samples are known in part and the metric has no
                meaning on a part of one. In a graph neither is seen.
        """
        if not self.in_graph:
            return self._on_host(y_true, y_pred, sample_weight)
        y_true, y_pred = self.metric.align(as_tensor(y_true), as_tensor(y_pred))
        weight = ops.ones(ops.shape(y_true)[:1], y_true.dtype)
        if sample_weight is not None:
            given = ops.cast(ops.convert_to_tensor(sample_weight), y_true.dtype)
            y_true, y_pred, given = self.metric.apart(ops, y_true, y_pred, given)
            weight = flat_weight(given, y_true.shape[0])
        return self._left(ops, y_true, y_pred, weight)

    def batch_sums(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Array:
        """The sums of a batch, outside of the graph where the metric cannot be in it."""
        return Metric.batch_sums(self, y_true, y_pred, sample_weight)

    def evaluate(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
        """The value on a whole data set at once, of what is known.

        Raises:
            MetricError: As in `given`.
        """
        return self.metric.evaluate(*self._on_host(y_true, y_pred, sample_weight))

    def _sums_on_host(self, y_true: Array, y_pred: Array, sample_weight: Array | None) -> Any:
        return self.metric._sums_on_host(*self._on_host(y_true, y_pred, sample_weight))

    def _on_host(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        true, pred = self.metric.align(to_numpy(y_true, "y_true"), to_numpy(y_pred, "y_pred"))
        weight = np.ones(len(true))
        if sample_weight is not None:
            given = to_numpy(sample_weight, "sample_weight")
            true, pred, given = self.metric.apart(np, true, pred, given)
            weight = checked_weight(given, len(true))
        in_part: Any = np.isnan(true.astype(np.float64)).reshape(len(true), -1)
        if in_part[weight > 0].all():
            raise MetricError(
                f"Expected some known targets for the metric {self.name!r}. Found NaN alone. Give "
                f"it data with labels, or leave the metric out."
            )
        if isinstance(self.metric, WholeMetric):  # ranked as a whole: what is unknown is not there
            rows = ~in_part.any(axis=1)
            return true[rows], pred[rows], weight[rows]
        if self._way is None and (in_part.any(axis=1) & ~in_part.all(axis=1)).any():
            raise MetricError(
                f"Expected samples that are known or unknown as a whole for the metric "
                f"{self.name!r}, which has no meaning on a part of one. Found samples known in "
                f"part, in targets of shape {true.shape}. Use a metric that is a mean over "
                f"elements, or an overlap of masks with a threshold."
            )
        return self._left(np, true, pred, weight)

    def _left(self, xp: Namespace, true: Any, pred: Any, weight: Any) -> tuple[Any, Any, Any]:
        """Targets, predictions and weights without what is unknown."""
        known = xp.logical_not(xp.isnan(true))
        if self._way == "elements":
            inner = (1,) * (len(true.shape) - 1)
            each = xp.reshape(weight, (-1, *inner)) * xp.where(
                known, xp.ones_like(true), xp.zeros_like(true)
            )
            true = xp.where(known, true, xp.zeros_like(true))
            pred, each = xp.where(known, pred, xp.zeros_like(pred)), xp.reshape(each, (-1,))
            # Of one target several quantiles may be predicted.
            behind = () if true.shape[-1] == pred.shape[-1] else (pred.shape[-1],)
            return xp.reshape(true, (-1,)), xp.reshape(pred, (-1, *behind)), each
        rows = xp.reshape(known, (true.shape[0] or -1, int(np.prod(true.shape[1:]))))
        left = xp.any(rows, axis=1) if self._way == "masks" else xp.all(rows, axis=1)
        weight = xp.where(left, weight, xp.zeros_like(weight))
        pred = xp.where(known, pred, xp.zeros_like(pred))
        return xp.where(known, true, xp.zeros_like(true)), pred, weight


def known(metric: Metric) -> Metric:
    """The ``metric`` on elements whose target is known: where it is NaN, nothing is.

    A metric that is a mean over elements is that over all known ones. The overlap of masks leaves
    unknown elements out of both masks. Others leave out samples that are unknown as a whole.

    Args:
        metric: A metric.

    Returns:
        A metric whose ``y_true`` may hold NaN.

    Raises:
        MetricError: It is no metric, or one between outputs.

    >>> from lossweights.metrics import MAE
    >>> known(MAE()).evaluate([[1.0, float("nan")], [2.0, 3.0]], [[2.0, 9.0], [2.0, 5.0]])
    1.0
    """
    if isinstance(metric, OnOutput):
        return OnOutput(metric.output, known(metric.metric), name=metric.name)
    if isinstance(metric, OnChannels):
        return OnChannels(known(metric.metric), metric.target, name=metric.name)
    if isinstance(metric, OnOutputs | OfChannels):
        return type(metric)(**{**kept_arguments(metric), "missing": "nan"})
    return metric if isinstance(metric, OnKnown) else OnKnown(metric, name=metric.name)
