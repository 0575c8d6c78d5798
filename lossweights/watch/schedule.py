"""`schedule`: a Keras callback that weighs the terms of a combined loss anew after each epoch."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pandas as pd

from lossweights.base.errors import ModelError, TermError
from lossweights.loss.adaptive import Method, State
from lossweights.loss.combined import CombinedLoss
from lossweights.watch.backends import refuse_compiled_weights, require_tensorflow
from lossweights.watch.gradients import GradientProbe
from lossweights.watch.inference import build
from lossweights.watch.learned import LearnedWeights, Learning, copy_of
from lossweights.watch.probe import Probe, as_arrays, spread
from lossweights.watch.reading import Reading, combined_loss_of

ROWS, GRADIENT_ROWS = 1024, 256  # at most, evenly spread over those given, as `TermMonitor` has

log = logging.getLogger("lossweights")


class WeightSchedule(keras.callbacks.Callback):
    """Sets the weights of a combined loss before each epoch, by a method of adaptive weighting.

    Before each epoch it measures the unweighted magnitude of every term on a fixed set of rows,
    and the gradients if the method needs them, and sets the weights that the method gives. They
    count from the epoch's first step on, without a new trace. Everything is in the units of the
    weights: with scales, magnitudes and gradients are divided by them, and ``loss_weights`` of
    ``compile`` count.

    A method that learns, ``Uncertainty(learned=True)``, moves them with every batch instead, in the
    graph of the training step; what is recorded of an epoch is the mean over its steps.

    Each training begins anew, from the weights that the loss had when it was given, or that were
    set since. After a training the last weights stay in force. ``logs`` get ``weight/<term>``.

    See `schedule` for the arguments.
    """

    def __init__(self, loss: CombinedLoss | None, method: Method, probe: Any) -> None:
        super().__init__()
        if loss is not None and not isinstance(loss, CombinedLoss):
            raise TermError(
                f"Expected a CombinedLoss to weigh. Found {type(loss).__name__}. Make one with "
                f"lw.CombinedLoss(terms=..., weights=...) and compile the model with it."
            )
        if not isinstance(method, Method):
            raise TermError(
                f"Expected a method of adaptive weighting. Found {method!r}. Write "
                f"lw.adaptive.DWA(), with parentheses, or another of lw.adaptive."
            )
        if method.gradients is not None or method.learns:
            require_tensorflow()
        self.method = method
        self._train = as_arrays("probe", probe)
        self._rows: list[dict[str, Any]] = []
        self._learned: LearnedWeights | None = None
        self._loss: CombinedLoss | None = None
        if loss is not None:
            self._weigh(loss)

    def _weigh(self, loss: CombinedLoss) -> None:
        """Weigh the terms of this loss from now on."""
        self.method.start(loss.weights)  # refuse at once what cannot begin
        self._loss, self._given = loss, loss.weights
        self._last = loss.weights  # as this has left them: what differs was set by somebody else

    @property
    def loss(self) -> CombinedLoss:
        """The combined loss.

        Raises:
            ModelError: It is to be that of the model, and no training has begun.
        """
        if self._loss is None:
            raise ModelError(
                "Expected a training that has begun, whose model says which loss is weighed. Found "
                "none. Pass the loss to lw.adaptive.schedule, or the callback to model.fit first."
            )
        return self._loss

    def __repr__(self) -> str:
        return f"lw.adaptive.schedule({self._loss!r}, {self.method!r}, probe=...)"

    @property
    def history(self) -> pd.DataFrame:
        """The weights of each epoch of the latest training, counted from 1, one row each.

        Columns: ``weight/<term>``, what multiplied the term in that epoch, as in
        ``TermMonitor.history``; ``set/<term>``, the weight of the loss, which differs from it if
        there are scales; ``magnitude/<term>``, measured before the epoch; and ``kept``, why the
        weights were left as they were, or ``None``.
        """
        epochs = pd.Index([row["epoch"] for row in self._rows], name="epoch")
        return pd.DataFrame(self._rows, index=epochs).drop(columns="epoch", errors="ignore")

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin anew; refuse a model with another combined loss."""
        self._stop_learning()
        refuse_compiled_weights(self.model)
        build(self.model, self._train[0])
        if self._loss is None:
            self._weigh(combined_loss_of(self.model))
        self._reading = Reading(self.model, self.loss)
        self._reading.refuse_other_weights()
        if self.loss.weights != self._last:
            self._given = self.loss.weights
        self._state: State = self.method.start(self._given)
        self._rows = []
        # What a weight of 1 multiplies its term by; of terms that are off it plays no part.
        self.loss.set_weights(self._given)
        effective = self._reading.weights()
        self._units = {name: effective[name] / w if w else 1.0 for name, w in self._given.items()}
        if self.method.learns:
            self._begin_learning()
        chosen = spread(self._train, ROWS)
        self._probe = Probe(self.model, self.loss, *chosen, as_trained=True, reading=self._reading)
        self._gradients: GradientProbe | None = None
        if self.method.gradients is not None:
            self._gradients = GradientProbe(
                self.model,
                self.loss,
                *spread(chosen, GRADIENT_ROWS),
                wrt=self.method.gradients,
                reading=self._reading,
            )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Measure, and set the weights of this epoch.

        Not at the end of the one before: who measures there reads the weights that were in force.
        """
        magnitudes = self._probe.measure().magnitudes
        if not self.method.learns:
            self._step(epoch, magnitudes)
        self._rows.append(
            {
                "epoch": epoch + 1,
                **_named("weight", self._in_force()),
                **_named("set", self.loss.weights),
                **_named("magnitude", {name: magnitudes[name] for name in self.loss.terms}),
                "kept": self._state.kept,
            }
        )

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Tell the loss the weights of the next batch, if they are trained."""
        if self._learned is not None:
            self._learned.tell()
            self._last = self.loss.weights

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the weights into ``logs``."""
        learned = None if self._learned is None else self._learned.taken()
        if learned is not None:
            scales = self.loss.scales or dict.fromkeys(learned, 1.0)
            means = {name: weight * scales[name] for name, weight in learned.items()}
            in_force = {name: weight * self._units[name] for name, weight in means.items()}
            self._rows[-1].update({**_named("weight", in_force), **_named("set", means)})
        if logs is not None:
            logs.update({k: v for k, v in self._rows[-1].items() if k.startswith("weight/")})

    def on_train_end(self, logs: Any = None) -> None:
        """Leave the model as it was."""
        self._stop_learning()

    def _step(self, epoch: int, magnitudes: Mapping[str, float]) -> None:
        told = self._state.kept
        self._state = self.method.step(self._state, self._in_units(magnitudes), self._gram())
        if self._state.kept and self._state.kept != told:
            log.warning(
                "Before epoch %d %s keeps the weights: %s.",
                epoch + 1,
                type(self.method).__name__,
                self._state.kept,
            )
        self.loss.set_weights(self._state.weights)
        self._last = self.loss.weights

    def _begin_learning(self) -> None:
        """Train the weights with the model, from equal ones on."""
        loss, scales = self.loss, self.loss.scales or dict.fromkeys(self.loss.terms, 1.0)
        units = {name: 1 / scales[name] if w else 0.0 for name, w in self._given.items()}
        self._learned = LearnedWeights(self.model, loss, copy_of(self.model.optimizer))
        self._learned.attach()
        self._learned.start(Learning(units, sum(self._given.values())))
        self._last = loss.weights

    def _stop_learning(self) -> None:
        if self._learned is not None:
            self._learned.detach()
            self._learned = None

    def _in_force(self) -> dict[str, float]:
        """What multiplies each term now."""
        weights = self._reading.weights()
        return {name: weights[name] for name in self.loss.terms}

    def _in_units(self, magnitudes: Mapping[str, float]) -> dict[str, float]:
        return {name: unit * magnitudes[name] for name, unit in self._units.items()}

    def _gram(self) -> Any:
        """The Gram matrix of the terms in the units of the weights, if the method needs it."""
        if self._gradients is None:
            return None
        units = np.array(list(self._units.values()))
        terms = len(units)  # behind them come the losses of other outputs
        return self._gradients.measure()[:terms, :terms] * units[:, None] * units[None, :]


def schedule(loss: CombinedLoss | None, method: Method, *, probe: Any) -> WeightSchedule:
    """A Keras callback that weighs the terms anew after each epoch, with or without a sweep.

    Args:
        loss: The combined loss that the model is compiled with. The sum of its weights is kept, and
            terms of weight 0 stay off. ``None`` takes the one that the model is compiled with, as
            in ``lw.Sweep(callbacks=...)``, where each training has its own.
        method: One of `lossweights.loss.adaptive`, such as ``GradNorm()``.
        probe: ``(x, y)`` or ``(x, y, sample_weight)`` from the training data, as arrays. At most
            1024 rows are measured, evenly spread, and gradients on 256.

    Returns:
        The callback. Its ``history`` says what the weights were, epoch by epoch.

    Raises:
        TermError: ``loss`` is no combined loss, or ``method`` no method.
        WeightError: The method cannot begin with the weights of the loss.
        DataError: The probe is empty, or its arrays are of different lengths.
        LossweightsError: The method needs gradients or learns, and the Keras backend is not
            TensorFlow.
        ModelError: When training starts: the model is compiled with another combined loss, or it
            carries state from batch to batch, or JAX compiles it.

    >>> import numpy as np
    >>> import lossweights as lw
    >>> x, y = np.linspace(0, 1, 64)[:, None], np.linspace(1, 3, 64)[:, None]
    >>> loss = lw.CombinedLoss({"mse": "mse", "mae": "mae"}, {"mse": 1.0, "mae": 1.0})
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(0.05), loss=loss)
    >>> weights = schedule(loss, lw.adaptive.Uncertainty(), probe=(x, y))
    >>> history = model.fit(x, y, epochs=3, verbose=0, callbacks=[weights])
    >>> bool(weights.history.loc[3, "weight/mse"] == loss.effective_weights["mse"])
    True
    >>> round(sum(loss.weights.values()), 6)
    2.0
    """
    return WeightSchedule(loss, method, probe)


def _named(key: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{key}/{name}": value for name, value in values.items()}
