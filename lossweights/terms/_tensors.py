"""Tensors on their way into a term: floats that are precise enough, and shapes that fit."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from lossweights.base.errors import TermError

Tensor = Any  # a tensor of whichever backend Keras runs on, or a NumPy array


def as_float(x: Tensor) -> Tensor:
    """``x`` as a tensor of at least float32: half precision, integers and booleans are cast up."""
    x = ops.convert_to_tensor(x)
    if keras.backend.standardize_dtype(x.dtype) in ("float32", "float64"):
        return x
    return ops.cast(x, "float32")


def as_floats(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    """Targets and predictions in one float dtype and one shape, as every term wants them first.

    Keras' courtesy is kept: a trailing axis of size 1 that only one of the two has is squeezed or
    added. Any other difference is refused, because broadcasting would hide it.

    Raises:
        TermError: The shapes do not fit.
    """
    y_true, y_pred = as_float(y_true), as_float(y_pred)
    if y_true.dtype != y_pred.dtype:
        y_true, y_pred = ops.cast(y_true, "float64"), ops.cast(y_pred, "float64")
    y_true, y_pred = match_rank(y_true, y_pred)
    if not shapes_fit(y_true.shape, y_pred.shape):
        raise TermError(
            "Expected predictions of the shape of the targets. "
            f"Found y_true of shape {tuple(y_true.shape)}, y_pred of shape {tuple(y_pred.shape)}. "
            f"{_how_to_fit(tuple(y_true.shape), tuple(y_pred.shape))}"
        )
    return y_true, y_pred


def _how_to_fit(true: tuple[int | None, ...], pred: tuple[int | None, ...]) -> str:
    """What to do about shapes that differ: targets may carry more than the value."""
    lead, channels = (pred[:-1], pred[-1]) if len(pred) == len(true) else (pred, 1)
    beside = len(true) > 1 and shapes_fit(true[:-1], lead) and None not in (true[-1], channels)
    if beside and true[-1] > channels:  # type: ignore[operator]
        return (
            "If y_true carries more than the target, such as a distance map, write "
            f"lw.terms.reading(term, target=slice(0, {channels})). Otherwise reshape the targets "
            "or change the model's last layer."
        )
    return "Reshape the targets or change the model's last layer."


def absolute(x: Tensor) -> Tensor:
    """``|x|``, with the slope 0 at 0 on every backend, so that what is right is not moved.

    That of ``ops.abs`` is 1 there on JAX; elsewhere it is 0, and one operation.
    """
    return x * ops.sign(x) if keras.backend.backend() == "jax" else ops.abs(x)


def match_rank(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Squeeze or add a trailing axis of size 1 when only one of the two tensors has it."""
    rank_a, rank_b = len(a.shape), len(b.shape)
    if rank_a == rank_b + 1 and a.shape[-1] == 1:
        return (a, ops.expand_dims(b, -1)) if rank_b == 1 else (ops.squeeze(a, -1), b)
    if rank_b == rank_a + 1 and b.shape[-1] == 1:
        return (ops.expand_dims(a, -1), b) if rank_a == 1 else (a, ops.squeeze(b, -1))
    return a, b


def aligned_by_output(
    y_true: Any, y_pred: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Targets and predictions by output as floats, each pair with as many axes."""
    true = {name: as_float(values) for name, values in y_true.items()}
    pred = {name: as_float(values) for name, values in y_pred.items()}
    for name in true.keys() & pred.keys():
        true[name], pred[name] = match_rank(true[name], pred[name])
    return true, pred


def shapes_fit(a: Any, b: Any) -> bool:
    """Whether two static shapes agree, where an unknown size agrees with any."""
    return len(a) == len(b) and all(
        m is None or n is None or m == n for m, n in zip(a, b, strict=True)
    )


def expand_weight(element_weight: Tensor, like: Tensor) -> Tensor:
    """``element_weight`` with trailing axes of size 1, so that it multiplies the tensor ``like``.

    Raises:
        TermError: Its axes are not the leading axes of ``like``.
    """
    weight = ops.cast(element_weight, like.dtype)
    while len(weight.shape) > len(like.shape) and weight.shape[-1] == 1:
        weight = ops.squeeze(weight, -1)
    missing = len(like.shape) - len(weight.shape)
    if len(like.shape) == 1 and missing < 0:
        raise TermError(
            "Expected one weight per sample, as there is one value for each. Found weights of "
            f"shape {tuple(weight.shape)} for values of shape {tuple(like.shape)}. Give one weight "
            "per sample, or a term with a value for each element: one without a mean over them."
        )
    if missing < 0 or not _broadcasts(weight.shape, like.shape[: len(weight.shape)]):
        raise TermError(
            "Expected weights or a mask per sample, or of the shape of the targets with or without "
            f"their last axis. Found weights of shape {tuple(weight.shape)} for values of shape "
            f"{tuple(like.shape)}. Reshape the weights, or give one weight per sample."
        )
    for _ in range(missing):
        weight = ops.expand_dims(weight, -1)
    return weight


def mean_per_sample(values: Tensor, element_weight: Tensor | None = None) -> Tensor:
    """The mean of ``values`` over all axes but the first, each times its weight: ``(batch,)``."""
    if element_weight is not None:
        values = values * expand_weight(element_weight, values)
    if len(values.shape) == 1:
        return values
    return ops.mean(values, axis=tuple(range(1, len(values.shape))))


def check_values(values: Tensor, y_pred: Tensor, name: str) -> Tensor:
    """``values`` as floats, known to have the batch as first axis: what a foreign loss gave back.

    Raises:
        TermError: It is one number for the whole batch, or its first axis is not the batch.
    """
    values = as_float(values)
    batch = y_pred.shape[0]
    if len(values.shape) == 0 or not shapes_fit(values.shape[:1], (batch,)):
        raise TermError(
            f"Expected one value per sample from the term {name!r}, shape ({batch or 'batch'},). "
            f"Found shape {tuple(values.shape)} for predictions of shape {tuple(y_pred.shape)}. "
            "Average over every axis but the first, such as ops.mean(..., axis=-1): a number for "
            "the whole batch cannot be weighted by sample."
        )
    return values


def _broadcasts(a: Any, b: Any) -> bool:
    return all(m is None or n is None or m in (1, n) for m, n in zip(a, b, strict=True))
