"""Arrays on their way into a metric: conversion, checks of shape, and a division that is defined.

Each formula is written once, for the functions that `numpy` and `keras.ops` share. The argument
``xp`` is the one in use: `numpy` in float64 on whole data sets, `keras.ops` inside a graph.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from lossweights.base.errors import MetricError

Array = Any  # a numpy array, or a tensor of whichever backend Keras runs on
Namespace = Any  # numpy or keras.ops


def namespace_of(x: Array) -> Namespace:
    """`numpy` for numpy arrays, `keras.ops` for tensors."""
    return np if isinstance(x, (np.ndarray, np.generic)) else ops


def to_numpy(x: Array, what: str) -> np.ndarray:
    """A tensor, list or array as a numpy array of numbers, in the precision that it has."""
    if is_symbolic(x):
        raise MetricError(
            f"Expected `{what}` to have values. Found a tensor of a graph that has not run. Inside "
            "a graph use a metric whose `in_graph` is True, or call `evaluate()` outside of it."
        )
    if isinstance(x, Mapping):
        raise MetricError(
            f"Expected `{what}` to be one array of numbers. Found the outputs {sorted(x)}. Say "
            f"which one the metric reads: lw.metrics.on({min(x, default='output')!r}, metric)."
        )
    try:
        if ops.is_tensor(x) and keras.backend.standardize_dtype(x.dtype) == "bfloat16":
            x = ops.cast(x, "float32")  # NumPy has no bfloat16 of its own: TensorFlow's warns
        array = np.asarray(ops.convert_to_numpy(x))
        numeric = array.dtype.kind in "biuf" or np.can_cast(array.dtype, np.float64)
    except (TypeError, ValueError) as error:
        raise MetricError(
            f"Expected `{what}` to be an array of numbers. Found {type(x).__name__}, which cannot "
            f"become one ({type(error).__name__}). Convert it; inside a compiled function use a "
            "metric whose `in_graph` is True."
        ) from error
    if not numeric:
        raise MetricError(
            f"Expected `{what}` to be an array of numbers. Found dtype {array.dtype}. Convert it."
        )
    return array


def aligned(y_true: Array, y_pred: Array) -> tuple[Array, Array]:
    """Targets and predictions of one shape; a last axis of size 1 that only one has is dropped.

    Targets ``(batch,)`` beside predictions ``(batch, 1)`` are everyday in Keras, and would
    otherwise broadcast to ``(batch, batch)`` without a word.
    """
    true_shape, pred_shape = tuple(y_true.shape), tuple(y_pred.shape)
    if len(true_shape) == len(pred_shape) + 1 and true_shape[-1] == 1:
        y_true = y_true[..., 0]
    elif len(pred_shape) == len(true_shape) + 1 and pred_shape[-1] == 1:
        y_pred = y_pred[..., 0]
    shapes = tuple(y_true.shape), tuple(y_pred.shape)
    known = zip(*shapes, strict=False)
    if len(shapes[0]) != len(shapes[1]) or any(a != b for a, b in known if None not in (a, b)):
        raise MetricError(
            "Expected `y_true` and `y_pred` of the same shape. "
            f"Found {true_shape} and {pred_shape}. {_how_to_fit(true_shape, pred_shape)}"
        )
    if not shapes[0]:
        raise MetricError("Expected arrays of shape (batch, ...). Found a single number. Wrap it.")
    return y_true, y_pred


def _how_to_fit(true: tuple[int | None, ...], pred: tuple[int | None, ...]) -> str:
    """What to do about shapes that differ: targets may carry more than the value."""
    channels = pred[-1] if len(pred) == len(true) else 1
    beside = len(true) > 1 and true[:-1] in (pred[:-1], pred) and None not in (true[-1], channels)
    if beside and true[-1] > channels:  # type: ignore[operator]
        return (
            f"If y_true carries more than the target, such as a distance map, write "
            f"lw.metrics.reading(metric, target=slice(0, {channels})). If classes, make them "
            f"one-hot."
        )
    return "Reshape one of them (one-hot if classes)."


def flat_weight(sample_weight: Array, samples: int | None) -> Array:
    """Sample weights as shape ``(batch,)``, from ``(batch,)`` or ``(batch, 1)``."""
    shape = tuple(sample_weight.shape)
    flat = sample_weight[..., 0] if len(shape) == 2 and shape[1] == 1 else sample_weight
    if len(flat.shape) != 1 or (None not in (flat.shape[0], samples) and flat.shape[0] != samples):
        raise MetricError(
            f"Expected `sample_weight` of shape ({samples},) or ({samples}, 1), one weight a "
            f"sample. Found {shape}. Give one weight for each row of the targets."
        )
    return flat


def without_last_ones(weight: Array) -> Array:
    """Weights without axes of size 1 behind: those of rows have one axis, of elements more."""
    while len(weight.shape) > 1 and weight.shape[-1] == 1:
        weight = weight[..., 0]
    return weight


def of_elements(xp: Namespace, weight: Array, like: Array) -> Array:
    """Weights of the leading axes of ``like``, repeated along the others: of its shape.

    Raises:
        MetricError: They do not fit; the message says which weights would.
    """
    weight = without_last_ones(weight)
    sizes = tuple(like.shape)
    pairs = zip(weight.shape, sizes, strict=False)
    if len(weight.shape) > len(sizes) or any(a != b for a, b in pairs if None not in (a, b)):
        raise MetricError(
            f"Expected weights of rows, or of elements: of the shape of what is weighed, {sizes}, "
            f"with or without its last axis. Found {tuple(weight.shape)}. Reshape the weights."
        )
    behind = (1,) * (len(sizes) - len(weight.shape))
    shape = (-1, *(int(size) for size in weight.shape[1:]), *behind)
    return xp.reshape(weight, shape) * xp.ones_like(like)


def checked_weight(sample_weight: Array, samples: int) -> np.ndarray:
    """Sample weights as a float64 array ``(batch,)`` with a positive sum and nothing below zero."""
    weight = flat_weight(to_numpy(sample_weight, "sample_weight"), samples).astype(np.float64)
    if not np.isfinite(weight).all() or (weight < 0).any() or weight.sum() == 0:
        raise MetricError(
            "Expected `sample_weight` to be finite, not negative, and positive somewhere. "
            f"Found a smallest weight of {weight.min()} and a sum of {weight.sum()}."
        )
    return weight


def per_sample_mean(xp: Namespace, x: Array) -> Array:
    """The mean over every axis but the first, shape ``(batch,)``."""
    return xp.mean(x, axis=tuple(range(1, len(x.shape))))


def indicator(xp: Namespace, condition: Array, like: Array) -> Array:
    """One where the condition holds and zero elsewhere, in the dtype of ``like``."""
    return xp.where(condition, xp.ones_like(like), xp.zeros_like(like))


def ratio(xp: Namespace, numerator: Array, denominator: Array) -> Array:
    """The quotient, and NaN (never an error, never infinity) where the denominator is zero."""
    nonzero = xp.not_equal(denominator, 0)
    safe = xp.where(nonzero, denominator, xp.ones_like(denominator))
    return xp.where(nonzero, numerator / safe, float("nan"))


def as_tensor(x: Array) -> Array:
    """A tensor of the precision that the numbers have: that of NumPy, where they have none."""
    return ops.convert_to_tensor(x if ops.is_tensor(x) else np.asarray(x))


def is_double(tensor: Array) -> bool:
    """Whether a tensor holds numbers that float32 would round."""
    return keras.backend.standardize_dtype(tensor.dtype) == "float64"


def is_symbolic(*tensors: Array) -> bool:
    """Whether any of these is a tensor of a TensorFlow graph, which has no value yet."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return any(tf.is_symbolic_tensor(x) for x in tensors if x is not None)
