"""Weights that are trained with the model: a variance for each term, a step of it for each batch.

Kendall, Gal and Cipolla 2018 (arXiv 1705.07115), as `lossweights.loss.adaptive.Uncertainty` says.
The formulas are for one training, shape ``(terms,)``, and for a stack of them, ``(members,
terms)``. The gradient of a loss by its weights are the magnitudes of its terms, as training weighs
their samples: so nothing needs to be measured.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from lossweights.base.errors import ModelError
from lossweights.foreign.keras_names import learning_rate_of
from lossweights.loss.adaptive import LEAST
from lossweights.loss.combined import CombinedLoss
from lossweights.watch.backends import require_tensorflow

Tensor = Any
FARTHEST = 30.0  # of an exponent: its square, which optimizers keep, still fits into float32


@dataclass(frozen=True)
class Learning:
    """What stays while weights are trained.

    Attributes:
        units: What a relative weight of 1 multiplies each term by; 0 for a term that is off.
        total: The sum of the relative weights.
    """

    units: Mapping[str, float]
    total: float

    def row(self, names: Sequence[str]) -> list[float]:
        """The units in the order of the names."""
        return [self.units[name] for name in names]


def slopes(variances: Tensor, units: Tensor, by_weights: Tensor) -> Tensor:
    """The slope of the loss by each logarithm of a variance; 0 where a batch says nothing.

    Args:
        variances: Their logarithms.
        units: As `Learning` has them.
        by_weights: The gradient of the loss by the effective weights.
    """
    magnitudes = ops.cast(by_weights, variances.dtype) * units
    said = ops.logical_and(ops.isfinite(magnitudes), magnitudes >= 0)
    said = ops.logical_and(said, units > 0)
    known = ops.where(said, magnitudes, ops.ones_like(magnitudes))
    slope = 0.5 - 0.5 * ops.exp(-ops.clip(variances, -FARTHEST, FARTHEST)) * known
    return ops.where(said, slope, ops.zeros_like(slope))


def weighed(variances: Tensor, units: Tensor, total: Tensor) -> Tensor:
    """The effective weights under these logarithms of variances: 0 where a term is off."""
    on = units > 0
    largest = ops.max(ops.where(on, -variances, -np.inf), axis=-1, keepdims=True)
    parts = ops.where(on, ops.exp(-variances - largest), ops.zeros_like(variances))
    parts = parts / ops.maximum(ops.sum(parts, axis=-1, keepdims=True), LEAST)
    parts = ops.where(on, ops.maximum(parts, LEAST), ops.zeros_like(parts))
    sums = ops.maximum(ops.sum(parts, axis=-1, keepdims=True), LEAST)
    return units * total * parts / sums


def without_extras(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """A fresh optimizer without what is for the parameters of a model: clipping, decay, means."""
    optimizer.clipnorm = optimizer.global_clipnorm = optimizer.clipvalue = None
    optimizer.weight_decay = optimizer.loss_scale_factor = None
    optimizer.use_ema = False
    return optimizer


def copy_of(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """A fresh optimizer set as another one; a learning rate that is computed is the same object."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of one that scales the loss
    rate = learning_rate_of(inner)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a lambda is written down: it is not
        config = inner.get_config()
    if isinstance(rate, keras.Variable):
        return type(inner).from_config(config)
    made = type(inner).from_config({**config, "learning_rate": 0.0})
    made.learning_rate = rate
    return made


