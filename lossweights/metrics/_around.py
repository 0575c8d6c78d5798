"""What metrics have in common that are said around another one."""

from abc import abstractmethod
from typing import Any, Unpack

import numpy as np

from lossweights.foreign.tracing import is_described
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
        # A metric of no sums keeps its rows itself, however deep within.
        self._keeps = isinstance(metric, WholeMetric) or getattr(metric, "_keeps", False)
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

    def apart(
        self, xp: Namespace, y_true: Array, y_pred: Array, weight: Array
    ) -> tuple[Array, Array, Array]:
        """What weights of elements weigh, as the metric within has it."""
        return self.metric.apart(xp, y_true, y_pred, weight)

    def check_data(self, y_true: np.ndarray) -> None:
        """Refuse targets that the metric has no meaning on."""
        self.metric.check_data(y_true)

    def result(self) -> Array:
        """The value over all batches since the last reset."""
        return self.metric.result() if self._keeps else super().result()

    def reset_state(self) -> None:
        """Begin anew."""
        super().reset_state()
        self.metric.reset_state()

    @abstractmethod
    def given(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        """Targets, predictions and weights that the metric within gets."""

    def sums(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Array:
        """The sums over the samples; see `Metric.sums`."""
        return self.metric.sums(*self.given(y_true, y_pred, sample_weight))

    def batch_sums(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Array:
        """The sums of a batch, outside of the graph where the metric cannot be in it."""
        return self.metric.batch_sums(*self.given(y_true, y_pred, sample_weight))

    def evaluate(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
        """The value on a whole data set at once.

        Raises:
            MetricError: What is to be read is not there, or the metric refuses its values.
        """
        return self.metric.evaluate(*self.given(y_true, y_pred, sample_weight))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch to the Keras state."""
        if self._keeps and is_described():
            return
        if self._keeps:
            self.metric.update_state(*self.given(y_true, y_pred, sample_weight))
        else:
            super().update_state(y_true, y_pred, sample_weight)
