"""The probe: terms and metrics measured on fixed data by forward passes alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops, tree
from numpy.typing import NDArray

from lossweights.loss import CombinedLoss
from lossweights.metrics import Metric

BATCH_ROWS = 2048  # forward passes only: larger batches than in training, still small in memory


@dataclass(frozen=True)
class Measurement:
    """Unweighted magnitude of each term and value of each metric, over a whole data set."""

    magnitudes: dict[str, float]
    metrics: dict[str, float]


class Probe:
    """Measures a model on one fixed data set, in inference mode, again and again.

    Magnitudes and metrics are those of the whole set, not means of batch means. The arrays are
    placed on the device once; a measurement is one compiled call for each batch of 2048 rows.

    Args:
        model: The model to measure.
        loss: The combined loss whose terms are measured; its weights play no part.
        x: Inputs, as the model takes them.
        y: Targets, as the terms take them.
        sample_weight: Weight of each sample, shape ``(batch,)``, or ``None``.
        metrics: Weight-independent metrics by name.
    """

    def __init__(
        self,
        model: keras.Model,
        loss: CombinedLoss,
        x: Any,
        y: Any,
        sample_weight: NDArray[Any] | None = None,
        metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        self._model, self._loss = model, loss
        metrics = metrics or {}
        self._streamed = {name: m for name, m in metrics.items() if m.in_graph}
        self._whole = {name: m for name, m in metrics.items() if not m.in_graph}
        self._y, self._sample_weight = y, sample_weight
        self._rows = int(tree.flatten(y)[0].shape[0])
        self._batches = [
            tree.map_structure(
                ops.convert_to_tensor, _rows((x, y, sample_weight), start), none_is_leaf=False
            )
            for start in range(0, self._rows, BATCH_ROWS)
        ]
        self._forward = compiled(self._measure_batch)

    def measure(self) -> Measurement:
        """Measure the model as it is now."""
        totals: NDArray[np.float64] | None = None
        outputs = []
        for x, y, sample_weight in self._batches:
            sums, y_pred = self._forward(x, y, sample_weight)
            batch = ops.convert_to_numpy(sums).astype(np.float64)
            totals = batch if totals is None else totals + batch
            if self._whole:
                outputs.append(tree.map_structure(ops.convert_to_numpy, y_pred))
        assert totals is not None  # a data set has at least one row
        names = list(self._loss.terms)
        magnitudes = dict(zip(names, (totals[: len(names)] / self._rows).tolist(), strict=True))
        return Measurement(magnitudes, self._metrics(totals[len(names) :], outputs))

    def _measure_batch(self, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
        """Sums over the batch of each term, then the statistics of each metric; the outputs."""
        y_pred = self._model(x, training=False)
        sums = []
        for values in self._loss.per_sample_terms(y, y_pred).values():
            weighted = (
                values
                if sample_weight is None
                else values * ops.cast(ops.reshape(sample_weight, (-1,)), values.dtype)
            )
            sums.append(ops.reshape(ops.sum(weighted), (1,)))
        for metric in self._streamed.values():
            sums.append(ops.reshape(metric.sums(y, y_pred, sample_weight), (-1,)))
        return ops.concatenate([ops.cast(s, "float32") for s in sums]), y_pred

    def _metrics(self, totals: NDArray[np.float64], outputs: list[Any]) -> dict[str, float]:
        values: dict[str, float] = {}
        start = 0
        for name, metric in self._streamed.items():
            stop = start + metric.n_statistics + 1  # the last one is the weight of the samples
            values[name] = float(metric.value(totals[start:stop]))
            start = stop
        if self._whole:
            y_pred = tree.map_structure(lambda *parts: np.concatenate(parts), *outputs)
            for name, metric in self._whole.items():
                values[name] = metric.evaluate(self._y, y_pred, self._sample_weight)
        return values


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as one graph where the Keras backend has graphs with state, else as it is."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        graph: Callable[..., Any] = tf.function(function, reduce_retracing=True)
        return graph
    return function


def _rows(arrays: Any, start: int) -> Any:
    stop = start + BATCH_ROWS
    return tree.map_structure(lambda a: a[start:stop], arrays, none_is_leaf=False)
