"""How a combined loss is given to `model.compile`."""

from __future__ import annotations

from typing import Any

import keras

from lossweights.loss.combined import CombinedLoss
from lossweights.terms.summands import outputs_read


def keras_loss(loss: CombinedLoss, model: keras.Model) -> Any:
    """The loss as `model.compile` takes it: one for each output if the terms name theirs.

    Args:
        loss: The combined loss.
        model: The model, built.
    """
    outputs = getattr(model, "output_names", None)
    if outputs_read(loss.terms) or len(outputs or ()) > 1:
        return loss.by_output(outputs)
    return loss
