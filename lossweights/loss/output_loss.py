"""The part of a combined loss that one output of a model is trained with."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import keras
from keras import ops

from lossweights.base.errors import TermError
from lossweights.loss._between import Gathering
from lossweights.terms.per_sample import PerSampleLoss, Tensor, Term
from lossweights.terms.summands import outputs_read, terms_by_output


class WeightedTerms(Protocol):
    """What the part of an output needs of the whole: a `CombinedLoss`, which makes its parts.

    Attributes:
        reduction: Keras' reduction over the batch.
        gathering: What its parts have been given.
    """

    reduction: str | None
    gathering: Gathering

    @property
    def dtype(self) -> str:
        """Dtype of the result."""

    @property
    def terms(self) -> dict[str, Term]:
        """The terms by name."""

    def terms_between(self, y_true: Any, y_pred: Any, sample_weight: Any) -> Tensor:
        """The weighted sum of the terms between outputs, after Keras' reduction."""

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
    a model with several of them was saved and loaded. Terms between outputs are counted in the loss
    that is called last.

    Args:
        loss: A combined loss whose terms name their outputs.
        output: The output to read.
        outputs: All outputs that terms between outputs wait for, if there are such.
        name: Name of the loss, by default that of the output.
        reduction: Keras' reduction over the batch, by default that of the combined loss.
        dtype: Dtype of the result, by default that of the combined loss.

    Shapes: ``y_true`` and ``y_pred`` of that output alone; the value is ``(batch,)``.
    """

    def __init__(
        self,
        loss: WeightedTerms,
        output: str,
        outputs: Sequence[str] = (),
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
        self.loss, self.output, self.outputs = loss, output, list(outputs)
        read = {part.output: part.terms for part in terms_by_output(loss.terms)}
        self.terms = read.get(output, {})

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss after Keras' reduction, and with it, for the last output, what is between."""
        given = (y_true, y_pred, sample_weight)
        own = super().__call__(*given)
        if not self.outputs:
            return own
        gathered = self.loss.gathering.add(self.outputs, self.output, *given)
        return own if gathered is None else own + self.loss.terms_between(*gathered)

    def per_sample(
        self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None = None
    ) -> Tensor:
        """The weighted sum of this output's terms for each sample, shape ``(batch,)``."""
        if not self.terms:  # what is read here is read between outputs alone
            return ops.zeros_like(ops.reshape(y_pred, (ops.shape(y_pred)[0], -1))[:, 0])
        return self.loss.weighted_sum(self.terms, y_true, y_pred, element_weight)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        # The loss itself, not its config: Keras writes it, and sees that all outputs share it.
        return self._arguments()


def losses_by_output(
    loss: WeightedTerms, outputs: Sequence[str] | None
) -> dict[str, OutputLoss | None]:
    """The loss of each output; see `lossweights.CombinedLoss.by_output`.

    Raises:
        TermError: The terms do not name outputs, or name one that is not among ``outputs``.
    """
    read = outputs_read(loss.terms)
    between = [part for part in terms_by_output(loss.terms) if part.output is None]
    loose = [part for part in between if part.outputs is None]
    if loose and outputs is not None and all(part.reads_all for part in loose):
        read, loose = list(outputs), []
    unknown = [output for output in read if outputs is not None and output not in outputs]
    if not read or unknown or loose:
        raise TermError(
            f"Expected terms that name the outputs of the model. Found terms on {read}, "
            f"outputs {outputs}. Write lw.terms.on('output name', term); for a function of all "
            f"outputs, loss.by_output(model.output_names)."
        )
    joint = {output for part in between for output in part.outputs or read}
    waited = [output for output in read if output in joint]
    parts = {each: OutputLoss(loss, each, waited if each in joint else ()) for each in read}
    return {output: parts.get(output) for output in outputs or read}
