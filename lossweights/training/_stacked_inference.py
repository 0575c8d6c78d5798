"""How the members of a stack are measured: with which statistics, and what their model adds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import tree

from lossweights.data import Split
from lossweights.training._stacked_gradients import State, map_members, merge, split
from lossweights.training._stacked_loss import MemberLoss, Tensor
from lossweights.watch.inference import (
    STATISTICS_ROWS,
    OwnLosses,
    batch_statistics,
    normalizing_layers,
    refuse_carried_state,
)


class StackedInference:
    """Measures what `lossweights.watch.inference` does, for each member of a stack.

    Args:
        member: The loss of one member.
        model: The model, built.
        is_common: For each non-trainable variable of the model, whether all members share it.
        example: A few inputs.

    Attributes:
        has_own_losses: Whether the model adds losses by itself.
    """

    def __init__(
        self, member: MemberLoss, model: keras.Model, is_common: Sequence[bool], example: Any
    ) -> None:
        refuse_carried_state(model)
        self._member, self._model, self._is_common = member, model, list(is_common)
        self._normalizes = bool(normalizing_layers(model))
        self._own = OwnLosses(model, example, member.taken)
        self.has_own_losses = self._own.exist

    def as_trained(self, trainable: list[Tensor], state: State, x: Any) -> State:
        """The state with the moving statistics that these rows have themselves, in the graph.

        Args:
            trainable: Values of the trainable variables, each ``(members, ...)``.
            state: Values of the non-trainable variables.
            x: Inputs.
        """
        if not self._normalizes:
            return state

        def one(values: tuple[list[Tensor], list[Tensor]]) -> list[Tensor]:
            trainable, own = values
            merged = merge(own, state.common, self._is_common)
            found = batch_statistics(self._model, x, self._member.values(trainable, merged))
            meanwhile = {id(variable): value for variable, value in found}
            pairs = zip(self._model.non_trainable_variables, merged, strict=True)
            return split([meanwhile.get(id(v), value) for v, value in pairs], self._is_common)[0]

        members = trainable[0].shape[0]
        return State(map_members(one, (trainable, state.own), members), state.common)

    def own_losses(
        self, trainable: list[Tensor], state: State, x: Any, batch_size: int
    ) -> Tensor | None:
        """What the model adds to the loss of a batch, shape ``(members,)``, in the graph.

        Args:
            trainable: Values of the trainable variables, each ``(members, ...)``.
            state: Values of the non-trainable variables.
            x: Inputs.
            batch_size: Rows of a training batch.

        Returns:
            ``None`` for a model that adds none.
        """
        if not self.has_own_losses:
            return None

        def one(values: tuple[list[Tensor], list[Tensor]]) -> Tensor:
            trainable, own = values
            merged = merge(own, state.common, self._is_common)
            fixed, a_row = self._own.measure(x, self._member.values(trainable, merged))
            return fixed + batch_size * a_row

        return map_members(one, (trainable, state.own), members=trainable[0].shape[0])


def measured_inputs(part: Split) -> Any:
    """The inputs of the rows that statistics and own losses are measured on, on the device."""
    return tree.map_structure(tf.convert_to_tensor, part.spread(STATISTICS_ROWS).x)
