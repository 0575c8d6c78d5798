"""The variables of the members of a stack, side by side on a leading axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from lossweights.base.sampled import Value
from lossweights.foreign.keras_names import is_random_state, layers_of
from lossweights.terms.chosen import dials_of
from lossweights.training._stacked_gradients import State, merge, split
from lossweights.training._stacked_layout import Layout, turned_around
from lossweights.training._stacked_learning import StackedLearning
from lossweights.training._stacked_loss import Tensor
from lossweights.training._stacked_optimizers import StackedOptimizer, unfold
from lossweights.training.problem import Problem
from lossweights.watch.learned import Learning

# Values of the trainable and of the non-trainable variables of one model.
ModelValues: TypeAlias = "tuple[list[NDArray[Any]], list[NDArray[Any]]]"
# All that training changes of one member: its own values, those of the optimizer that all members
# share, and the random states.
MemberValues: TypeAlias = "tuple[list[NDArray[Any]], list[NDArray[Any]]]"


class StackedVariables:
    """All that changes when a stack is trained: parameters, states, optimizer, term weights.

    Args:
        problem: What is trained.
        model: A built model of the problem, for the shapes.
        size: How many members.
        layout: How the trainable variables lie.
        learns: Whether the weights of some are trained with them.

    Attributes:
        layout: How the trainable variables lie.
        learning: What trains them, or ``None``.
    """

    def __init__(
        self,
        problem: Problem,
        model: keras.Model,
        size: int,
        layout: Layout,
        *,
        learns: bool = False,
    ) -> None:
        self.layout = layout
        self.is_common = [is_random_state(v) for v in model.non_trainable_variables]
        self._size, self._terms = size, list(problem.terms)
        self._weights = tf.Variable(tf.ones((size, len(self._terms)), keras.config.floatx()))
        self._dials = dials_of(problem.terms.values())
        shape = (size, len(self._dials))
        self._turned = [tf.Variable(tf.zeros(shape, keras.config.floatx()))] if self._dials else []
        tables = _embedding_tables(model)
        self._trainable = [
            _stacked(variable, size, folded=id(variable) in tables, beside=beside)
            for variable, beside in zip(model.trainable_variables, layout.beside, strict=True)
        ]
        own, common = split(model.non_trainable_variables, self.is_common)
        self._own = [_stacked(variable, size) for variable in own]
        self._common = [_copy(variable) for variable in common]
        self.optimizer = StackedOptimizer(
            problem.make_optimizer(),
            self._trainable,
            size,
            [variable.constraint for variable in model.trainable_variables],
            problem.hyper,
            is_sparse=bool(tables),
        )
        self._beside = {
            id(variable)
            for like in (self._trainable, *self.optimizer.moments)
            for variable, beside in zip(like, layout.beside, strict=True)
            if beside
        }
        self.learning = StackedLearning(problem, size) if learns else None

    @property
    def weights(self) -> Tensor:
        """The effective weights, shape ``(members, terms)``."""
        return tf.convert_to_tensor(self._weights)

    @property
    def read(self) -> Tensor:
        """The weights, and behind them what else the terms read: ``(members, terms + dials)``."""
        if not self._turned:
            return self.weights
        return tf.concat([self.weights, *map(tf.convert_to_tensor, self._turned)], axis=1)

    @property
    def trainable(self) -> list[Tensor]:
        """The values of the trainable variables, each ``(members, ...)``."""
        return [self._by_member(variable) for variable in self._trainable]

    @property
    def as_they_lie(self) -> list[Tensor]:
        """The same in their layout, so that nothing is turned around."""
        return [
            tf.convert_to_tensor(variable) if beside else self._by_member(variable)
            for variable, beside in zip(self._trainable, self.layout.beside, strict=True)
        ]

    @property
    def state(self) -> State:
        """The values of the non-trainable variables."""
        return State(
            [tf.convert_to_tensor(variable) for variable in self._own],
            [tf.convert_to_tensor(variable) for variable in self._common],
        )

    def set_state(self, state: State) -> None:
        """Give the non-trainable variables new values."""
        for variable, value in zip(self._own, state.own, strict=True):
            variable.assign(value)
        for variable, value in zip(self._common, state.common, strict=True):
            variable.assign(value)

    def learn(self, by_weights: Tensor) -> None:
        """Train the weights by one step, by the gradients of the losses by them; in the graph."""
        if self.learning is not None:
            self._weights.assign(self.learning.step(self.weights, by_weights))

    def start(
        self,
        values: Sequence[ModelValues],
        weights: Sequence[Mapping[str, float]],
        chosen: Sequence[Mapping[str, Value]] = (),
        learning: Sequence[Learning | None] = (),
    ) -> None:
        """Put the members where fresh models start.

        Args:
            values: The values that each member starts with.
            weights: The effective weights of each member.
            chosen: What is chosen for each member beside; by default nothing.
            learning: Of those whose weights are trained, how; by default none are.
        """
        self._weights.assign([[float(w[name]) for name in self._terms] for w in weights])
        for index, variable in enumerate(self._trainable):
            self._put(variable, np.stack([trainable[index] for trainable, _ in values]))
        states = [split(state, self.is_common) for _, state in values]
        for index, variable in enumerate(self._own):
            variable.assign(np.stack([own[index] for own, _ in states]))
        for index, variable in enumerate(self._common):
            variable.assign(states[0][1][index])
        self.optimizer.restart()
        chosen = chosen or [{}] * self._size
        self.optimizer.adjust(chosen)
        for numbers in self._turned:
            numbers.assign(
                [[d.number(each.get(d.key, d.usual)) for d in self._dials] for each in chosen]
            )
        if self.learning is not None:
            self.learning.start(learning or [None] * self._size, chosen)

    def weigh(self, weights: Mapping[int, Mapping[str, float]]) -> None:
        """Give some members other weights from the next step on.

        Args:
            weights: Effective weight of each term, by the place of the member.
        """
        rows = np.array(self._weights)
        for member, row in weights.items():
            rows[member] = [row[name] for name in self._terms]
        self._weights.assign(rows)

    def take(self, other: StackedVariables, members: Sequence[int]) -> None:
        """Take over members of another stack, with all that their training has reached.

        Args:
            other: The variables of another stack of the same problem.
            members: As many of its members as there are here.
        """
        for mine, theirs in zip(self._stacked(), other._stacked(), strict=True):
            value = other._by_member(theirs)
            self._put(mine, tf.gather(value, members) if value.shape.rank else value)
        for mine, theirs in zip(self._common, other._common, strict=True):
            mine.assign(theirs)

    def copies(self, members: Sequence[int]) -> list[MemberValues]:
        """Copies of all that some members have reached, from which their training can go on."""
        stacked = [ops.convert_to_numpy(self._by_member(v)) for v in self._stacked()]
        common = [ops.convert_to_numpy(variable).copy() for variable in self._common]
        return [
            ([value[member].copy() if value.ndim else value for value in stacked], common)
            for member in members
        ]

    def put(self, members: Sequence[MemberValues]) -> None:
        """Let members go on from what `copies` gave, of this stack or others.

        Args:
            members: As many as there are here, all at the same epoch; of one seed, if the model
                draws random numbers.
        """
        for index, variable in enumerate(self._stacked()):
            values = [own[index] for own, _ in members]
            self._put(variable, np.stack(values) if len(variable.shape) else values[0])
        for variable, value in zip(self._common, members[0][1], strict=True):
            variable.assign(value)

    def _by_member(self, variable: Any) -> Tensor:
        """The value of a variable with the members first; scalars are common to them."""
        value = tf.convert_to_tensor(variable)
        if id(variable) in self._beside:
            return turned_around(value)
        return unfold(value, self._size) if value.shape.rank else value

    def _put(self, variable: Any, value: Any) -> None:
        """Give a variable a value that has the members first, or a scalar."""
        if id(variable) in self._beside:
            value = turned_around(value)
        variable.assign(tf.reshape(value, variable.shape))

    def of_member(self, member: int) -> ModelValues:
        """Copies of the values that a member has reached."""

        def copy(variable: keras.Variable) -> NDArray[Any]:
            return ops.convert_to_numpy(self._by_member(variable))[member].copy()

        common = [ops.convert_to_numpy(variable).copy() for variable in self._common]
        state = merge([copy(variable) for variable in self._own], common, self.is_common)
        return [copy(variable) for variable in self._trainable], state

    def _stacked(self) -> list[Any]:
        """Everything with a leading axis of members, and the scalars of the optimizer."""
        learning = [] if self.learning is None else self.learning.variables
        own = [self._weights, *self._turned, *self._trainable, *self._own]
        return [*own, *self.optimizer.variables, *learning]


def model_values(model: keras.Model) -> ModelValues:
    """Copies of the values that a model has."""
    return (
        [ops.convert_to_numpy(variable).copy() for variable in model.trainable_variables],
        [ops.convert_to_numpy(variable).copy() for variable in model.non_trainable_variables],
    )


def _embedding_tables(model: keras.Model) -> set[int]:
    """The ids of the variables whose gradients may be sparse."""
    return {
        id(variable)
        for layer in layers_of(model)
        if isinstance(layer, keras.layers.Embedding)
        for variable in layer.trainable_variables
    }


def _stacked(
    variable: keras.Variable, size: int, *, folded: bool = False, beside: bool = False
) -> keras.Variable:
    """A variable for all members.

    With ``folded`` the rows of the members follow each other, with ``beside`` the members are on
    the second axis.
    """
    shape = (size, *variable.shape)
    if folded:
        shape = (shape[0] * shape[1], *shape[2:])
    elif beside:
        shape = (shape[1], shape[0], *shape[2:])
    return keras.Variable(
        "zeros",
        shape=shape,
        dtype=variable.dtype,
        trainable=variable.trainable,
        name=variable.name,
    )


def _copy(variable: keras.Variable) -> keras.Variable:
    return keras.Variable(
        ops.convert_to_numpy(variable), dtype=variable.dtype, trainable=False, name=variable.name
    )
