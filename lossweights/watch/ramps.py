"""`ramps`: a Keras callback that changes weights over the first epochs, as a sweep does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from lossweights.base.errors import SpaceError, WeightError
from lossweights.loss.combined import CombinedLoss
from lossweights.loss.weights import FLOAT32_TINY
from lossweights.search.distributions import Fixed, Ramp
from lossweights.watch.backends import refuse_compiled_weights
from lossweights.watch.reading import combined_loss_of


class RampedWeights(keras.callbacks.Callback):
    """Sets the weights of a combined loss before each epoch; see `ramps`, which makes it."""

    def __init__(
        self, loss: CombinedLoss | None, ramps: Mapping[str, Ramp | Mapping[str, float]]
    ) -> None:
        super().__init__()
        self.ramps = {name: _ramp(ramp, ramps) for name, ramp in ramps.items()}
        self._loss: CombinedLoss | None = None
        if loss is not None:
            self._weigh(loss)

    def _weigh(self, loss: CombinedLoss) -> None:
        """Change the weights of this loss from now on."""
        if not set(self.ramps) <= set(loss.terms):
            raise _not_ramps(self.ramps, f"for some of the terms {list(loss.terms)}")
        self._loss, self._full, self._last = loss, loss.weights, loss.weights

    @property
    def loss(self) -> CombinedLoss:
        """The combined loss; that of the model, where none was given, once a training began."""
        if self._loss is None:
            self._weigh(combined_loss_of(self.model))
        assert self._loss is not None
        return self._loss

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


def _ramp(given: Any, all_of_them: Any) -> Ramp:
    """A ramp, also from what `Ramp.describe` says of it."""
    if isinstance(given, Mapping):
        try:
            return Ramp(Fixed(1.0), **given)
        except (TypeError, SpaceError):
            raise _not_ramps(all_of_them, "for each term") from None
    if not isinstance(given, Ramp):
        raise _not_ramps(all_of_them, "for each term")
    return given


def _not_ramps(found: Mapping[str, Any], where: str) -> WeightError:
    return WeightError(
        f"Expected a lw.Ramp {where}. Found {dict(found)}. Write "
        f"lw.adaptive.ramps(loss, {{'under': lw.Ramp(1.0, epochs=5)}})."
    )


def ramps(
    loss: CombinedLoss | None, ramps: Mapping[str, Ramp | Mapping[str, float]]
) -> RampedWeights:
    """A Keras callback by which weights change over the first epochs, as they do in a sweep.

    Args:
        loss: The combined loss that the model is compiled with. Its weights are those at the end.
            ``None`` takes that of the model, as after ``weights.compile(model)``.
        ramps: A `lossweights.Ramp` for each term whose weight changes; what it samples from plays
            no part. Or those of a weight set, ``weights.ramps``.

    Raises:
        WeightError: A term is none of the loss, or what it has is no ramp; or, when an epoch
            begins, all weights are 0 in it.
        ModelError: When training starts: JAX compiles the model; or ``loss`` is ``None``, and the
            model was not compiled with one combined loss.

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
