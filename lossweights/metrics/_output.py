"""Metrics that read one output of a model with several."""

from collections.abc import Mapping
from typing import Any, Unpack

import keras
import numpy as np

from lossweights.base.errors import MetricError
from lossweights.metrics._arrays import Array, Namespace
from lossweights.metrics._base import Metric, MetricArguments


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class OnOutput(Metric):
    """A metric on one output of a model: ``y_true`` and ``y_pred`` are dicts of all outputs.

    See `on`, which makes it.
    """

    default_name = "on_output"

    def __init__(self, output: str, metric: Metric, **host: Unpack[MetricArguments]) -> None:
        if not isinstance(output, str) or not output:
            raise MetricError(
                f"Expected the name of an output of the model. Found {output!r}. "
                "Write lw.metrics.on('depth', lw.metrics.RMSE())."
            )
        if not isinstance(metric, Metric) or isinstance(metric, OnOutput):
            raise MetricError(
                f"Expected a metric of lw.metrics that reads one array. Found {metric!r}. "
                "Write lw.metrics.on('depth', lw.metrics.RMSE())."
            )
        self.output, self.metric = output, metric
        # What is an attribute of the class elsewhere is here that of the metric within.
        self.direction = metric.direction  # type: ignore[misc]
        self.unit = metric.unit  # type: ignore[misc]
        self.in_graph = metric.in_graph  # type: ignore[misc]
        self.n_statistics = metric.n_statistics  # type: ignore[misc]
        host["name"] = host.get("name") or f"{output}_{metric.name}"
        super().__init__(**host)

    def statistics(self, xp: Namespace, y_true: Array, y_pred: Array) -> list[Array]:
        """The statistics of each sample, of arrays of this output."""
        return self.metric.statistics(xp, y_true, y_pred)

    def value(self, sums: Array) -> Array:
        """The metric's value from its sums."""
        return self.metric.value(sums)

    def check_data(self, y_true: np.ndarray) -> None:
        """Refuse targets of this output that the metric has no meaning on."""
        self.metric.check_data(y_true)

    def sums(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Array:
        """The sums over the samples of this output; arguments are dicts of all outputs."""
        weight = self._weight_of(sample_weight)
        return self.metric.sums(self._read(y_true), self._read(y_pred), weight)

    def evaluate(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
        """The value on a whole data set at once; arguments are dicts of all outputs.

        Raises:
            MetricError: There is no such output, or the metric refuses its values.
        """
        weight = self._weight_of(sample_weight)
        return self.metric.evaluate(self._read(y_true), self._read(y_pred), weight)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch to the Keras state; arguments are dicts of all outputs."""
        weight = self._weight_of(sample_weight)
        super().update_state(self._read(y_true), self._read(y_pred), weight)

    def _read(self, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values  # read already
        if self.output in values:
            return values[self.output]
        raise MetricError(
            f"Expected an output {self.output!r}, which the metric {self.name!r} reads. Found "
            f"{sorted(values)}. Name the output layers of the model as the metrics do."
        )

    def _weight_of(self, weight: Any) -> Any:
        return weight.get(self.output) if isinstance(weight, Mapping) else weight
