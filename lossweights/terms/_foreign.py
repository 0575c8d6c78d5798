"""Terms made of what is not a term: Keras' own losses, and functions and losses of the user."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Unpack

import keras
from keras import ops

from lossweights.base.errors import TermError
from lossweights.terms._tensors import (
    Tensor,
    as_float,
    as_floats,
    check_values,
    keras_mask,
    match_rank,
    mean_per_sample,
)
from lossweights.terms.per_sample import HostArguments, Link, Term
from lossweights.terms.reduction import shared_weight
from lossweights.terms.targets import Array, Targets

# Every loss class that Keras exports, by its name there.
BUILTINS: Mapping[str, type[keras.losses.Loss]] = {
    name: member
    for name, member in sorted(vars(keras.losses).items())
    if inspect.isclass(member)
    and issubclass(member, keras.losses.Loss)
    and member is not keras.losses.Loss
}

# Means over the last axis of a function of each element: these can be weighted element by element.
_ELEMENTWISE = frozenset(
    {
        "BinaryCrossentropy", "BinaryFocalCrossentropy", "Hinge", "Huber", "LogCosh",
        "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredError",
        "MeanSquaredLogarithmicError", "Poisson", "SquaredHinge",
    }
)  # fmt: skip

# Their targets are class numbers, of another shape than the predictions.
_CLASS_NUMBERS = frozenset({"CategoricalGeneralizedCrossEntropy", "SparseCategoricalCrossentropy"})

# The mean of the targets is their best constant prediction, as probabilities or through `_LOGITS`.
_BEST_AT_MEAN = frozenset(
    {
        "BinaryCrossentropy", "CategoricalCrossentropy", "KLDivergence", "MeanSquaredError",
        "Poisson",
    }
)  # fmt: skip

# They compare sequences or embeddings with labels: no prediction without inputs means anything.
_NO_CONSTANT = frozenset({"CTC", "Circle"})

# What predictions are under ``from_logits=True``, where it is not the logarithm of class rates.
_LOGITS: Mapping[str, Link] = {"BinaryCrossentropy": "logit", "BinaryFocalCrossentropy": "logit"}


@keras.saving.register_keras_serializable(package="lossweights")
class KerasLoss(Term):
    """One of Keras' own losses as a term, with the value of each sample that it implies.

    Args:
        loss: Name of the class in ``keras.losses``, such as ``"Huber"``.
        arguments: Arguments of that class other than ``name``, ``reduction`` and ``dtype``.
        name, reduction, dtype: As for every `Term`; the name is by default that of the Keras loss.

    Shapes: as the Keras loss takes them; the value is ``(batch,)``, the mean over all other axes.
    Elements of an ``ignore_class`` count nothing, and the others of the batch stand for them, so
    that the mean is Keras'.

    Raises:
        TermError: ``keras.losses`` has no such class, it has no such argument, or the shapes of
            ``y_true`` and ``y_pred`` do not fit.

    Source: https://keras.io/api/losses/

    >>> float(KerasLoss("Huber", {"delta": 1.0})([[0.0, 0.0]], [[1.0, 3.0]]))
    1.5
    """

    def __init__(
        self,
        loss: str,
        arguments: Mapping[str, Any] | None = None,
        **host: Unpack[HostArguments],
    ) -> None:
        if loss not in BUILTINS:
            raise TermError(
                f"Expected the name of a loss class of Keras. Found {loss!r}. "
                f"Take one of {sorted(BUILTINS)}."
            )
        arguments = dict(arguments or {})
        unknown = sorted(set(arguments) - set(_arguments(BUILTINS[loss])))
        if unknown:
            raise TermError(
                f"Expected arguments of keras.losses.{loss} among {_arguments(BUILTINS[loss])}. "
                f"Found {unknown}. Leave them out."
            )
        self._loss = BUILTINS[loss](**arguments)
        host["name"] = host.get("name") or self._loss.name
        super().__init__(**host)
        self.loss = loss
        self.arguments = arguments
        if arguments.get("from_logits"):
            self.link = _LOGITS.get(loss, "softmax")

    @classmethod
    def of(cls, loss: keras.losses.Loss, name: str | None = None) -> "KerasLoss":
        """The term of an instance of one of Keras' own loss classes."""
        arguments = _arguments(type(loss))
        # Keras leaves some arguments out of its configs (3.15: Huber's delta, CosineSimilarity's
        # axis), but keeps all of them for the call.
        known = {**loss.get_config(), **getattr(loss, "_fn_kwargs", {})}
        found = {argument: known[argument] for argument in arguments if argument in known}
        return cls(type(loss).__name__, found, name=name)

    def per_sample(
        self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None = None
    ) -> Tensor:
        """The mean over all axes but the first of what Keras gives, shape ``(batch,)``."""
        y_true, y_pred = as_float(y_true), as_float(y_pred)
        if self.loss not in _CLASS_NUMBERS | _NO_CONSTANT:
            y_true, y_pred = as_floats(y_true, y_pred)
            if len(y_pred.shape) == 1 or self._weighs_elements(element_weight, y_pred):
                # Keras takes the mean over the last axis: one of size 1 leaves the elements apart.
                y_true, y_pred = ops.expand_dims(y_true, -1), ops.expand_dims(y_pred, -1)
        found = self._loss.call(y_true, y_pred)
        values, mask = check_values(found, y_pred, self.name), keras_mask(found)
        if mask is not None:
            values = values * shared_weight(mask, values.dtype)
        return mean_per_sample(values, element_weight)

    def _weighs_elements(self, element_weight: Tensor | None, y_pred: Tensor) -> bool:
        return (
            element_weight is not None
            and len(element_weight.shape) == len(y_pred.shape)
            and self.loss in _ELEMENTWISE
            and self.arguments.get("axis", -1) == -1
        )

    def best_constant(self, targets: Targets) -> Array | None:
        """By a formula, where there is one: mean, median, or the frequency of each class."""
        if self.loss in _NO_CONSTANT:
            raise TermError(
                f"Expected terms that a constant prediction can be given to. Found {self.loss} as "
                f"the term {targets.term!r}. Pass scales={{...}} with a magnitude for every term."
            )
        if self.loss in _CLASS_NUMBERS:
            return self._sharpened(targets.class_rates(self.arguments.get("ignore_class")))
        if self.loss == "MeanAbsoluteError":
            return targets.quantile(0.5)
        return self._smoothed(targets.mean()) if self.loss in _BEST_AT_MEAN else None

    def _sharpened(self, rates: Array) -> Array:
        """The distribution ``p`` at which ``sum(rates * (1 - p**q)) / q`` is smallest.

        By Lagrange's rule ``p`` goes with ``rates**(1 / (1 - q))``, where Keras takes ``q`` from 0
        to 1. Cross-entropy is the limit of small ``q``.
        """
        if self.loss == "SparseCategoricalCrossentropy":
            return rates
        powers = rates ** (1 / (1 - self.arguments.get("q", 0.5)))
        return powers / powers.sum(axis=-1, keepdims=True)

    def _smoothed(self, rates: Array) -> Array:
        """What Keras makes of targets, and so of their mean, under ``label_smoothing``."""
        smoothing = self.arguments.get("label_smoothing") or 0.0
        answers = 2 if self.loss == "BinaryCrossentropy" else rates.shape[-1]
        return rates * (1 - smoothing) + smoothing / answers


