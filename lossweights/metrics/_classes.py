"""What the metrics of classifiers read: classes as numbers or one-hot, scores of one or several."""

from typing import Any, ClassVar, Unpack

import numpy as np
from keras import ops

from lossweights.base.errors import MetricError
from lossweights.metrics._arrays import (
    Array,
    Namespace,
    indicator,
    namespace_of,
    of_elements,
    without_last_ones,
)
from lossweights.metrics._base import Metric, MetricArguments

_SLACK = 1e-3  # by which probabilities of half precision miss 0, 1 and a sum of 1


class ClassArguments(MetricArguments, total=False):
    """The arguments of every metric of classes, which those with further ones hand on.

    Attributes:
        from_logits: Whether predictions are logits, and not probabilities.
    """

    from_logits: bool


class ClassMetric(Metric):
    """A metric of a classifier, which gives each row, or each pixel, one class of two or more.

    Predictions are probabilities: of class 1 alone where their last axis has one channel or where
    they have the shape of class numbers, ``(batch,)``, else one for each class, ``(batch, ...,
    classes)``. Targets are class numbers from 0, with or without a last axis of size 1, or one-hot.
    Further axes are allowed, and every row weighs the same; or, with weights of the shape of the
    class numbers, every element by its own.

    Args:
        from_logits: Whether predictions are logits: what a sigmoid or softmax would be taken of.
        name, dtype: As for every `Metric`.

    Raises:
        MetricError: When it measures, if targets are no classes, or predictions no probabilities
            where they are to be.
    """

    unit: ClassVar[str] = "fraction"
    of_probabilities: ClassVar[bool] = True  # and not of their order alone

    def __init__(self, *, from_logits: bool = False, **host: Unpack[MetricArguments]) -> None:
        self.from_logits = bool(from_logits)
        super().__init__(**host)

    def align(self, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
        """Both with one channel for each class: targets one-hot, NaN where they are no class."""
        xp = namespace_of(y_pred)
        true_shape, shape = tuple(y_true.shape), tuple(y_pred.shape)
        if len(shape) == 1 or shape[-1] == 1:
            y_pred = y_pred[..., None] if len(shape) == 1 else y_pred
            y_pred = _two_channels(xp, y_pred, self.from_logits)
            shape = tuple(y_pred.shape)
        if len(true_shape) == len(shape) and true_shape[-1] == 1:
            y_true = y_true[..., 0]
        if len(y_true.shape) == len(shape) - 1:
            y_true = _one_hot(xp, y_true, shape[-1], y_pred)
        found = tuple(y_true.shape)
        fits = len(found) == len(shape) and all(
            a == b for a, b in zip(found, shape, strict=True) if None not in (a, b)
        )
        if not fits or len(shape) < 2:
            raise MetricError(
                f"Expected targets that are class numbers, of the shape of the predictions without "
                f"their classes, or one-hot, of the same shape. Found {true_shape} and "
                f"{tuple(y_pred.shape)}. Give the model one output a class, or one for two classes."
            )
        return y_true, y_pred

    def apart(
        self, xp: Namespace, y_true: Array, y_pred: Array, weight: Array
    ) -> tuple[Array, Array, Array]:
        """Each element as a row of its own, where weights are of elements; see `Metric.apart`."""
        if len(without_last_ones(weight).shape) < 2:
            return y_true, y_pred, weight
        y_true, y_pred = self.align(y_true, y_pred)
        rows = (-1, y_pred.shape[-1])
        weight = xp.reshape(of_elements(xp, weight, y_pred[..., 0]), (-1,))
        return xp.reshape(y_true, rows), xp.reshape(y_pred, rows), weight

    def evaluate(self, y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> float:
        """The value on a whole data set at once, in float64; see `Metric.evaluate`."""
        if self.of_probabilities and not self.from_logits:
            self._check_probabilities(np.asarray(ops.convert_to_numpy(y_pred)))
        return super().evaluate(y_true, y_pred, sample_weight)

    def check_data(self, y_true: np.ndarray) -> None:
        """Refuse targets that are no classes."""
        classes = y_true.shape[-1]
        one_hot = ((y_true == 0) | (y_true == 1)).all(axis=-1) & (y_true.sum(axis=-1) == 1)
        if not one_hot.all():
            where = tuple(int(i) for i in np.argwhere(~one_hot)[0])
            raise MetricError(
                f"Expected targets that are each one of {classes} classes: a number from 0 to "
                f"{classes - 1}, or one-hot. Found {int((~one_hot).sum())} that are not, the first "
                f"at {where}. For several labels a row measure each output by itself."
            )

    def probabilities(self, xp: Namespace, y_pred: Array) -> Array:
        """The probability of each class of aligned predictions."""
        if not self.from_logits:
            return y_pred
        powers = xp.exp(y_pred - xp.max(y_pred, axis=-1, keepdims=True))
        return powers / xp.sum(powers, axis=-1, keepdims=True)

    def _check_probabilities(self, y_pred: np.ndarray) -> None:
        rows = y_pred[np.isfinite(y_pred)] if y_pred.dtype.kind == "f" else y_pred
        low, high = (rows.min(), rows.max()) if rows.size else (0.0, 0.0)
        several = y_pred.ndim > 1 and y_pred.shape[-1] > 1
        sums = y_pred.sum(axis=-1) if several else np.ones(1)
        off = np.abs(sums[np.isfinite(sums)] - 1.0)
        if low < -_SLACK or high > 1 + _SLACK or (off > _SLACK * 10).any():
            found = f"values from {low:.3g} to {high:.3g}" if not off.any() else (
                f"values from {low:.3g} to {high:.3g}, whose sums over the classes are off 1 by up "
                f"to {off.max():.3g}"
            )  # fmt: skip
            raise MetricError(
                f"Expected predictions of `{self.name}` to be probabilities. Found {found}. End "
                f"the model with a sigmoid or softmax, or say from_logits=True."
            )


def first_largest(xp: Namespace, scores: Array) -> Array:
    """The class with the largest score, the first of equals, one-hot on the last axis."""
    # not argmax: Keras' needs an operation that tf.vectorized_map runs one by one
    largest = xp.equal(scores, xp.max(scores, axis=-1, keepdims=True))
    order = xp.cumsum(indicator(xp, largest, scores), axis=-1)
    return indicator(xp, xp.logical_and(largest, xp.equal(order, 1)), scores)


def decided(xp: Namespace, probabilities: Array, threshold: float | None) -> Array:
    """The class that is predicted, one-hot: the most probable, or of two by a threshold."""
    if threshold is None:
        return first_largest(xp, probabilities)
    if probabilities.shape[-1] != 2:
        raise MetricError(
            f"Expected a threshold for two classes alone. Found {probabilities.shape[-1]} classes. "
            "Leave threshold= out: the most probable class is taken."
        )
    above = indicator(xp, probabilities[..., 1:] > threshold, probabilities[..., 1:])
    return xp.concatenate([1.0 - above, above], axis=-1)


def checked_threshold(threshold: Any) -> float | None:
    """A threshold strictly between 0 and 1, or None."""
    if threshold is None:
        return None
    if not 0 < float(threshold) < 1:
        raise MetricError(
            f"Expected `threshold` between 0 and 1, both excluded, or None for the most probable "
            f"class. Found {threshold!r}. It is one of probabilities, also with from_logits=True."
        )
    return float(threshold)


def _two_channels(xp: Namespace, y_pred: Array, from_logits: bool) -> Array:
    """Scores of two classes, from that of class 1."""
    other = xp.zeros_like(y_pred) if from_logits else 1 - y_pred
    return xp.concatenate([other, y_pred], axis=-1)


def _one_hot(xp: Namespace, numbers: Array, classes: int, like: Array) -> Array:
    """Class numbers one-hot, NaN where they are none."""
    if xp is np:
        like = np.zeros((), np.result_type(like.dtype, np.float64))
    known = xp.arange(classes, dtype=like.dtype)
    same = xp.equal(numbers[..., None], known)
    row = xp.where(same, xp.ones((), like.dtype), xp.zeros((), like.dtype))
    is_one = xp.any(same, axis=-1, keepdims=True)
    return xp.where(is_one, row, xp.full((), float("nan"), dtype=like.dtype))
