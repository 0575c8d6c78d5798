"""The part of a combined loss that one output of a model is trained with."""

from collections.abc import Mapping
from typing import Any, Protocol

import keras

from lossweights.terms.per_sample import PerSampleLoss, Tensor, Term
from lossweights.terms.summands import terms_by_output


class WeightedTerms(Protocol):
    """What the part of an output needs of the whole: a `CombinedLoss`, which makes its parts."""

    reduction: str | None

    @property
    def dtype(self) -> str:
        """Dtype of the result."""

    @property
    def terms(self) -> dict[str, Term]:
        """The terms by name."""

    def weighted_sum(
        self,
        terms: Mapping[str, Term],
        y_true: Any,
        y_pred: Any,
        element_weight: Tensor | None = None,
    ) -> Tensor:
        """The sum of some terms, each times its weight, for each sample."""


@keras.saving.register_keras_serializable(package="lossweights")
class OutputLoss(PerSampleLoss):
    """The part of a combined loss that one output of the model is read by.

    Made by `CombinedLoss.by_output`. Its weights are those of the combined loss itself, also after
    a model with several of them was saved and loaded.

    Args:
        loss: A combined loss whose terms name their outputs.
        output: The output to read.
        name: Name of the loss, by default that of the output.
        reduction: Keras' reduction over the batch, by default that of the combined loss.
        dtype: Dtype of the result, by default that of the combined loss.

    Shapes: ``y_true`` and ``y_pred`` of that output alone; the value is ``(batch,)``.
    """

    def __init__(
        self,
        loss: WeightedTerms,
        output: str,
        *,
        name: str | None = None,
        reduction: str | None = "combined",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            name=name or output,
            reduction=loss.reduction if reduction == "combined" else reduction,
            dtype=dtype or loss.dtype,
        )
        self.loss, self.output = loss, output
        read = {part.output: part.terms for part in terms_by_output(loss.terms)}
        self.terms = read.get(output, {})

    def per_sample(
        self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None = None
    ) -> Tensor:
        """The weighted sum of this output's terms for each sample, shape ``(batch,)``."""
        return self.loss.weighted_sum(self.terms, y_true, y_pred, element_weight)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        # The loss itself, not its config: Keras writes it, and sees that all outputs share it.
        return self._arguments()
