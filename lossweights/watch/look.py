"""One look at a model: the size of each part of its loss, and the gradients, as they are now."""

from __future__ import annotations

from typing import Any

import keras

from lossweights.base.errors import ModelError
from lossweights.loss.combined import CombinedLoss
from lossweights.records import EpochReport
from lossweights.terms.model_losses import check_added
from lossweights.watch._instruments import Instruments, Settings
from lossweights.watch.backends import require_tensorflow
from lossweights.watch.inference import outputs_of, refuse_carried_state
from lossweights.watch.probe import placed, rows
from lossweights.watch.reading import Reading


class Look:
    """Measures a model on fixed rows, now and again, without changing it.

    What is measured is what `lossweights.watch.monitor.TermMonitor` measures before the first
    epoch: unweighted magnitudes on at most 1024 rows, gradients with respect to the trainable
    parameters on 64 to 256 of them.

    Args:
        model: The model, built; compiled or not.
        loss: The combined loss.
        x: Inputs, arrays.
        y: Targets, as ``fit`` takes them.
        sample_weight: Weights as given to ``fit``, or ``None``.
        batch_rows: Rows of a training step, which own losses of a model may depend on.

    Attributes:
        reading: Where the terms read, and what is added to them.

    Raises:
        LossweightsError: The Keras backend is not TensorFlow.
        ModelError: The model has no trainable parameters, carries state from batch to batch, is
            compiled with another combined loss, or its outputs do not fit the targets.
    """

    def __init__(
        self,
        model: keras.Model,
        loss: CombinedLoss,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        batch_rows: int,
    ) -> None:
        require_tensorflow()
        refuse_carried_state(model)
        if not model.trainable_variables:
            raise ModelError(
                "Expected a model with trainable parameters. Found none, so that no term can drive "
                "anything. Set trainable = True where it is to learn."
            )
        check_added(model, loss.terms.values())
        self.reading = Reading(model, loss)
        self.reading.refuse_other_weights()
        _try(model, self.reading, rows((x, y, sample_weight), slice(2)))
        settings = Settings(gradients="parameters", budget=None, every=None, rows=None)
        self._instruments = Instruments(model, loss, (x, y, sample_weight), None, settings)
        self._instruments.refuse_sums()
        self._instruments.batch_rows = batch_rows

    @property
    def weights(self) -> dict[str, float]:
        """What multiplies each part of the loss: terms, other losses, the model's own."""
        return self._instruments.weights()

    def measure(self, step: int = 0) -> EpochReport:
        """Magnitudes and Gram matrix of the model as it is now.

        Args:
            step: What the report is numbered with.
        """
        return self._instruments.measure(step, gradients=True)


def _try(model: keras.Model, reading: Reading, two: tuple[Any, Any, Any]) -> None:
    """Measure two rows, so that what does not fit is told in a sentence."""
    x, y, sample_weight = placed(two)
    try:
        outputs = outputs_of(model, x)
    except Exception as error:
        shapes = keras.tree.map_structure(lambda a: tuple(a.shape), two[0])
        raise ModelError(
            f"Expected a model that takes these inputs, two rows of shape {shapes}. Found: {error} "
            f"Adjust the model or x."
        ) from error
    try:
        reading.components(y, outputs, sample_weight)
    except Exception as error:
        targets, found = (
            keras.tree.map_structure(lambda a: tuple(a.shape[1:]), values)
            for values in (two[1], outputs)
        )
        raise ModelError(
            f"Expected outputs of the model that fit the targets. Found targets of shape {targets} "
            f"and outputs of shape {found} per sample. Change the model's last layer or y. In "
            f"detail: {error}"
        ) from error
