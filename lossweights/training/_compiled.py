"""How a combined loss is given to `model.compile`."""

from __future__ import annotations

from typing import Any

import keras

from lossweights.loss.combined import CombinedLoss
from lossweights.terms import OnOutput


def keras_loss(loss: CombinedLoss, model: keras.Model) -> Any:
    """The loss as `model.compile` takes it: one for each output if the terms name theirs.

    Args:
        loss: The combined loss.
        model: The model, built.
    """
    if any(isinstance(term, OnOutput) for term in loss.terms.values()):
        return loss.by_output(getattr(model, "output_names", None))
    return loss
