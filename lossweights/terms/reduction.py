"""From values per sample to one loss: Keras' reduction, with weights and masks of every kind."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from lossweights.foreign.keras_names import mask_of
from lossweights.terms._tensors import (
    Tensor,
    as_float,
    expand_weight,
    mean_per_sample,
)


def reduce_weighted(
    per_sample: Callable[..., Tensor],
    y_true: Any,
    y_pred: Any,
    sample_weight: Tensor | None,
    reduction: str | None,
    dtype: str,
) -> Tensor:
    """Keras' reduction of ``per_sample`` with sample weights, element weights and masks.

    A Keras mask on ``y_pred`` counts as in Keras: under a mean, the valid elements share the whole
    weight. Everything per element goes into ``per_sample``; what is left is one weight per sample,
    which Keras itself applies, reduces and scales for its distribution strategy.

    Targets and predictions may be dicts of several outputs; an element then counts where no mask
    of theirs leaves it out.
    """
    precise = keras.backend.result_type(dtype, "float32")  # half precision is too coarse for means
    mask = _mask_weight(_joint_mask(y_pred), reduction, precise)
    y_true, y_pred = _tensors(y_true, precise), _tensors(y_pred, precise)
    weight, element_weight = split_weight(sample_weight, precise)
    of_samples, of_elements = split_weight(mask, precise)
    if reduction == "mean_with_sample_weight":
        # All of the weights are divided by, so all are weights of samples in the end.
        element_weight, of_elements = None, _product(element_weight, of_elements)
    if of_elements is not None:
        of_elements, mean = split_element_weight(of_elements)
        of_samples = _product(of_samples, mean)
    weight = _product(weight, of_samples)
    element_weight = _product(element_weight, of_elements)
    values = per_sample(y_true, y_pred, element_weight)
    if weight is not None:
        weight = expand_weight(weight, values)
    reduced = _AsIs(name="reduced", reduction=reduction, dtype=precise)(values, values, weight)
    return ops.cast(reduced, dtype)


def split_weight(weight: Tensor | None, dtype: str) -> tuple[Tensor | None, Tensor | None]:
    """A Keras ``sample_weight`` or mask as (one per sample or a scalar, one per element)."""
    if weight is None:
        return None, None
    weight = ops.convert_to_tensor(weight, dtype=dtype)
    while len(weight.shape) > 1 and weight.shape[-1] == 1:
        weight = ops.squeeze(weight, -1)
    return (None, weight) if len(weight.shape) > 1 else (weight, None)


def split_element_weight(element_weight: Tensor) -> tuple[Tensor, Tensor]:
    """Element weights with mean 1 in each sample, and the mean taken out, shape ``(batch,)``.

    The first are all that a ratio sees of them, such as the overlap of two masks: a common factor
    is in both of its parts. The second is how much a sample has left under a mask.
    """
    element_weight = as_float(element_weight)
    mean = mean_per_sample(element_weight)
    return ops.divide_no_nan(element_weight, expand_weight(mean, element_weight)), mean


def shared_weight(mask: Tensor, dtype: str) -> Tensor:
    """A weight of mean 1 over the batch: the valid elements stand for those that are not."""
    mask = ops.cast(mask, dtype)
    return ops.divide_no_nan(mask, ops.mean(mask))


def joint_weight(weights: Sequence[Any]) -> Any:
    """The geometric mean of the weights that several outputs have; ``None`` if none has any.

    So equal weights stay what they are, and what counts nothing for one counts nothing.

    >>> joint_weight([[1.0, 4.0, 0.0], [1.0, 9.0, 5.0]]).numpy().tolist()
    [1.0, 6.0, 0.0]
    """
    given = [weight for weight in weights if weight is not None]
    if not given or all(weight is given[0] for weight in given):
        return given[0] if given else None
    found = None
    for weight in given:
        found = _product(found, as_float(weight))
    return ops.power(found, 1 / len(given))


def valid_elements(y_pred: Any) -> Tensor | None:
    """How many elements a mean over these predictions is taken of: those that a mask leaves.

    ``None`` without a mask: then it is a mean over all samples. Means of several batches make up
    the mean of all if each counts by this number.
    """
    mask = _joint_mask(y_pred)
    return None if mask is None else ops.sum(ops.cast(mask, "float32"))


class _AsIs(keras.losses.Loss):
    """Keras' reduction alone: the values are given, not computed."""

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return y_pred


def _joint_mask(y_pred: Any) -> Tensor | None:
    """The Keras mask on predictions; of several outputs, what all of their masks leave."""
    if not isinstance(y_pred, Mapping):
        return mask_of(y_pred)
    found = None
    for output in y_pred.values():
        mask = mask_of(output)
        if mask is not None:
            found = _product(found, ops.cast(mask, "float32"))
    return found


def _tensors(values: Any, dtype: str) -> Any:
    """An array as a tensor, or a dict of them."""
    if isinstance(values, Mapping):
        return {name: _tensors(value, dtype) for name, value in values.items()}
    return ops.convert_to_tensor(values, dtype=dtype)


def _mask_weight(mask: Tensor | None, reduction: str | None, dtype: str) -> Tensor | None:
    """Keras' weights of a mask: under a mean, the valid elements stand for all of them."""
    if mask is None:
        return None
    if reduction not in ("mean", "sum_over_batch_size"):
        return ops.cast(mask, dtype)
    return shared_weight(mask, dtype)


def _product(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """The product of those weights that exist, the shorter shape padded with trailing ones."""
    if a is None or b is None:
        return b if a is None else a
    if len(a.shape) < len(b.shape):
        a, b = b, a
    return a * expand_weight(b, a)
