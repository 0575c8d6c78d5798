"""The loss of one member of a stack as a pure function of its parameters, state and weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from lossweights.loss import CombinedLoss

Tensor = Any
Batch = tuple[Any, ...]  # (x, y) or (x, y, sample_weight), as `model.fit` takes it


def call_model(
    model: keras.Model,
    trainable: Sequence[Tensor],
    state: Sequence[Tensor],
    x: Any,
    *,
    training: bool,
) -> tuple[Any, list[Tensor], list[Tensor]]:
    """Call a Keras model with these values in place of its variables.

    Unlike `model.stateless_call` this passes through `model.__call__`, as `model.fit` does, so
    that masks and casts are the same.

    Args:
        model: The model, built. Its variables stay as they are.
        trainable: Values of ``model.trainable_variables``.
        state: Values of ``model.non_trainable_variables``.
        x: Inputs.
        training: Whether layers such as dropout act.

    Returns:
        The outputs, the new values of the non-trainable variables, and the additional losses that
        regularisers and ``add_loss`` gave.
    """
    values = [
        *zip(model.trainable_variables, trainable, strict=True),
        *zip(model.non_trainable_variables, state, strict=True),
    ]
    with keras.StatelessScope(state_mapping=values, collect_losses=True) as scope:
        y_pred = model(x, training=training)
        additional = [ops.sum(loss) for loss in model.losses]
    new_state = [scope.get_current_value(variable) for variable in model.non_trainable_variables]
    return y_pred, new_state, additional


class MemberLoss:
    """The loss that `model.fit` would minimise for one member, and its gradient.

    Args:
        model: The model, built.
        loss: The combined loss; the weights are those given to each call, not its own.
    """

    def __init__(self, model: keras.Model, loss: CombinedLoss) -> None:
        self._model, self._loss = model, loss

    def value(
        self,
        trainable: Sequence[Tensor],
        state: Sequence[Tensor],
        weights: Tensor,
        batch: Batch,
    ) -> tuple[Tensor, list[Tensor]]:
        """The loss on a batch, a scalar, and the new state.

        Args:
            trainable: Values of the trainable variables.
            state: Values of the non-trainable variables.
            weights: Effective weight of each term, shape ``(terms,)``.
            batch: ``(x, y)`` or ``(x, y, sample_weight)``.
        """
        x, y, *sample_weight = batch
        y_pred, new_state, additional = call_model(
            self._model, trainable, state, x, training=True
        )
        means = self._loss.components(y, y_pred, *sample_weight)
        parts = [
            ops.cast(weights[i], mean.dtype) * mean for i, mean in enumerate(means.values())
        ]
        return ops.sum(ops.stack([*parts, *additional])), new_state

    def gradients(
        self,
        trainable: Sequence[Tensor],
        state: Sequence[Tensor],
        weights: Tensor,
        batch: Batch,
    ) -> tuple[list[Tensor | None], list[Tensor]]:
        """The gradient with respect to each trainable variable, and the new state.

        A gradient is ``None`` where the loss does not depend on the variable.
        """
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(trainable)
            loss, new_state = self.value(trainable, state, weights, batch)
        return [_dense(g) for g in tape.gradient(loss, trainable)], new_state


def _dense(gradient: Any) -> Tensor | None:
    """A gradient of rows that were looked up, as embeddings give it, in the variable's shape."""
    return None if gradient is None else tf.convert_to_tensor(gradient)
