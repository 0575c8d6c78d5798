"""What a term is: a Keras loss that gives one value per sample, whatever the shape of its data."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal, Self, TypeAlias, TypedDict

import keras

from lossweights.base.arguments import (
    SpelledOutSignature,
    kept_arguments,
    lost_arguments,
    refuse_unknown,
)
from lossweights.base.errors import TermError
from lossweights.base.sampled import Sampled
from lossweights.base.shown import call_of
from lossweights.terms._template import TermTemplate
from lossweights.terms._tensors import Tensor
from lossweights.terms.config import read, written
from lossweights.terms.reduction import reduce_weighted
from lossweights.terms.targets import Array, Targets

Link: TypeAlias = Literal["identity", "probability", "logit", "softmax"]


class HostArguments(TypedDict, total=False):
    """The arguments of every Keras loss, which our losses hand on to it as they are.

    Attributes:
        name: Name of the loss, by default its class's `PerSampleLoss.default_name`.
        reduction: Keras' reduction over the batch.
        dtype: Dtype of the result, as in Keras. The computation is never below float32.
    """

    name: str | None
    reduction: str | None
    dtype: Any


class PerSampleLoss(keras.losses.Loss, ABC):
    """A Keras loss with one value per sample: a term, or a sum of terms.

    It is a complete Keras loss: ``model.compile(loss=...)`` works, with every reduction, with
    ``sample_weight`` of shape ``(batch,)`` and with weights or masks per element, of the shape of
    ``y_true`` without its channel axis.

    Subclasses implement `per_sample` and keep their arguments under the arguments' own names;
    nothing else. Saved models, copies and descriptions are made of those. They compute in at least
    float32, whatever the precision of the model.

    Args:
        name: Name of the loss, by default the `default_name` of the class.
        reduction: Keras' reduction over the batch.
        dtype: Dtype of the result, as in Keras. The computation is never below float32.

    Attributes:
        default_name: Name of a loss that is given none. ``None`` lets Keras make one up from the
            class.
    """

    default_name: ClassVar[str | None] = None
    __signature__ = SpelledOutSignature()

    def __init__(
        self,
        *,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
        **unknown: object,
    ) -> None:
        refuse_unknown(self, unknown)
        super().__init__(name=name or self.default_name, reduction=reduction, dtype=dtype)

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

    def __repr__(self) -> str:
        return call_of(self)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; losses among them as Keras writes objects."""
        host = {**super().get_config(), "dtype": self.dtype}
        return {**host, **written(self._arguments())}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The loss that `get_config` described."""
        return cls(**read(config))

    def _arguments(self) -> dict[str, Any]:
        """What this very loss would be made of again, by the names of the constructor."""
        return kept_arguments(self)

    def __reduce__(self) -> tuple[Any, ...]:
        # Keras would pickle a loss as a saved model, and lose the user's functions on the way.
        if lost := lost_arguments(self):
            raise TermError(
                f"Expected {type(self).__name__} to keep its arguments under their own names, so "
                f"that it can be copied. Found no attribute for {', '.join(lost)}. Write "
                f"self.NAME = NAME in its constructor, or give it a __reduce__."
            )
        return _rebuild, (type(self), self._arguments())


def _rebuild(loss: type[PerSampleLoss], arguments: dict[str, Any]) -> PerSampleLoss:
    return loss(**arguments)


class Term(PerSampleLoss):
    """A loss component ``L(y_true, y_pred)`` with one value per sample.

    Alone it is a complete Keras loss; inside a `CombinedLoss` it is one summand. To write a term,
    implement `per_sample` and keep the arguments under their own names. Where it is more than a
    mean of some function of each element's prediction and target, it also says so about itself, for
    those who must know before any training, such as `reference_scales`:

    Args:
        name: Name of the loss; Keras makes one up from the class if there is none.
        reduction: Keras' reduction over the batch.
        dtype: Dtype of the result, as in Keras. The computation is never below float32.

    Raises:
        TermError: When it is called, if the shapes of ``y_true``, ``y_pred`` and the weights do not
            fit: they are never broadcast.

    Attributes:
        default_name: Name of a term that is given none, or ``None``.
        link: What the predictions are: ``"identity"`` for values in the units of the targets, or
            any others; ``"probability"`` for values from 0 to 1; ``"logit"`` for log-odds of
            yes-or-no questions; ``"softmax"`` for log-probabilities of classes, up to a constant.
        axes: The axes that it differences along, where it wants a constant to be one. None are
            named by default.
        mapped: Whether its ``y_true`` may carry distance maps behind the masks.
        leaves_out: Whether elements whose target is NaN are unknown to it, and left out.
        alternatives: The terms that it stands for in the trials of a sweep; none if it is itself.

    >>> import lossweights as lw
    >>> from keras import ops
    >>> class LogisticLoss(lw.terms.Term):
    ...     link = "logit"
    ...
    ...     def per_sample(self, y_true, y_pred, element_weight=None):
    ...         return ops.mean(ops.softplus((1 - 2 * y_true) * y_pred), axis=-1)
    >>> scales = lw.reference_scales({"yes": LogisticLoss()}, [[0.0], [1.0], [0.0], [1.0]])
    >>> round(scales["yes"], 4)  # log 2: a coin
    0.6931
    """

    def __new__(cls, *args: Any, **arguments: Any) -> Any:
        """A term, or where an argument is sampled what stands for it until a sweep makes it."""
        if any(isinstance(each, Sampled) for each in (*args, *arguments.values())):
            return TermTemplate(cls, args, arguments)
        return super().__new__(cls)

    link: Link = "identity"
    axes: tuple[int, ...] = ()
    mapped: bool = False
    leaves_out: bool = False
    alternatives: tuple["Term", ...] = ()

    def each(self, change: Callable[["Term"], "Term"]) -> "Term":
        """What it is changed into; of a choice, the choice between what its options are."""
        return change(self)

    def part_known(self, y_true: Any) -> Tensor | None:
        """The part of each sample that its mean is over, shape ``(batch,)``; ``None`` for all."""
        return None

    def best_constant(self, targets: Targets) -> Array | None:
        """The prediction, one for all samples, that a model without inputs would do best to give.

        The default says that no formula for it is known: it is searched for. A term that has one
        implements this, such as ``targets.mean()`` for squared errors; it gives probabilities where
        `link` says that predictions are logarithms of some.

        Args:
            targets: The targets, with what the other terms of the loss demand of a constant.

        Returns:
            An array of shape ``(1, ...)``, or ``None`` to have it searched for.

        Raises:
            TermError: No constant prediction can be given to this term.
        """
        return None


__all__ = ["HostArguments", "Link", "PerSampleLoss", "Tensor", "Term"]
