"""Terms made of what is not a term: Keras' own losses, and functions and losses of the user."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

import keras
import numpy as np
from keras import ops

from lossweights.base.errors import TermError
from lossweights.foreign.keras_names import call_arguments, mask_of
from lossweights.terms._pointwise import Huber, MeanAbsoluteError, MeanSquaredError
from lossweights.terms._tensors import (
    Tensor,
    aligned_by_output,
    as_float,
    as_floats,
    check_values,
    match_rank,
    mean_per_sample,
)
from lossweights.terms.config import written_function
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
# One number for the whole batch, unless an axis says what a sample is; ours by the same names.
_OF_A_BATCH: Mapping[str, str] = {
    "Dice": "lw.terms.Dice()",
    "Tversky": "lw.terms.Tversky(alpha=PRICE_OF_FALSE_POSITIVES, beta=PRICE_OF_MISSES)",
}

# Absolute values, whose slope where there is no error is 0; that of JAX, left alone, is 1.
_ABSOLUTE = frozenset({"MeanAbsoluteError", "MeanAbsolutePercentageError"})

# The same losses as terms of lossweights, argument by argument.
OWN: Mapping[str, type[Term]] = {
    "Huber": Huber,
    "MeanAbsoluteError": MeanAbsoluteError,
    "MeanSquaredError": MeanSquaredError,
}

# They compare sequences or embeddings with labels: no prediction without inputs means anything.
_NO_CONSTANT = frozenset({"CTC", "Circle"})

# What predictions are under ``from_logits=True``, where it is not the logarithm of class rates.
_LOGITS: Mapping[str, Link] = {"BinaryCrossentropy": "logit", "BinaryFocalCrossentropy": "logit"}


@keras.saving.register_keras_serializable(package="lossweights")
class KerasLoss(Term):
    """One of Keras' own losses as a term, with the value of each sample that it implies.

    Args:
        loss: Name of the class in ``keras.losses``, such as ``"Huber"``.
        arguments: Arguments of that class other than ``name``, ``reduction`` and ``dtype``. Those
            that are the class's own defaults need not be given, and are not kept.
        name, reduction, dtype: As for every `Term`; the name is by default that of the Keras loss.

    Shapes: as the Keras loss takes them; the value is ``(batch,)``, the mean over all other axes.
    Elements of an ``ignore_class`` count nothing, and the others of the batch stand for them, so
    that the mean is Keras'.

    Keras' ``Dice`` and ``Tversky`` need an ``axis`` without the batch, since they are one number
    for all samples otherwise: `lossweights.terms.Dice` and `lossweights.terms.Tversky` need none.

    Raises:
        TermError: ``keras.losses`` has no such class, it has no such argument; or when it is
            called, it has one number for the whole batch, or the shapes of ``y_true`` and
            ``y_pred`` do not fit.

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
        arguments = {name: _plain(value) for name, value in (arguments or {}).items()}
        defaults = _arguments(BUILTINS[loss])
        unknown = sorted(set(arguments) - set(defaults))
        if unknown:
            raise TermError(
                f"Expected arguments of keras.losses.{loss} among {list(defaults)}. "
                f"Found {unknown}. Leave them out."
            )
        self._loss = BUILTINS[loss](**arguments)
        host["name"] = host.get("name") or self._loss.name
        super().__init__(**host)
        self.loss = loss
        self.arguments = {k: v for k, v in arguments.items() if not _same(v, defaults[k])}
        if arguments.get("from_logits"):
            self.link = _LOGITS.get(loss, "softmax")

    def per_sample(
        self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None = None
    ) -> Tensor:
        """The mean over all axes but the first of what Keras gives, shape ``(batch,)``."""
        y_true, y_pred = as_float(y_true), as_float(y_pred)
        self._check_axis(len(y_pred.shape))
        if self.loss in _CLASS_NUMBERS and len(y_true.shape) == len(y_pred.shape):
            y_true = ops.squeeze(y_true, -1)  # Keras would set each label against every sample
        if self.loss not in _CLASS_NUMBERS | _NO_CONSTANT:
            y_true, y_pred = as_floats(y_true, y_pred)
            if self.loss in _ABSOLUTE:
                y_pred = ops.where(ops.equal(y_true, y_pred), ops.stop_gradient(y_pred), y_pred)
            if len(y_pred.shape) == 1 or self._weighs_elements(element_weight, y_pred):
                # Keras takes the mean over the last axis: one of size 1 leaves the elements apart.
                y_true, y_pred = ops.expand_dims(y_true, -1), ops.expand_dims(y_pred, -1)
        found = self._loss.call(y_true, y_pred)
        values, mask = check_values(found, y_pred, self.name), mask_of(found)
        if mask is not None:
            values = values * shared_weight(mask, values.dtype)
        return mean_per_sample(values, element_weight)

    def _check_axis(self, rank: int) -> None:
        axis = self.arguments.get("axis")
        named = axis if isinstance(axis, Sequence) else () if axis is None else (axis,)
        if any(each % rank == 0 for each in named if -rank <= each < rank):
            raise TermError(
                f"Expected an axis of keras.losses.{self.loss} other than that of the batch. Found "
                f"axis={axis!r} for {rank} axes. Name axes among 1 to {rank - 1}."
            )

    @property
    def reads_class_numbers(self) -> bool:
        """Whether targets are class numbers, of another shape than the predictions."""
        return self.loss in _CLASS_NUMBERS

    @property
    def weighs_channels(self) -> bool:
        """Whether each channel of an element has a value of its own."""
        return self.loss in _ELEMENTWISE and self.arguments.get("axis", -1) == -1

    def _weighs_elements(self, element_weight: Tensor | None, y_pred: Tensor) -> bool:
        return (
            element_weight is not None
            and len(element_weight.shape) == len(y_pred.shape)
            and self.weighs_channels
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
    ``custom_objects``, a lambda only with ``safe_mode=False``. What is no function and can be
    called is passed as ``custom_objects`` under the name of its class, a partial under that of its
    function.

    Args:
        loss: A function of targets and predictions, both of at least float32, that gives one value
            per sample or per element, with the batch as first axis; anything that can be called so
            serves as one, such as an instance of a class of yours or a ``functools.partial``. Or a
            `keras.losses.Loss`, of which ``call`` is used and the reduction is not.
        name, reduction, dtype: As for every `Term`.

    Of a model with several outputs the function gets dicts of them all; `on` picks some.

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
        self._extras: Mapping[str, Tensor] = {}

    def with_extras(self, extras: Mapping[str, Tensor]) -> "CustomLoss":
        """The same term, whose function gets some more arguments by name."""
        made = type(self)(self.loss, name=self.name)
        made._extras = extras
        return made

    def per_sample(
        self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None = None
    ) -> Tensor:
        """The mean over all axes but the first of what the function gives, shape ``(batch,)``."""
        if isinstance(y_pred, Mapping):
            y_true, y_pred = aligned_by_output(y_true, y_pred)
        else:
            y_true, y_pred = match_rank(as_float(y_true), as_float(y_pred))
        call = self.loss.call if isinstance(self.loss, keras.losses.Loss) else self.loss
        call = functools.partial(call, **self._extras) if self._extras else call
        first = keras.tree.flatten(y_pred)[0]
        values = check_values(call(y_true, y_pred), first, self.name)
        return mean_per_sample(values, element_weight)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, the function as Keras writes functions."""
        return {**super().get_config(), "loss": written_function(self.loss)}


@functools.cache
def builtin_functions() -> Mapping[Any, str]:
    """The class name of each of Keras' loss functions: ``mean_squared_error`` and so on."""
    return {loss().fn: name for name, loss in BUILTINS.items()}


def keras_term(loss: str, arguments: Mapping[str, Any] | None = None, name: str = "") -> Term:
    """The term of one of Keras' losses: a class of lossweights if that is the very same loss.

    So a loss is one thing, under whichever of its names it is asked for.

    Args:
        loss: Name of the class in ``keras.losses``.
        arguments: Its arguments.
        name: Name of the term; by default that of the Keras loss.

    Raises:
        TermError: There is no such class or argument, or it has one number for the whole batch.

    >>> type(keras_term("Huber", {"delta": 2.0})).__name__, keras_term("Huber").delta
    ('Huber', 1.0)
    """
    arguments = dict(arguments or {})
    refuse_batch_scalar(loss, arguments, name or loss)
    own = OWN.get(loss)
    if own is None or not set(arguments) <= set(_arguments(BUILTINS[loss])):
        return KerasLoss(loss, arguments, name=name or None)
    return own(**arguments, name=name or None)


def keras_term_of(loss: keras.losses.Loss, name: str) -> Term:
    """The term of an instance of one of Keras' own loss classes."""
    arguments = _arguments(type(loss))
    # Keras leaves some arguments out of its configs (3.15: Huber's delta, CosineSimilarity's
    # axis), but keeps all of them for the call.
    known = {**loss.get_config(), **call_arguments(loss)}
    found = {argument: known[argument] for argument in arguments if argument in known}
    return keras_term(type(loss).__name__, found, name)


def refuse_batch_scalar(loss: str, arguments: Mapping[str, Any], name: str) -> None:
    """Refuse a loss of Keras that has one number for all samples of a batch.

    Raises:
        TermError: It has; the message names the term, and ours that has one for each.
    """
    if loss in _OF_A_BATCH and arguments.get("axis") is None:
        raise TermError(
            f"Expected one value per sample from the term {name!r}. Found keras.losses.{loss} "
            f"without an axis, which has one for the whole batch. Take {_OF_A_BATCH[loss]}, or "
            f"name the axes of a sample: keras.losses.{loss}(axis=(1, 2, 3))."
        )


def _arguments(loss: type[keras.losses.Loss]) -> dict[str, Any]:
    """The arguments of a loss class that are its own, with their defaults."""
    common = {"self", "name", "reduction", "dtype"}
    found = inspect.signature(loss.__init__).parameters
    return {name: each.default for name, each in found.items() if name not in common}


def _same(value: Any, default: Any) -> bool:
    """Whether a plain value is the default; a truth value is no number."""
    is_plain = isinstance(value, str | int | float | None)
    return is_plain and isinstance(value, bool) == isinstance(default, bool) and value == default


def _plain(value: Any) -> Any:
    """A scalar of NumPy as Python's, which files can hold."""
    return value.item() if isinstance(value, np.generic) else value
