"""The probe: terms and metrics measured on fixed data by forward passes alone."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops, tree
from numpy.typing import NDArray

from lossweights.base.errors import DataError
from lossweights.loss.combined import CombinedLoss
from lossweights.metrics import Metric
from lossweights.terms.reduction import valid_elements
from lossweights.terms.summands import elements_known, terms_by_output
from lossweights.watch.inference import (
    STATISTICS_ROWS,
    OwnLosses,
    batch_statistics,
    normalizing_layers,
    outputs_of,
    refuse_carried_state,
)
from lossweights.watch.reading import Reading

BATCH_ROWS = 2048  # forward passes only: larger batches than in training, still small in memory
ROUNDING = 1e-5  # of float32 sums: less is no difference
BATCH_ELEMENTS = 1 << 21  # of inputs and targets: fewer rows at a time where a row is an image


@dataclass(frozen=True)
class Measurement:
    """Unweighted magnitude of each term and value of each metric, over a whole data set.

    Among the magnitudes are those of the losses that a compiled model has for other outputs.
    """

    magnitudes: dict[str, float]
    metrics: dict[str, float]


class Probe:
    """Measures a model on one fixed data set, in inference mode, again and again.

    Magnitudes and metrics are those of the whole set, not means of batch means; under a Keras mask
    magnitudes are means over all valid elements. The model stays as it is. The arrays are placed on
    the device once; a measurement is one compiled call for each batch of 2048 rows, of fewer where
    rows are large.

    Args:
        model: The model to measure.
        loss: The combined loss whose terms are measured; its weights play no part.
        x: Inputs, as the model takes them.
        y: Targets, as the terms take them, or as ``fit`` does for several outputs.
        sample_weight: Weights as given to ``fit``, or ``None``.
        metrics: Weight-independent metrics by name.
        as_trained: Whether batch normalisation takes its statistics from the rows, as in training,
            and not its moving averages, as in use; see `batch_statistics`.
        reading: Where the terms read and what is added to them, if that is known already.

    Raises:
        ModelError: The model carries state from batch to batch.
    """

    def __init__(
        self,
        model: keras.Model,
        loss: CombinedLoss,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        metrics: Mapping[str, Metric] | None = None,
        *,
        as_trained: bool = False,
        reading: Reading | None = None,
    ) -> None:
        refuse_carried_state(model)
        self._model, self._loss = model, loss
        self._reading = reading or Reading(model, loss)
        metrics = metrics or {}
        self._streamed = {name: m for name, m in metrics.items() if m.in_graph}
        self._whole = {name: m for name, m in metrics.items() if not m.in_graph}
        self._y, self._sample_weight = map(self._reading.of_terms, (y, sample_weight))
        step = _batch_rows(x, y)
        self._batches = [
            placed(rows((x, y, sample_weight), slice(start, start + step)))
            for start in range(0, count_rows(y), step)
        ]
        self._forward = compiled(self._measure_batch)
        self._moving: list[keras.Variable] = []
        self._statistics: Callable[[], Any] = list
        if as_trained and normalizing_layers(model):
            seen = placed(spread(x, STATISTICS_ROWS))
            self._statistics = compiled(lambda: [v for _, v in batch_statistics(model, seen)])
            self._moving += [variable for variable, _ in batch_statistics(model, seen)]

    def measure(self) -> Measurement:
        """Measure the model as it is now."""
        totals: NDArray[np.float64] | None = None
        outputs = []
        statistics = self._statistics()
        for x, y, sample_weight in self._batches:
            sums, y_pred = self._forward(x, y, sample_weight, statistics)
            batch = ops.convert_to_numpy(sums).astype(np.float64)
            totals = batch if totals is None else totals + batch
            if self._whole:
                outputs.append(tree.map_structure(ops.convert_to_numpy, y_pred))
        assert totals is not None  # a data set has at least one row
        names = [*self._loss.terms, *self._reading.others]
        k = len(names)
        with np.errstate(invalid="ignore"):  # nothing was valid: undefined
            means = totals[:k] / totals[k : 2 * k]
        magnitudes = dict(zip(names, means.tolist(), strict=True))
        return Measurement(magnitudes, self._metrics(totals[2 * k :], outputs))

    def _measure_batch(
        self, x: Any, y: Any, sample_weight: Any, statistics: Sequence[Any]
    ) -> tuple[Any, Any]:
        """Over the batch: the sum of each term, what each is a sum of, statistics; the outputs."""
        moving = list(zip(self._moving, statistics, strict=True))
        with self._reading.gathering():
            outputs = outputs_of(self._model, x, moving)
            means = self._reading.components(y, outputs, sample_weight)
        y, y_pred, sample_weight = map(self._reading.of_terms, (y, outputs, sample_weight))
        counts = self._counts(y, y_pred, outputs)
        sums = [
            ops.reshape(ops.cast(mean, "float32") * counts[name], (1,))
            for name, mean in means.items()
        ]
        sums += [ops.reshape(counts[name], (1,)) for name in means]
        for metric in self._streamed.values():
            sums.append(ops.reshape(metric.sums(y, y_pred, sample_weight), (-1,)))
        return ops.concatenate([ops.cast(s, "float32") for s in sums]), y_pred

    def _counts(self, y: Any, y_pred: Any, outputs: Any) -> dict[str, Any]:
        """How many rows, or valid or known elements, each mean is taken over.

        Of the terms, which read ``y_pred``, and of other losses, which read the ``outputs``.
        """
        rows = ops.cast(ops.shape(tree.flatten(y)[0])[0], "float32")
        counts = {}
        known = elements_known(self._loss.terms, y)
        for part in terms_by_output(self._loss.terms):
            valid = valid_elements(part.read(y_pred, "y_pred"))
            counts.update(dict.fromkeys(part.terms, rows if valid is None else valid))
        counts.update({name: count for name, count in known.items() if count is not None})
        for name in self._reading.others:
            valid = valid_elements(self._reading.of_other(name, outputs))
            counts[name] = rows if valid is None else valid
        return counts

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


class OwnProbe:
    """Measures the losses that a model adds by itself, on fixed inputs.

    Args:
        own: The losses; there are some.
        x: Inputs.
        as_trained: Whether batch normalisation takes its statistics from the rows, as in training.
    """

    def __init__(self, own: OwnLosses, x: Any, *, as_trained: bool = False) -> None:
        self._x, self._rows = placed(x), count_rows(x)
        self._measured = compiled(own.measure_as_trained if as_trained else own.measure)
        self._fixed = self._a_row = math.nan

    def measure(self) -> None:
        """Measure the model as it is now."""
        self._fixed, self._a_row = (float(part) for part in self._measured(self._x))

    def of_batch(self, batch_rows: int | None) -> float:
        """What they came to, for a batch of so many rows, or of all those measured."""
        return self._fixed + self._a_row * (batch_rows or self._rows)

    @property
    def depends_on_rows(self) -> bool:
        """Whether they depend on how many rows a batch has, by more than rounding."""
        return abs(self._a_row) * self._rows > ROUNDING * abs(self._fixed)


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
