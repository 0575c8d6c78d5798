"""What a metric is: sums that add up over samples, and a value made of them."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, Self, TypedDict

import keras
import numpy as np
from keras import ops

from lossweights.base.arguments import SpelledOutSignature, kept_arguments, refuse_unknown
from lossweights.base.errors import MetricError
from lossweights.base.shown import call_of
from lossweights.foreign.tracing import is_traced_by_jax
from lossweights.metrics._arrays import (
    Array,
    Namespace,
    aligned,
    as_tensor,
    checked_weight,
    flat_weight,
    is_double,
    is_symbolic,
    namespace_of,
    of_elements,
    ratio,
    to_numpy,
    without_last_ones,
)
from lossweights.terms.config import read, written

Direction = Literal["minimize", "maximize"]

_CHUNK = 2**22  # elements that `evaluate` holds in float64 at a time: 32 MB an array


class MetricArguments(TypedDict, total=False):
    """The arguments of every metric, which those with further ones hand on.

    Attributes:
        name: Name in Keras' logs, by default its class's `Metric.default_name`.
        dtype: Precision of the sums in Keras, float32 at least.
    """

    name: str | None
    dtype: Any


class Metric(keras.metrics.Metric, ABC):
    """A number measured on a whole data set, free of any loss weight.

    Every sample gives a few statistics; their weighted sums over samples, `sums`, are all that
    `value` needs. Sums of batches add up, so the number of a data set is the same however it is
    cut into batches, a partial last one included: it is never a mean of batch means. One metric
    serves three ways:

    * on arrays: ``RMSE().evaluate(y_true, y_pred)``, or the function ``rmse(y_true, y_pred)``;
    * in Keras: ``model.compile(metrics=[RMSE()])`` (``weighted_metrics`` passes sample weights);
    * in a trainer's own loop: add up ``sums(...)``, then ``value(...)`` once.

    `evaluate` computes in float64: 1e-13 of float64 NumPy on a million values. `sums` and the
    Keras state use the metric's ``dtype``, float32 at least (half-precision inputs are cast up
    first; what is compared in float64 stays so until it is summed), and are within 1e-6 of it as
    long as that type holds the numbers and their squares (for float32 values of 1e-18 to 1e18);
    the state carries its rounding error along, so that an epoch of many small batches is as exact
    as one batch. Keras masks are not read.

    A prediction or target that is not finite makes the value NaN, even where a comparison with
    NaN would have passed for a good prediction, unless its sample has weight zero.

    To write a metric, set the class attributes and implement `statistics` and `value`; keep
    arguments under their own names.

    Args:
        name: Name in Keras' logs, by default `default_name`.
        dtype: Precision of the sums in Keras, float32 at least.

    Attributes:
        direction: ``"minimize"``, ``"maximize"``, or None where neither end is better.
        unit: What the value is in: ``"target"``, ``"fraction"``, ``"money"`` or ``"pixels"``.
        in_graph: Whether `sums` is made of `keras.ops` alone, and so works inside
            ``tf.function``, XLA and ``tf.vectorized_map``. The others need concrete arrays (scipy).
        unknown: What can be left out where its target is unknown: ``"elements"`` of a mean over
            them, ``"masks"`` where elements outside of both masks count nothing, or ``None`` for
            whole samples alone.
        default_name: The name in Keras' logs unless another is given.
        n_statistics: How many statistics a sample gives; `sums` has one entry more.
    """

    direction: ClassVar[Direction | None]
    unit: ClassVar[str]
    in_graph: ClassVar[bool] = True
    unknown: ClassVar[Literal["elements", "masks"] | None] = None
    default_name: ClassVar[str]
    n_statistics: ClassVar[int]
    __signature__ = SpelledOutSignature()

    def __init__(self, *, name: str | None = None, dtype: Any = None, **unknown: object) -> None:
        refuse_unknown(self, unknown)
        super().__init__(dtype=dtype, name=name or self.default_name)
        precision = "float32" if self.dtype in ("float16", "bfloat16") else self.dtype
        shape = (self.n_statistics + 1,)
        self._total = self.add_variable(shape, "zeros", dtype=precision, name="total")
        self._carry = self.add_variable(shape, "zeros", dtype=precision, name="carry")

    @abstractmethod
    def statistics(self, xp: Namespace, y_true: Array, y_pred: Array) -> list[Array]:
        """The statistics of each sample, ``n_statistics`` arrays of shape ``(batch,)``.

        Args:
            xp: The functions to compute with, `numpy` or `keras.ops`.
            y_true: Targets, shape ``(batch, ...)``, floating point.
            y_pred: Predictions, same shape and dtype.
        """

    @abstractmethod
    def value(self, sums: Array) -> Array:
        """The metric's value from the sums of any number of samples; NaN if there are none.

        Args:
            sums: Shape ``(..., S)``, numpy or tensor; leading axes (models, say) are kept.
        """

    def sums(self, y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> Array:
        """The weighted sums of the statistics over the samples; the last entry is the weight.

        Args:
            y_true: Targets, shape ``(batch, ...)``.
            y_pred: Predictions, same shape (a last axis of size 1 may be missing in one of them).
            sample_weight: One weight a sample, shape ``(batch,)`` or ``(batch, 1)``; a sample of
                weight zero has no part in the sums, whatever its values. Or one an element; see
                `apart`.

        Returns:
            A tensor of shape ``(S,)``, ``S = n_statistics + 1``.

        Raises:
            MetricError: If shapes differ, if weights of elements have no meaning here, or if the
                metric is not ``in_graph`` and the tensors have no values yet.
        """
        kept = self._total.dtype
        if not self.in_graph:
            return ops.convert_to_tensor(self._sums_on_host(y_true, y_pred, sample_weight), kept)
        tensors = [as_tensor(y) for y in (y_true, y_pred)]
        dtype = keras.backend.result_type(kept, *(t.dtype for t in tensors if is_double(t)))
        y_true, y_pred = self.align(*(ops.cast(tensor, dtype) for tensor in tensors))
        if sample_weight is not None:
            weight = ops.cast(ops.convert_to_tensor(sample_weight), dtype)
            y_true, y_pred, weight = self.apart(ops, y_true, y_pred, weight)
            sample_weight = flat_weight(weight, y_true.shape[0])
        return ops.cast(self._weighted_sums(ops, y_true, y_pred, sample_weight), kept)

    def evaluate(self, y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> float:
        """The value on a whole data set at once, in float64; the Keras state is not touched.

        Args:
            y_true: Targets, shape ``(samples, ...)``: array, list or tensor.
            y_pred: Predictions, same shape (a last axis of size 1 may be missing in one of them).
            sample_weight: One weight a sample, shape ``(samples,)`` or ``(samples, 1)``; or one an
                element, see `apart`.

        Raises:
            MetricError: If there is no data, shapes differ, weights are negative, not finite or
                all zero, or the metric has no meaning on these values, or none with weights of
                elements.
        """
        y_true, y_pred = self.align(to_numpy(y_true, "y_true"), to_numpy(y_pred, "y_pred"))
        if y_true.size == 0:
            raise MetricError(
                f"Expected at least one value to measure `{self.name}` on. "
                f"Found arrays of shape {y_true.shape}."
            )
        weight = None
        if sample_weight is not None:
            given = to_numpy(sample_weight, "sample_weight")
            y_true, y_pred, given = self.apart(np, y_true, y_pred, given)
            weight = checked_weight(given, len(y_true))
        self.check_data(y_true if weight is None else y_true[weight > 0])
        return self._value_of(y_true, y_pred, weight)

    def _value_of(self, y_true: np.ndarray, y_pred: np.ndarray, weight: np.ndarray | None) -> float:
        """The value of aligned arrays that have passed all checks."""
        samples = len(y_true)
        total = np.zeros(self.n_statistics + 1)
        step = max(1, _CHUNK // (y_true.size // samples))
        for start in range(0, samples, step):
            part = slice(start, start + step)
            total += self._sums_on_host(
                y_true[part], y_pred[part], None if weight is None else weight[part]
            )
        return float(self.value(total))

    def align(self, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
        """Targets and predictions in the shapes that `statistics` takes: by default one shape.

        What is aligned already stays as it is.

        Raises:
            MetricError: They do not fit each other.
        """
        return aligned(y_true, y_pred)

    def apart(
        self, xp: Namespace, y_true: Array, y_pred: Array, weight: Array
    ) -> tuple[Array, Array, Array]:
        """What weights of elements weigh, as samples: aligned arrays, and weights ``(samples,)``.

        Weights of rows change nothing. Those of elements, of the shape of the targets with or
        without the last axis, have a meaning where the metric is a mean over elements: it is then
        the sum of weight times value over the sum of the weights.

        Raises:
            MetricError: The metric is no mean over elements, or the shapes do not fit.
        """
        if len(without_last_ones(weight).shape) < 2:
            return y_true, y_pred, weight
        if self.unknown != "elements":
            raise MetricError(
                f"Expected one weight for each row for the metric `{self.name}`, which is no mean "
                f"over elements. Found weights of shape {tuple(weight.shape)} for targets of shape "
                f"{tuple(y_true.shape)}. Take a mean over elements, such as RMSE or MAE, or leave "
                f"the weights out where it is measured: val=(x, y)."
            )
        weight = of_elements(xp, weight, y_true)
        return tuple(xp.reshape(each, (-1,)) for each in (y_true, y_pred, weight))

    def check_data(self, y_true: np.ndarray) -> None:
        """Refuse targets that the metric has no meaning on. The default accepts all."""

    def update_state(
        self, y_true: Array, y_pred: Array, sample_weight: Array | None = None
    ) -> None:
        """Add a batch to the Keras state; arguments as in `sums`.

        A metric that is not ``in_graph`` leaves a TensorFlow graph for this step through
        ``tf.numpy_function``, which XLA cannot compile: where Keras uses XLA (on GPUs it does by
        itself) compile the model with ``jit_compile=False``. Other backends need nothing.
        """
        self.add(self.batch_sums(y_true, y_pred, sample_weight))

    def batch_sums(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Array:
        """The sums of a batch, outside of the graph where the metric cannot be in it."""
        if not self.in_graph and is_symbolic(y_true, y_pred, sample_weight):
            return self._sums_from_graph(y_true, y_pred, sample_weight)
        if not self.in_graph and is_traced_by_jax(y_true, y_pred, sample_weight):
            return self._sums_from_jax(y_true, y_pred, sample_weight)
        return self.sums(y_true, y_pred, sample_weight)

    def add(self, batch: Array) -> None:
        """Add the sums of a batch to the Keras state."""
        batch = ops.cast(batch, self._total.dtype)
        # Kahan's compensated summation: what the addition rounds away is kept for the next one
        addend = batch - self._carry
        total = self._total + addend
        lost = (total - self._total) - addend
        self._carry.assign(ops.where(ops.isfinite(lost), lost, ops.zeros_like(lost)))
        self._total.assign(total)

    def result(self) -> Array:
        """The value over all batches since the last reset, a scalar tensor; NaN if none."""
        return self.value(ops.convert_to_tensor(self._total))

    def __repr__(self) -> str:
        return call_of(self)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; a metric among them as Keras writes objects."""
        return {**super().get_config(), **written(kept_arguments(self))}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The metric that `get_config` described."""
        return cls(**read(config))

    def _weighted_sums(
        self, xp: Namespace, y_true: Array, y_pred: Array, weight: Array | None
    ) -> Array:
        """The sums of statistics of aligned arrays in one floating dtype."""
        columns = self.statistics(xp, y_true, y_pred)
        table = xp.stack([*columns, xp.ones_like(columns[0])], axis=0)
        # a comparison with NaN is False, which could pass for a good prediction
        finite = xp.logical_and(xp.isfinite(y_true), xp.isfinite(y_pred))
        sound = xp.all(finite, axis=tuple(range(1, len(y_true.shape))))
        table = xp.where(sound[None], table, float("nan"))
        if weight is not None:
            table = xp.where(xp.equal(weight, 0)[None], 0.0, table * weight[None])
        return xp.sum(table, axis=-1)  # the innermost axis: summed pairwise, hence accurately

    def _sums_on_host(
        self, y_true: Array, y_pred: Array, sample_weight: Array | None
    ) -> np.ndarray:
        """The sums of concrete arrays, in float64."""
        y_true, y_pred = self.align(to_numpy(y_true, "y_true"), to_numpy(y_pred, "y_pred"))
        if sample_weight is not None:
            weight = to_numpy(sample_weight, "sample_weight").astype(np.float64)
            y_true, y_pred, weight = self.apart(np, y_true, y_pred, weight)
            sample_weight = flat_weight(weight, len(y_true))
        with np.errstate(all="ignore"):  # what is not finite shows in the value
            return self._weighted_sums(
                np, y_true.astype(np.float64), y_pred.astype(np.float64), sample_weight
            )

    def _sums_from_graph(self, y_true: Array, y_pred: Array, sample_weight: Array | None) -> Array:
        """The sums of tensors of a TensorFlow graph, computed outside of it when it runs."""
        import tensorflow as tf

        y_true, y_pred = aligned(tf.convert_to_tensor(y_true), tf.convert_to_tensor(y_pred))
        weight = [] if sample_weight is None else [sample_weight]

        def on_host(true: np.ndarray, pred: np.ndarray, *weight: np.ndarray) -> np.ndarray:
            sums = self._sums_on_host(true, pred, weight[0] if weight else None)
            return sums.astype(self._total.dtype)

        # XLA's refusal names the operation, so the name says what to do
        sums = tf.numpy_function(
            on_host,
            [y_true, y_pred, *weight],
            self._total.dtype,
            name="this_metric_needs_jit_compile_False",
        )
        sums.set_shape(self._total.shape)
        return sums

    def _sums_from_jax(self, y_true: Array, y_pred: Array, sample_weight: Array | None) -> Array:
        """The sums of what JAX compiles, computed outside of it when it runs."""
        import jax

        weight = [] if sample_weight is None else [sample_weight]
        like = jax.ShapeDtypeStruct(tuple(self._total.shape), self._total.dtype)

        def on_host(*given: Array) -> np.ndarray:
            true, pred, *rest = map(np.asarray, given)
            return self._sums_on_host(true, pred, rest[0] if rest else None).astype(like.dtype)

        return jax.pure_callback(on_host, like, *aligned(y_true, y_pred), *weight)


class MeanMetric(Metric):
    """A metric that is the weighted mean over samples of its one statistic."""

    n_statistics = 1

    def value(self, sums: Array) -> Array:
        """The mean of the statistic over the samples."""
        return ratio(namespace_of(sums), sums[..., 0], sums[..., -1])
