"""The probe: terms and metrics measured on fixed data by forward passes alone."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops, tree
from numpy.typing import NDArray

from lossweights.base.errors import DataError
from lossweights.loss.combined import CombinedLoss
from lossweights.metrics import Metric
from lossweights.terms import OnOutput

BATCH_ROWS = 2048  # forward passes only: larger batches than in training, still small in memory
BATCH_ELEMENTS = 1 << 21  # of inputs and targets: fewer rows at a time where a row is an image


@dataclass(frozen=True)
class Measurement:
    """Unweighted magnitude of each term and value of each metric, over a whole data set."""

    magnitudes: dict[str, float]
    metrics: dict[str, float]


class Probe:
    """Measures a model on one fixed data set, in inference mode, again and again.

    Magnitudes and metrics are those of the whole set, not means of batch means. The arrays are
    placed on the device once; a measurement is one compiled call for each batch of 2048 rows, of
    fewer where rows are large.

    Args:
        model: The model to measure.
        loss: The combined loss whose terms are measured; its weights play no part.
        x: Inputs, as the model takes them.
        y: Targets, as the terms take them, or as ``fit`` does for several outputs.
        sample_weight: Weights as given to ``fit``, or ``None``.
        metrics: Weight-independent metrics by name.
    """

    def __init__(
        self,
        model: keras.Model,
        loss: CombinedLoss,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        self._model, self._loss = model, loss
        metrics = metrics or {}
        self._streamed = {name: m for name, m in metrics.items() if m.in_graph}
        self._whole = {name: m for name, m in metrics.items() if not m.in_graph}
        y, sample_weight = (
            values_by_output(model, loss, y),
            values_by_output(model, loss, sample_weight),
        )
        self._y, self._sample_weight = y, sample_weight
        self._rows = count_rows(y)
        step = _batch_rows(x, y)
        self._batches = [
            placed(rows((x, y, sample_weight), slice(start, start + step)))
            for start in range(0, self._rows, step)
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
        y_pred = values_by_output(self._model, self._loss, self._model(x, training=False))
        n = ops.cast(ops.shape(tree.flatten(y)[0])[0], "float32")
        sums = [
            ops.reshape(ops.cast(mean, "float32") * n, (1,))
            for mean in self._loss.components(y, y_pred, sample_weight).values()
        ]
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

        graph: Callable[..., Any] = tf.function(
            # A partial stands for itself. Traces of a method would be counted over all probes of
            # a process, and TensorFlow would warn of the tenth.
            functools.partial(function),
            reduce_retracing=True,
            autograph=False,  # as in Keras: rewriting the sources takes seconds, changes nothing
        )
        return graph
    return function


def values_by_output(model: keras.Model, loss: CombinedLoss, values: Any) -> Any:
    """Targets, outputs or weights as the terms read them: a dict if they name their outputs.

    ``fit`` takes the targets of several outputs as a list too, and functional models give their
    outputs as one. One weight for all outputs stays what it is.
    """
    if isinstance(values, Mapping) or values is None:
        return values
    read = [term.output for term in loss.terms.values() if isinstance(term, OnOutput)]
    if not read:
        return values
    listed = list(values) if isinstance(values, list | tuple) else [values]
    names = getattr(model, "output_names", None) or dict.fromkeys(read)  # a Sequential has no names
    if len(names) > len(listed) == 1:
        return values
    return dict(zip(names, listed, strict=True))


def as_arrays(what: str, data: Any) -> tuple[Any, Any, Any]:
    """``(x, y)`` or ``(x, y, sample_weight)`` as three entries of arrays of one length.

    Raises:
        DataError: It is something else, empty, or of different lengths.
    """
    if not isinstance(data, tuple) or len(data) not in (2, 3):
        raise DataError(
            f"Expected {what}=(x, y) or (x, y, sample_weight) as arrays. Found "
            f"{type(data).__name__}. From a tf.data.Dataset take some rows: "
            f"next(iter(dataset.unbatch().batch(1024)))."
        )
    arrays = tree.map_structure(lambda a: a if a is None else np.asarray(a), data)
    lengths = {a.shape[:1] for a in tree.flatten(arrays) if a is not None}
    if len(lengths) != 1 or lengths & {(), (0,)}:
        raise DataError(
            f"Expected arrays of one length above 0 in {what}. Found lengths {sorted(lengths)}. "
            f"Align x, y and sample_weight row by row."
        )
    x, y, *rest = arrays
    return x, y, rest[0] if rest else None


def placed(arrays: Any) -> Any:
    """Arrays as tensors on the device; ``None`` stays."""
    return tree.map_structure(
        lambda a: a if a is None else ops.convert_to_tensor(a), arrays, none_is_leaf=True
    )


def rows(arrays: Any, which: slice | NDArray[np.int64]) -> Any:
    """Some rows of all arrays; ``None`` stays."""
    return tree.map_structure(lambda a: a if a is None else a[which], arrays, none_is_leaf=True)


def spread(arrays: Any, most: int) -> Any:
    """At most so many rows of all arrays, evenly spaced, so that an order in time is covered."""
    n = count_rows(arrays)
    if n <= most:
        return arrays
    return rows(arrays, np.linspace(0, n - 1, most).round().astype(np.int64))


def count_rows(arrays: Any) -> int:
    """The length of the first axis of the first array."""
    return int(tree.flatten(arrays)[0].shape[0])


def _batch_rows(x: Any, y: Any) -> int:
    elements = sum(math.prod(array.shape[1:]) for array in tree.flatten((x, y)))
    return min(BATCH_ROWS, max(1, BATCH_ELEMENTS // max(1, elements)))
