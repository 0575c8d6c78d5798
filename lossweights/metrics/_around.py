"""What metrics have in common that are said around another one."""

from typing import Any, Unpack

import numpy as np
from keras import ops

from lossweights.metrics._arrays import Array, Namespace
from lossweights.metrics._base import Metric, MetricArguments
from lossweights.metrics._whole import WholeMetric


class Around(Metric):
    """A metric that reads something of what it is given, which another one then measures.

    Args:
        metric: The metric within.
        name, dtype: As for every `Metric`.
    """

    def __init__(self, metric: Metric, **host: Unpack[MetricArguments]) -> None:
        self.metric = metric
        # What is an attribute of the class elsewhere is here that of the metric within.
        self.direction = metric.direction  # type: ignore[misc]
        self.unit = metric.unit  # type: ignore[misc]
        self.in_graph = metric.in_graph  # type: ignore[misc]
        self.n_statistics = metric.n_statistics  # type: ignore[misc]
        super().__init__(**host)

    def statistics(self, xp: Namespace, y_true: Array, y_pred: Array) -> list[Array]:
        """The statistics of each sample, of arrays that are read already."""
        return self.metric.statistics(xp, y_true, y_pred)

    def value(self, sums: Array) -> Array:
        """The metric's value from its sums."""
        return self.metric.value(sums)

    def align(self, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
        """The shapes that the metric takes."""
        return self.metric.align(y_true, y_pred)

    def check_data(self, y_true: np.ndarray) -> None:
        """Refuse targets that the metric has no meaning on."""
        self.metric.check_data(y_true)

    def result(self) -> Array:
        """The value over all batches since the last reset."""
        return self.metric.result() if isinstance(self.metric, WholeMetric) else super().result()

    def reset_state(self) -> None:
        """Begin anew."""
        super().reset_state()
        self.metric.reset_state()

    def add_read(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        """Add a batch that is read already to the Keras state."""
        if isinstance(self.metric, WholeMetric):
            self.metric.update_state(y_true, y_pred, sample_weight)
        else:
            batch = self.metric.sums(y_true, y_pred, sample_weight)
            self._total.assign_add(ops.cast(batch, self._total.dtype))
