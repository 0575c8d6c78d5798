"""Metrics that read one output of a model with several."""

from collections.abc import Mapping
from typing import Any, Unpack

import keras

from lossweights.base.errors import MetricError
from lossweights.metrics._around import Around
from lossweights.metrics._base import Metric, MetricArguments


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class OnOutput(Around):
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
        self.output = output
        host["name"] = host.get("name") or f"{output}_{metric.name}"
        super().__init__(metric, **host)

    def given(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        """The arrays of this output; arguments are dicts of all outputs."""
        return self._read(y_true), self._read(y_pred), self._weight_of(sample_weight)

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
