"""The loss of one member of a stack as a pure function of its parameters, state and weights."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, TypeAlias

import keras
import tensorflow as tf
from keras import ops, tree

from lossweights.foreign.keras_names import mask_of
from lossweights.loss.combined import CombinedLoss
from lossweights.terms.chosen import dials_of
from lossweights.terms.model_losses import gathered, given, losses_read
from lossweights.training._after_outputs import compiled_after
from lossweights.watch.inference import Values
from lossweights.watch.reading import values_by_output

Tensor = Any
# Slices are of the rows of an embedding that were looked up.
Gradient: TypeAlias = "Tensor | tf.IndexedSlices"
Batch = tuple[Any, ...]  # (x, y) or (x, y, sample_weight), as `model.fit` takes it


class Called(NamedTuple):
    """What a call of a model gave.

    Attributes:
        outputs: The outputs, as the terms read them.
        added: Of the losses that it adds itself those that are terms, ``(rows,)``, by name.
    """

    outputs: Any
    added: dict[str, Tensor]


class MemberLoss:
    """The loss that `model.fit` would minimise for one member, its parts and its gradient.

    Args:
        model: The model, built. It lends its structure: its variables are neither read nor set.
        loss: The combined loss; the weights are those given to each call, not its own.
        xla_after: Whether XLA compiles what follows the model's outputs in `gradients` and `value`.

    Attributes:
        taken: The losses that the model adds itself and that are terms.
        is_masked: Whether outputs carry a Keras mask. This and the next are known after a call.
        has_foreign_state: Whether the model sets variables that are not its own.
    """

    def __init__(self, model: keras.Model, loss: CombinedLoss, *, xla_after: bool = False) -> None:
        self._model, self._loss = model, loss
        self._of_outputs = compiled_after(self._weighted) if xla_after else self._weighted
        self._terms, self._dials = len(loss.terms), dials_of(loss.terms.values())
        self.taken = losses_read(loss.terms.values())
        self.is_masked = self.has_foreign_state = False

    def gradients(
        self,
        trainable: Sequence[Tensor],
        state: Sequence[Tensor],
        read: Tensor,
        batch: Batch,
        *,
        by_weights: bool = False,
    ) -> tuple[list[Gradient | None], list[Tensor]]:
        """The gradient with respect to each trainable variable, and the new state; see `value`.

        A gradient is ``None`` where the loss does not depend on the variable. The one with respect
        to the weights comes last, if it is asked for.
        """
        weights, others = self.apart(read)
        sources = [*trainable, weights] if by_weights else list(trainable)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(sources)
            read = tf.concat([weights, others], axis=-1) if by_weights else read
            loss, new_state = self.value(trainable, state, read, batch)
        return tape.gradient(loss, sources), new_state

    def value(
        self,
        trainable: Sequence[Tensor],
        state: Sequence[Tensor],
        read: Tensor,
        batch: Batch,
    ) -> tuple[Tensor, list[Tensor]]:
        """The loss on a batch in training mode, a scalar, and the new state.

        Args:
            trainable: Values of ``model.trainable_variables``.
            state: Values of ``model.non_trainable_variables``.
            read: Effective weight of each term, and behind them what the terms read besides,
                shape ``(terms + dials,)``.
            batch: ``(x, y)`` or ``(x, y, sample_weight)``.
        """
        x, y, *sample_weight = batch
        called, new_state, additional = self._call(trainable, state, x, training=True)
        of_rows = sample_weight[0] if sample_weight else None
        loss = self._of_outputs(called.outputs, called.added, y, of_rows, read)
        return ops.sum(ops.stack([loss, *additional])), new_state

    def _weighted(
        self, outputs: Any, added: dict[str, Tensor], y: Any, of_rows: Any, read: Tensor
    ) -> Tensor:
        """The weighted mean over the rows, a scalar, of what the model gave."""
        with self._turned(read), given(added):
            return self._loss.weighted_mean(y, outputs, of_rows, read[: self._terms])

    def apart(self, read: Tensor) -> tuple[Tensor, Tensor]:
        """The weights, and what else the terms read, of one member or of all: ``(..., terms)``."""
        return read[..., : self._terms], read[..., self._terms :]

    def values(self, trainable: Sequence[Tensor], state: Sequence[Tensor]) -> Values:
        """The variables of the model, each with the value that this member has for it."""
        model = self._model
        return [
            *zip(model.trainable_variables, trainable, strict=True),
            *zip(model.non_trainable_variables, state, strict=True),
        ]

    def predict(self, trainable: Sequence[Tensor], state: Sequence[Tensor], x: Any) -> Called:
        """What the model gives in inference mode."""
        return self._call(trainable, state, x, training=False)[0]

    def means(
        self, read: Tensor, y: Any, called: Called, sample_weight: Any = None
    ) -> list[Tensor]:
        """The unweighted mean of each term over the samples given, as scalars; see `value`."""
        with self._turned(read), given(called.added):
            return list(self._loss.components(y, called.outputs, sample_weight).values())

    def _turned(self, read: Tensor) -> AbstractContextManager[Any]:
        """Let the terms read the member's own numbers, if they read any."""
        if not self._dials:
            return nullcontext()
        values = tf.unstack(read)[self._terms :]
        own = zip(self._dials, values, strict=True)
        return keras.StatelessScope(state_mapping=[(dial.variable, value) for dial, value in own])

    def _call(
        self, trainable: Sequence[Tensor], state: Sequence[Tensor], x: Any, *, training: bool
    ) -> tuple[Called, list[Tensor], list[Tensor]]:
        """Outputs, new state, and the losses that regularisers and ``add_loss`` gave beside.

        Unlike `model.stateless_call` this passes through `model.__call__`, as `model.fit` does, so
        that masks and casts are the same.
        """
        model = self._model
        values = self.values(trainable, state)
        scope = keras.StatelessScope(state_mapping=values, collect_losses=True)
        with gathered(self.taken) as added, scope:
            y_pred = model(x, training=training)
            additional = [ops.sum(loss) for loss in model.losses]
        masks = [mask_of(output) for output in tree.flatten(y_pred)]
        self.is_masked = any(mask is not None for mask in masks)
        own = {id(variable) for variable, _ in values}
        self.has_foreign_state = not own.issuperset(scope.state_mapping)
        new_state = [scope.get_current_value(v) for v in model.non_trainable_variables]
        outputs = values_by_output(model, self._loss, y_pred)
        return Called(outputs, dict(added)), new_state, additional
