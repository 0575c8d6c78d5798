"""What a term is: a Keras loss that gives one value per sample, whatever the shape of its data."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import keras
from keras import ops
from keras.src.backend import get_keras_mask

from lossweights.base.errors import TermError

Tensor = Any  # a tensor of whichever backend Keras runs on, or a NumPy array


class Term(keras.losses.Loss, ABC):
    """A loss component ``L(y_true, y_pred)`` with one value per sample.

    A term is a complete Keras loss: ``model.compile(loss=term)`` works, with every reduction, with
    ``sample_weight`` of shape ``(batch,)`` and with weights or masks per element, of the shape of
    ``y_true`` without its channel axis. Inside a `CombinedLoss` it is one summand.

    Subclasses implement `per_sample` and hold their arguments; nothing else. They compute in at
    least float32, whatever the precision of the model.

    Args:
        name: Name of the loss; Keras makes one up from the class if it is ``None``.
        reduction: Keras' reduction over the batch.
        dtype: Dtype of the result, as in Keras. The computation is never below float32.
    """

    is_sum: ClassVar[bool] = False  # True for losses that combine terms: sums are not nested

    def __init__(
        self,
        *,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    @abstractmethod
    def per_sample(
        self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None = None
    ) -> Tensor:
        """The value of each sample, shape ``(batch,)``: the mean over all other axes.

        Args:
            y_true: Targets, shape ``(batch, ...)``.
            y_pred: Predictions, same shape.
            element_weight: Weight of each element, of the shape of ``y_true`` without its channel
                axis (or of its whole shape). It multiplies each element's value before the mean,
                which still divides by the number of elements, as Keras does.
        """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The values of the samples, as Keras asks for them: shape ``(batch,)``."""
        return self.per_sample(y_true, y_pred)

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> Any:
        """The loss after Keras' reduction, with sample weights, element weights and masks."""
        return reduce_weighted(
            self.per_sample, y_true, y_pred, sample_weight, self.reduction, self.dtype
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, to be completed by the subclass with its own."""
        return {**super().get_config(), "dtype": self.dtype}

    def __reduce__(self) -> tuple[Any, ...]:
        # Keras would pickle a loss as a saved model, and lose the user's functions on the way. A
        # term is its class and its arguments, which it keeps under their own names.
        parameters = inspect.signature(type(self)).parameters.values()
        names = {p.name for p in parameters if p.kind is not p.VAR_KEYWORD}
        if len(names) < len(parameters):
            names |= {"name", "reduction", "dtype"}  # what **kwargs hand on
        return _rebuild, (type(self), {name: getattr(self, name) for name in names})


def _rebuild(term: type[Term], arguments: dict[str, Any]) -> Term:
    return term(**arguments)


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
            "Reshape the targets or change the model's last layer."
        )
    return y_true, y_pred


def match_rank(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Squeeze or add a trailing axis of size 1 when only one of the two tensors has it."""
    rank_a, rank_b = len(a.shape), len(b.shape)
    if rank_a == rank_b + 1 and a.shape[-1] == 1:
        return (a, ops.expand_dims(b, -1)) if rank_b == 1 else (ops.squeeze(a, -1), b)
    if rank_b == rank_a + 1 and b.shape[-1] == 1:
        return (ops.expand_dims(a, -1), b) if rank_a == 1 else (a, ops.squeeze(b, -1))
    return a, b


def expand_weight(element_weight: Tensor, like: Tensor) -> Tensor:
    """``element_weight`` with trailing axes of size 1, so that it multiplies the tensor ``like``.

    Raises:
        TermError: Its axes are not the leading axes of ``like``.
    """
    weight = ops.cast(element_weight, like.dtype)
    while len(weight.shape) > len(like.shape) and weight.shape[-1] == 1:
        weight = ops.squeeze(weight, -1)
    missing = len(like.shape) - len(weight.shape)
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


def keras_mask(x: Tensor) -> Tensor | None:
    """The mask that a Keras layer or loss left on its output, or ``None``.

    Keras has no public name for this, and JAX arrays take no attributes: it keeps theirs aside.
    """
    return get_keras_mask(x)


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


def reduce_weighted(
    per_sample: Callable[..., Tensor],
    y_true: Tensor,
    y_pred: Tensor,
    sample_weight: Tensor | None,
    reduction: str | None,
    dtype: str,
) -> Tensor:
    """Keras' reduction of ``per_sample`` with sample weights, element weights and masks.

    A Keras mask on ``y_pred`` counts as in Keras: under a mean, the valid elements share the whole
    weight. Everything per element goes into ``per_sample``; what is left is one weight per sample,
    which Keras itself applies, reduces and scales for its distribution strategy.
    """
    precise = keras.backend.result_type(dtype, "float32")  # half precision is too coarse for means
    mask = _mask_weight(keras_mask(y_pred), reduction, precise)
    y_true = ops.convert_to_tensor(y_true, dtype=precise)
    y_pred = ops.convert_to_tensor(y_pred, dtype=precise)
    given, masked = split_weight(sample_weight, precise), split_weight(mask, precise)
    weight, element_weight = _product(given[0], masked[0]), _product(given[1], masked[1])
    if element_weight is not None:
        element_weight, mean = split_element_weight(element_weight)
        weight = _product(weight, mean)
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


def weighted_values(
    per_sample: Callable[..., Tensor], y_true: Any, y_pred: Any, element_weight: Tensor | None
) -> Tensor:
    """``per_sample`` where a sample counts as much as its elements together, also for ratios."""
    if element_weight is None:
        return per_sample(y_true, y_pred)
    relative, mean = split_element_weight(element_weight)
    return per_sample(y_true, y_pred, relative) * mean


def split_element_weight(element_weight: Tensor) -> tuple[Tensor, Tensor]:
    """Element weights with mean 1 in each sample, and the mean taken out, shape ``(batch,)``.

    So a sample counts as much as its elements together, also under terms in which a common factor
    of the weights cancels because they are ratios; and Keras' ``"mean_with_sample_weight"`` divides
    by all the weights there are.
    """
    element_weight = as_float(element_weight)
    mean = mean_per_sample(element_weight)
    return ops.divide_no_nan(element_weight, expand_weight(mean, element_weight)), mean


class _AsIs(keras.losses.Loss):
    """Keras' reduction alone: the values are given, not computed."""

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return y_pred


def _mask_weight(mask: Tensor | None, reduction: str | None, dtype: str) -> Tensor | None:
    """Keras' weights of a mask: under a mean, the valid elements stand for all of them."""
    if mask is None:
        return None
    if reduction not in ("mean", "sum_over_batch_size"):
        return ops.cast(mask, dtype)
    return shared_weight(mask, dtype)


def shared_weight(mask: Tensor, dtype: str) -> Tensor:
    """A weight of mean 1 over the batch: the valid elements stand for those that are not."""
    mask = ops.cast(mask, dtype)
    return ops.divide_no_nan(mask, ops.mean(mask))


def _product(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """The product of those weights that exist, the shorter shape padded with trailing ones."""
    if a is None or b is None:
        return b if a is None else a
    if len(a.shape) < len(b.shape):
        a, b = b, a
    return a * expand_weight(b, a)


def shapes_fit(a: Any, b: Any) -> bool:
    """Whether two static shapes agree, where an unknown size agrees with any."""
    return len(a) == len(b) and all(
        m is None or n is None or m == n for m, n in zip(a, b, strict=True)
    )


def _broadcasts(a: Any, b: Any) -> bool:
    return all(m is None or n is None or m in (1, n) for m, n in zip(a, b, strict=True))


__all__ = [
    "Tensor",
    "Term",
    "TermError",
    "as_float",
    "as_floats",
    "check_values",
    "expand_weight",
    "keras_mask",
    "match_rank",
    "mean_per_sample",
    "ops",
    "reduce_weighted",
    "shapes_fit",
    "shared_weight",
    "weighted_values",
]
