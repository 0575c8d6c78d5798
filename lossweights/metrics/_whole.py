"""Metrics that no sums make: what is measured on all rows at once, such as a ranking."""

from abc import abstractmethod
from typing import Any

import numpy as np

from lossweights.base.errors import MetricError
from lossweights.foreign.tracing import is_compiled_by_jax, is_described
from lossweights.metrics._arrays import Array, Namespace, is_symbolic, to_numpy, without_last_ones
from lossweights.metrics._base import Metric


class WholeMetric(Metric):
    """A metric of all rows at once, which no sums over samples make.

    `evaluate` is the number, in float64; sweeps measure it so in every trainer. As a Keras metric
    it keeps all rows of an epoch in memory and measures them anew after each batch, so that small
    validation sets suit it and long trainings do not; where a batch has no value yet, for want of a
    class perhaps, it is NaN. In a graph of TensorFlow it needs ``jit_compile=False``, on
    JAX ``run_eagerly=True``.
    """

    in_graph = False
    n_statistics = 0

    def __init__(self, **host: Any) -> None:
        super().__init__(**host)
        self._kept: list[tuple[np.ndarray, np.ndarray, np.ndarray | None]] = []

    @abstractmethod
    def measure(
        self, y_true: np.ndarray, y_pred: np.ndarray, sample_weight: np.ndarray | None
    ) -> float:
        """The value on all rows, which are aligned, finite, and of a weight above zero.

        Args:
            y_true: Targets, as `align` gives them.
            y_pred: Predictions, as `align` gives them.
            sample_weight: One weight a row, float64, or None.
        """

    def _value_of(self, y_true: np.ndarray, y_pred: np.ndarray, weight: np.ndarray | None) -> float:
        if weight is not None:
            counted = weight > 0
            y_true, y_pred, weight = y_true[counted], y_pred[counted], weight[counted]
        if not (np.isfinite(y_true).all() and np.isfinite(y_pred).all()):
            return float("nan")
        with np.errstate(all="ignore"):
            return float(self.measure(y_true, y_pred, weight))

    def statistics(self, xp: Namespace, y_true: Array, y_pred: Array) -> list[Array]:
        """There are none."""
        raise self._without_sums()

    def value(self, sums: Array) -> Array:
        """There is none."""
        raise self._without_sums()

    def sums(self, y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> Array:
        """There are none.

        Raises:
            MetricError: Always; use `evaluate`.
        """
        raise self._without_sums()

    def _without_sums(self) -> MetricError:
        return MetricError(
            f"Expected a metric that is made of sums over samples. Found `{self.name}`, which is "
            f"measured on all rows at once. Use evaluate(y_true, y_pred)."
        )

    def update_state(
        self, y_true: Array, y_pred: Array, sample_weight: Array | None = None
    ) -> None:
        """Keep the rows of a batch.

        Raises:
            MetricError: JAX compiles the training.
        """
        if is_described():
            return
        if is_compiled_by_jax(y_true, y_pred, sample_weight):
            raise MetricError(
                f"Expected a model that runs eagerly, since `{self.name}` keeps all rows, which "
                f"compiled code of JAX cannot. Found one that is compiled. Write "
                f"model.compile(..., run_eagerly=True), or measure it when the training is done: "
                f"metric.evaluate(y, model.predict(x))."
            )
        weight = [] if sample_weight is None else [sample_weight]
        if not is_symbolic(y_true, y_pred, sample_weight):
            rows = self._keep(*(to_numpy(part, "a batch") for part in (y_true, y_pred, *weight)))
        else:
            import tensorflow as tf

            rows = tf.numpy_function(
                self._keep,
                [y_true, y_pred, *weight],
                np.float32,
                name="this_metric_needs_jit_compile_False",
            )
            rows.set_shape(())
        self._total.assign([rows])  # what `result` reads, and so comes after

    def result(self) -> Array:
        """The value on all rows since the last reset; NaN where there is none yet."""
        if not is_symbolic(self._total.value):
            return self._measured(np.zeros(1))
        import tensorflow as tf

        value = tf.numpy_function(self._measured, [self._total.value], np.float32)
        value.set_shape(())
        return value

    def reset_state(self) -> None:
        """Forget the rows."""
        super().reset_state()
        self._kept.clear()

    def _keep(self, y_true: np.ndarray, y_pred: np.ndarray, *weight: np.ndarray) -> np.float32:
        self._kept.append((y_true, y_pred, weight[0] if weight else None))
        return np.float32(len(self._kept))

    def _measured(self, _: np.ndarray) -> np.float32:
        if not self._kept:
            return np.float32(np.nan)
        true, pred, weight = zip(*self._kept, strict=True)
        rows = (
            None
            if weight[0] is None
            else np.concatenate([without_last_ones(part) for part in weight])
        )
        try:
            return np.float32(self.evaluate(np.concatenate(true), np.concatenate(pred), rows))
        except (MetricError, ValueError):  # of a batch in which there is not enough yet
            return np.float32(np.nan)
