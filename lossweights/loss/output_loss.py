"""The part of a combined loss that one output of a model is trained with."""

from typing import TYPE_CHECKING, Any

import keras

from lossweights.terms._output import OnOutput, values_of
from lossweights.terms.term import Tensor, Term

if TYPE_CHECKING:
    from lossweights.loss.combined import CombinedLoss


@keras.saving.register_keras_serializable(package="lossweights")
class OutputLoss(Term):
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

    is_sum = True

    def __init__(
        self,
        loss: "CombinedLoss",
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
        self.terms = {
            name: term
            for name, term in loss.terms.items()
            if isinstance(term, OnOutput) and term.output == output
        }

    def per_sample(
        self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None = None
    ) -> Tensor:
        """The weighted sum of this output's terms for each sample, shape ``(batch,)``."""
        return self.loss.weighted_sum(
            {
                name: values_of(name, term.term, y_true, y_pred, element_weight)
                for name, term in self.terms.items()
            }
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        # The loss itself, not its config: Keras writes it, and sees that all outputs share it.
        return {**super().get_config(), "loss": self.loss, "output": self.output}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "OutputLoss":
        """The loss that `get_config` described."""
        loss = config["loss"]
        if isinstance(loss, dict):
            loss = keras.saving.deserialize_keras_object(loss)
        return cls(**{**config, "loss": loss})