@keras.saving.register_keras_serializable(package="lossweights")
class CustomLoss(Term):
    """A function ``(y_true, y_pred) -> values``, or a Keras loss of your own, as a term.

    A model compiled with it is saved like any with a custom loss: a function is found again if it
    is registered with ``keras.saving.register_keras_serializable()`` or passed as
    ``custom_objects``, a lambda only with ``safe_mode=False``.

    Args:
        loss: A function of targets and predictions, both of at least float32, that gives one value
            per sample or per element, with the batch as first axis; or a `keras.losses.Loss`, of
            which ``call`` is used and the reduction is not.
        name, reduction, dtype: As for every `Term`.

    Shapes: ``y_true`` and ``y_pred`` as the function takes them; the value is ``(batch,)``, the
    mean over all axes but the first.

    Raises:
        TermError: The function gives one number for the whole batch, or loses the batch axis.

    >>> from keras import ops
    >>> bias = CustomLoss(lambda y, p: ops.abs(ops.mean(y - p, axis=-1)), name="bias")
    >>> float(bias([[1.0, 3.0]], [[2.0, 3.0]]))
    0.5
    """

    def __init__(
        self,
        loss: keras.losses.Loss | Callable[[Tensor, Tensor], Tensor],
        **host: Unpack[HostArguments],
    ) -> None:
        super().__init__(**host)
        self.loss = loss

    def per_sample(
        self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None = None
    ) -> Tensor:
        """The mean over all axes but the first of what the function gives, shape ``(batch,)``."""
        y_true, y_pred = match_rank(as_float(y_true), as_float(y_pred))
        call = self.loss.call if isinstance(self.loss, keras.losses.Loss) else self.loss
        values = check_values(call(y_true, y_pred), y_pred, self.name)
        return mean_per_sample(values, element_weight)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, the function as Keras writes functions."""
        loss = keras.saving.serialize_keras_object(self.loss)
        return {**super().get_config(), "loss": loss}


@functools.cache
def builtin_functions() -> Mapping[Any, str]:
    """The class name of each of Keras' loss functions: ``mean_squared_error`` and so on."""
    return {loss().fn: name for name, loss in BUILTINS.items()}


def _arguments(loss: type[keras.losses.Loss]) -> list[str]:
    common = {"self", "name", "reduction", "dtype"}
    return [name for name in inspect.signature(loss.__init__).parameters if name not in common]
