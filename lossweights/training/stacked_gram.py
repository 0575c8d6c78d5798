"""Gradients of the single terms, for all members of a stack: Gram matrices and calibration."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import tree

from lossweights.gradients import has_free_offset
from lossweights.problem import Split
from lossweights.training.rows import Rows
from lossweights.training.stacked_gradients import State, map_members, merge
from lossweights.training.stacked_loss import MemberLoss, Tensor


class StackedGram:
    """Measures what `lossweights.gradients` does, for each member of a stack.

    Args:
        member: The loss of one member.
        model: The model, built.
        split: The rows to measure on.
        is_common: For each non-trainable variable of the model, whether all members share it.
    """

    def __init__(
        self, member: MemberLoss, model: keras.Model, split: Split, is_common: Sequence[bool]
    ) -> None:
        self._member, self._is_common = member, list(is_common)
        self._batch = Rows(split).whole()
        self.is_calibrated = has_free_offset(model)

    def measure(
        self, trainable: list[Tensor], state: State, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Gram matrices and calibration residuals, in the graph.

        Args:
            trainable: Values of the trainable variables, each ``(members, ...)``.
            state: Values of the non-trainable variables.
            weights: Effective weights, shape ``(members, terms)``.

        Returns:
            Shapes ``(members, terms, terms)`` and ``(members,)``. A residual has a meaning only if
            ``is_calibrated``.
        """

        def member(values: tuple[list[Tensor], list[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
            trainable, own, weights = values
            return self._of_member(trainable, merge(own, state.common, self._is_common), weights)

        members = trainable[0].shape[0]
        return map_members(member, (trainable, state.own, weights), members=members)

    def _of_member(
        self, trainable: list[Tensor], state: list[Tensor], weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        x, y, *sample_weight = self._batch
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(trainable)
            y_pred = self._member.predict(trainable, state, x)
            outputs = tree.flatten(y_pred)
            tape.watch(outputs)
            means = self._member.means(y, y_pred, *sample_weight)
        by_parameters = [_gradient(tape, mean, trainable) for mean in means]
        by_output = tf.stack([_gradient(tape, mean, outputs) for mean in means])
        total = tf.linalg.matvec(by_output, tf.cast(weights, by_output.dtype), transpose_a=True)
        spread = tf.sqrt(tf.reduce_mean(tf.square(total)))
        residual = tf.math.divide_no_nan(tf.abs(tf.reduce_mean(total)), spread)
        slopes = tf.stack(by_parameters)
        return tf.linalg.matmul(slopes, slopes, transpose_b=True), residual


def _gradient(tape: tf.GradientTape, mean: Tensor, sources: list[Tensor]) -> Tensor:
    """A gradient as one float32 vector; zeros where the term does not depend on a source."""
    found = tape.gradient(mean, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    flat = [tf.reshape(tf.cast(tf.convert_to_tensor(part), tf.float32), [-1]) for part in found]
    return tf.concat(flat, axis=0)
