"""Gram matrices of the terms for methods of adaptive weighting, for all members of a stack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from keras import ops, tree
from numpy.typing import NDArray

from lossweights.training._logits import LogitsPast
from lossweights.training._rows import Rows
from lossweights.training._stacked_gradients import State, map_members, merge
from lossweights.training._stacked_gram import flat_gradient
from lossweights.training._stacked_inference import StackedInference
from lossweights.training._stacked_loss import Called, MemberLoss, Tensor
from lossweights.training._stacked_variables import StackedVariables
from lossweights.watch.gradients import Wrt


class WeighingGram:
    """Measures the Gram matrices of the members' terms, as `lossweights.watch.gradients` does.

    Args:
        member: The loss of one member.
        rows: The rows to measure on.
        is_common: For each non-trainable variable of the model, whether all members share it.
        inference: How the members are measured.
        variables: Those of the stack.
        wrt: Gradients of the trainable ``"parameters"``, or at the ``"output"``.
    """

    def __init__(
        self,
        member: MemberLoss,
        rows: Rows,
        is_common: Sequence[bool],
        inference: StackedInference,
        variables: StackedVariables,
        wrt: Wrt,
    ) -> None:
        self._member, self._batch, self._is_common = member, rows.whole(), list(is_common)
        self._inference, self._variables, self._wrt = inference, variables, wrt
        self._gram = tf.function(self._measure, autograph=False, input_signature=[])

    def measure(self) -> NDArray[Any]:
        """The matrices of the members as they are now, shape ``(members, terms, terms)``."""
        found: NDArray[Any] = ops.convert_to_numpy(self._gram()).astype("float64")
        return found

    def _measure(self) -> Tensor:
        trainable, state = self._variables.trainable, self._variables.state
        _, y, *sample_weight = self._batch

        past = LogitsPast()

        def means(values: tuple[tuple[Called, list[Tensor]], Tensor]) -> Tensor:
            (called, logits), read = values
            if self._wrt == "parameters":  # at the output all is a function of the output alone
                called = past.left_on(called, logits)
            return tf.stack(self._member.means(read, y, called, *sample_weight))

        # Differentiated as a whole, not member by member: that also works for loops over time.
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            if self._wrt == "parameters":
                tape.watch(trainable)
            called, logits = self._predict(trainable, state, past)
            outputs = tree.flatten(called.outputs)
            if self._wrt == "output":
                tape.watch(outputs)
            read = self._variables.read
            found = map_members(means, ((called, logits), read), trainable[0].shape[0])
            terms = tf.unstack(found, axis=1)
        sources = trainable if self._wrt == "parameters" else outputs
        slopes = tf.stack([flat_gradient(tape, term, sources) for term in terms], axis=1)
        return tf.linalg.matmul(slopes, slopes, transpose_b=True)

    def _predict(
        self, trainable: list[Tensor], state: State, past: LogitsPast
    ) -> tuple[Called, list[Tensor]]:
        """What all members give, with the statistics that the rows have themselves; its logits."""
        x = self._batch[0]
        seen = self._inference.as_trained(trainable, state, x)

        def predict(values: tuple[list[Tensor], list[Tensor]]) -> tuple[Called, list[Tensor]]:
            parameters, own = values
            merged = merge(own, state.common, self._is_common)
            called = self._member.predict(parameters, merged, x)
            return called, past.taken(called)

        found: tuple[Called, list[Tensor]] = map_members(
            predict, (trainable, seen.own), trainable[0].shape[0]
        )
        return found