class LearnedWeights:
    """Trains the weights of a combined loss with a model: in each training step, by its loss.

    Keras' own training step does all the rest. While this is attached, the model's ``train_step``
    and ``compute_loss`` are wrapped: the loss is differentiated by the weights too, which costs
    next to nothing, and the variances and with them the weights are moved in the same graph.

    Args:
        model: The model, compiled with the loss.
        loss: The combined loss.
        optimizer: A fresh one for the variances, set as the model's, whose learning rate it has.

    Attributes:
        variables: All that changes while weights are trained.

    Raises:
        LossweightsError: The Keras backend is not TensorFlow.
        ModelError: The model is trained on several devices at once; in training: its training step
            does not call ``compute_loss``, or that does not use the combined loss.
    """

    def __init__(
        self, model: keras.Model, loss: CombinedLoss, optimizer: keras.optimizers.Optimizer
    ) -> None:
        require_tensorflow()
        devices = getattr(getattr(model, "distribute_strategy", None), "num_replicas_in_sync", 1)
        if devices > 1:
            raise ModelError(
                f"Expected a training on one device, where weights are learned. Found {devices}. "
                f"Train on one, or take lw.adaptive.Uncertainty(), which learns nothing."
            )
        self._model, self._loss, self._names = model, loss, list(loss.terms)
        self._variances, self._units = self._new(len(self._names)), self._new(len(self._names))
        self._sums, self._steps, self._total = self._new(len(self._names)), self._new(), self._new()
        self._optimizer = without_extras(optimizer)
        self._optimizer.build([self._variances])
        self._starts = [ops.convert_to_numpy(v).copy() for v in self._optimizer.variables]
        self._is_attached = self._is_training = self._has_learned = False

    @property
    def variables(self) -> list[keras.Variable]:
        """All that training changes."""
        own = [self._variances, self._sums, self._steps]
        return [self._loss.multipliers, *own, *self._optimizer.variables]

    def start(self, learning: Learning) -> None:
        """Begin a training with equal weights; the loss has what it will begin with."""
        self._units.assign(learning.row(self._names))
        self._total.assign(learning.total)
        for variable, value in zip(self._optimizer.variables, self._starts, strict=True):
            variable.assign(value)
        self._variances.assign(ops.zeros_like(self._variances))
        self.taken()
        self._move()
        self.tell()

    def attach(self) -> None:
        """Train the weights from the next step on."""
        if self._is_attached:
            return
        model, step, compute = self._model, self._model.train_step, self._model.compute_loss

        def train_step(data: Any) -> Any:
            self._is_training, self._has_learned = True, False
            try:
                logs = step(data)
            finally:
                self._is_training = False
            if not self._has_learned:
                raise _not_seen("train_step does not call compute_loss")
            return logs

        def compute_loss(*args: Any, **options: Any) -> Any:
            if not self._is_training or self._has_learned:
                return compute(*args, **options)
            return self._learning(lambda: compute(*args, **options))

        model.train_step, model.compute_loss = train_step, compute_loss
        model.make_train_function(force=True)
        self._is_attached = True

    def detach(self) -> None:
        """Train no weights any more."""
        if self._is_attached:
            del self._model.train_step, self._model.compute_loss
            self._model.make_train_function(force=True)
            self._is_attached = False

    def tell(self) -> None:
        """Tell the loss what its weights are now, which the graph has moved."""
        effective = ops.convert_to_numpy(self._loss.multipliers).tolist()
        self._loss.set_weights(self._relative(dict(zip(self._names, effective, strict=True))))

    def taken(self) -> dict[str, float] | None:
        """The effective weights since the last call, mean over the steps; ``None`` if none was."""
        steps, sums = float(ops.convert_to_numpy(self._steps)), ops.convert_to_numpy(self._sums)
        self._steps.assign(0.0)
        self._sums.assign(ops.zeros_like(self._sums))
        return dict(zip(self._names, (sums / steps).tolist(), strict=True)) if steps else None

    def _relative(self, effective: Mapping[str, float]) -> dict[str, float]:
        scales = self._loss.scales
        return {n: w * (1.0 if scales is None else scales[n]) for n, w in effective.items()}

    def _learning(self, compute: Any) -> Any:
        """What computes the loss, and moves the weights for the next step by it."""
        import tensorflow as tf

        multipliers = self._loss.multipliers
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(multipliers.value)
            loss = compute()
        by_weights = tape.gradient(loss, multipliers.value)
        if by_weights is None:
            raise _not_seen("compute_loss does not use the combined loss")
        self._has_learned = True
        self._sums.assign_add(multipliers)
        self._steps.assign_add(1.0)
        rate = self._optimizer.learning_rate
        if isinstance(rate, keras.Variable):  # one that callbacks of the user's may move
            rate.assign(self._model.optimizer.learning_rate)
        slope = slopes(ops.convert_to_tensor(self._variances), self._units, by_weights)
        self._optimizer.apply([slope], [self._variances])
        self._move()
        return loss

    def _move(self) -> None:
        variances = ops.convert_to_tensor(self._variances)
        self._loss.multipliers.assign(
            weighed(
                variances, ops.convert_to_tensor(self._units), ops.convert_to_tensor(self._total)
            )
        )

    def _new(self, *shape: int) -> keras.Variable:
        kind = self._loss.multipliers.dtype
        return keras.Variable("zeros", shape=shape, dtype=kind, trainable=False)


def _not_seen(why: str) -> ModelError:
    return ModelError(
        f"Expected a model that is trained by compute_loss with the combined loss, by whose slope "
        f"weights are learned. Found that its {why}. Call self.compute_loss(...) in train_step, or "
        f"take lw.adaptive.Uncertainty(), which learns nothing."
    )
