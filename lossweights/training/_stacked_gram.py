"""Gradients of the single terms, for all members of a stack: Gram matrices and calibration."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import tree

from lossweights.training._logits import LogitsPast
from lossweights.training._rows import Rows
from lossweights.training._stacked_gradients import State, map_members, merge
from lossweights.training._stacked_inference import StackedInference
from lossweights.training._stacked_loss import Called, MemberLoss, Tensor
from lossweights.training.problem import Problem
from lossweights.watch.gradients import KINKS_FROM, has_free_offset, small_shift


class StackedGram:
    """Measures what `lossweights.watch.gradients` does, for each member of a stack.

    Args:
        member: The loss of one member.
        model: The model, built.
        rows: The rows to measure on.
        is_common: For each non-trainable variable of the model, whether all members share it.
        inference: How the members are measured.
        problem: What is trained.
    """

    def __init__(
        self,
        member: MemberLoss,
        model: keras.Model,
        rows: Rows,
        is_common: Sequence[bool],
        inference: StackedInference,
        problem: Problem,
    ) -> None:
        self._member, self._is_common = member, list(is_common)
        self._inference, self._batch_size = inference, problem.batch_size
        self._batch = rows.whole()
        self.is_calibrated = has_free_offset(model, problem.make_optimizer())
        self._shift = small_shift(self._batch[1]) if self.is_calibrated else 0.0

    def measure(self, trainable: list[Tensor], state: State, read: Tensor) -> tuple[Tensor, Tensor]:
        """Gram matrices and calibration residuals, in the graph.

        Args:
            trainable: Values of the trainable variables, each ``(members, ...)``.
            state: Values of the non-trainable variables.
            read: Effective weights, and what else the terms read: ``(members, terms + dials)``.

        Returns:
            Shapes ``(members, parts, parts)``, the last part being the model's own losses if it has
            any, and ``(members,)``. A residual has a meaning only if ``is_calibrated``.
        """
        x, y, *sample_weight = self._batch

        past = LogitsPast()

        def predict(values: tuple[list[Tensor], list[Tensor]]) -> tuple[Called, list[Tensor]]:
            trainable, own = values
            own = merge(own, state.common, self._is_common)
            called = self._member.predict(trainable, own, x)
            return called, past.taken(called)

        def mean(values: tuple[Called, Tensor]) -> Tensor:
            called, own = values
            return tf.stack(self._member.means(own, y, called, *sample_weight))

        def mean_by_logits(values: tuple[tuple[Called, list[Tensor]], Tensor]) -> Tensor:
            (called, logits), own = values
            return mean((past.left_on(called, logits), own))

        members = trainable[0].shape[0]
        # Differentiated as a whole, not member by member: that also works for loops over time.
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(trainable)
            seen = self._inference.as_trained(trainable, state, x)
            called, logits = map_members(predict, (trainable, seen.own), members)
            outputs = tree.flatten(called.outputs)
            tape.watch(outputs)
            found = map_members(mean_by_logits, ((called, logits), read), members)
            means = tf.unstack(found, axis=1)
            own = self._inference.own_losses(trainable, seen, x, self._batch_size)
        parts = means if own is None else [*means, own]
        slopes = tf.stack([flat_gradient(tape, part, trainable) for part in parts], axis=1)
        pulls = tf.stack([flat_gradient(tape, mean, outputs) for mean in means], axis=1)
        w = tf.cast(read[:, : len(means)], pulls.dtype)
        counted = tf.where(w[..., tf.newaxis] == 0, tf.zeros_like(pulls), pulls)  # 0 * NaN is NaN
        total = tf.einsum("kt,kto->ko", w, counted)
        spread = tf.sqrt(tf.reduce_mean(tf.square(total), axis=1))
        residual = tf.math.divide_no_nan(tf.abs(tf.reduce_mean(total, axis=1)), spread)
        if self.is_calibrated:

            def shifted(values: tuple[Called, Tensor], shift: float) -> Tensor:
                called, own = values
                outputs = tree.map_structure(lambda output: output + shift, called.outputs)
                return mean((called._replace(outputs=outputs), own))

            def shifted_means(values: tuple[Called, Tensor]) -> Tensor:
                return tf.stack([shifted(values, s) for s in (-self._shift, 0.0, self._shift)])

            values = map_members(shifted_means, (called, read), members)
            off = (w == 0)[:, tf.newaxis]  # and may be undefined
            down, still, up = tf.unstack(
                tf.einsum("kt,kst->sk", w, tf.where(off, tf.zeros_like(values), values))
            )
            lowers = tf.minimum(down, up) < still
            residual = tf.where((residual < KINKS_FROM) | lowers, residual, 0.0)
        return tf.linalg.matmul(slopes, slopes, transpose_b=True), residual


def flat_gradient(tape: tf.GradientTape, mean: Tensor, sources: list[Tensor]) -> Tensor:
    """A gradient as one float32 vector a member; zeros where no source matters to the term.

    The gradient of the sum over members is each member's own gradient in its own slice.
    """
    found = tape.gradient(mean, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    dense = [tf.cast(tf.convert_to_tensor(part), tf.float32) for part in found]
    return tf.concat([tf.reshape(part, (part.shape[0], -1)) for part in dense], axis=1)
