"""`ramps`: a Keras callback that changes weights over the first epochs, as a sweep does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from lossweights.base.errors import WeightError
from lossweights.loss.combined import CombinedLoss
from lossweights.loss.weights import FLOAT32_TINY
from lossweights.search.distributions import Ramp
from lossweights.watch.backends import refuse_compiled_weights


class RampedWeights(keras.callbacks.Callback):
    """Sets the weights of a combined loss before each epoch; see `ramps`, which makes it."""

    def __init__(self, loss: CombinedLoss, ramps: Mapping[str, Ramp]) -> None:
        super().__init__()
        unknown = [name for name in ramps if name not in loss.terms]
        if unknown or not all(isinstance(ramp, Ramp) for ramp in ramps.values()):
            raise WeightError(
                f"Expected a lw.Ramp for some of the terms {list(loss.terms)}. Found "
                f"{dict(ramps)}. Write "
                f"lw.adaptive.ramps(loss, {{'under': lw.Ramp(1.0, epochs=5)}})."
            )
        self.loss, self.ramps = loss, dict(ramps)
        self._full = self._last = loss.weights

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin with the weights that the loss was given, or that were set since."""
        refuse_compiled_weights(self.model)
        if self.loss.weights != self._last:
            self._full = self.loss.weights

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Set the weights of this epoch."""
        found = {
            name: weight * (self.ramps[name].factor(epoch) if name in self.ramps else 1.0)
            for name, weight in self._full.items()
        }
        self.loss.set_weights({n: 0.0 if w < FLOAT32_TINY else w for n, w in found.items()})
        self._last = self.loss.weights


def ramps(loss: CombinedLoss, ramps: Mapping[str, Ramp]) -> RampedWeights:
    """A Keras callback by which weights change over the first epochs, as they do in a sweep.

    Args:
        loss: The combined loss that the model is compiled with. Its weights are those at the end.
        ramps: A `lossweights.Ramp` for each term whose weight changes; what it samples from plays
            no part.

    Raises:
        WeightError: A term is none of the loss, or what it has is no ramp; or, when an epoch
            begins, all weights are 0 in it.
        ModelError: When training starts: JAX compiles the model.

    >>> import numpy as np
    >>> import lossweights as lw
    >>> x, y = np.linspace(0, 1, 64)[:, None], np.linspace(1, 3, 64)[:, None]
    >>> loss = lw.CombinedLoss({"mse": "mse", "mae": "mae"}, {"mse": 1.0, "mae": 2.0})
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(0.05), loss=loss)
    >>> warm_up = ramps(loss, {"mae": lw.Ramp(2.0, epochs=4)})
    >>> history = model.fit(x, y, epochs=2, verbose=0, callbacks=[warm_up])
    >>> loss.weights  # in the second epoch
    {'mse': 1.0, 'mae': 0.5}
    """
    return RampedWeights(loss, ramps)
