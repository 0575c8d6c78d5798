"""Numbers of an optimizer that each member of a stack has for itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from lossweights.base.sampled import HYPER, Value
from lossweights.foreign.keras_names import decays, set_aside
from lossweights.training.numbers import DECAY, EPSILON, MOMENTUM, RATE


class MemberNumbers:
    """Lets a Keras optimizer on stacked variables read a number for each member.

    Every update of an elementwise optimizer is an expression of numbers and of arrays that begin
    with the members: in the place of a number it takes an array that has one for each. Weight
    decay, which Keras applies before the update and by the common learning rate, is applied here.

    Args:
        optimizer: A fresh optimizer; it is changed.
        variables: The variables of all members, each ``(members, ...)``, or of embeddings
            ``(members * rows, ...)``.
        members: How many members.
        usual: The numbers by name, and what all members begin with.
    """

    def __init__(
        self,
        optimizer: keras.optimizers.Optimizer,
        variables: Sequence[keras.Variable],
        members: int,
        usual: Mapping[str, float],
    ) -> None:
        self._members, self._usual = members, dict(usual)
        self._numbers = {
            name: keras.Variable(
                initializer="zeros", shape=(members,), dtype="float32", trainable=False, name=name
            )
            for name in usual
        }
        self.put([{}] * members)
        self._rate, self._decay = optimizer.learning_rate, optimizer.weight_decay
        if DECAY in usual:
            optimizer.weight_decay = 1.0  # also if that of most members is 0
        if MOMENTUM in usual:
            optimizer.momentum = 0.5  # likewise: velocities are made where it is not 0
        self._decayed = [decays(optimizer, variable) for variable in variables]
        optimizer.weight_decay = None
        self._update, self._optimizer = optimizer.update_step, optimizer
        optimizer.update_step = self._update_step

    @property
    def variables(self) -> list[keras.Variable]:
        """The numbers, each of shape ``(members,)``."""
        return list(self._numbers.values())

    def put(self, chosen: Sequence[Mapping[str, Value]]) -> None:
        """Give each member its numbers; the usual ones where it has none of its own."""
        for name, variable in self._numbers.items():
            variable.assign([float(c.get(f"{HYPER}{name}", self._usual[name])) for c in chosen])

    def decay(self, variables: Sequence[keras.Variable], indices: Sequence[int]) -> None:
        """Pull variables to zero, as Keras does before an update.

        Args:
            variables: The variables of these ``indices``.
            indices: Their places among all.
        """
        if self._decay is None and DECAY not in self._numbers:
            return
        for variable, index in zip(variables, indices, strict=True):
            if self._decayed[index]:
                rate = self._along(RATE, self._rate, variable)
                decay = self._along(DECAY, self._decay, variable)
                variable.assign(variable - variable * decay * rate)

    def _update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        own = {n: self._along(n, None, variable) for n in self._numbers if n not in (RATE, DECAY)}
        if EPSILON in own:
            # Keras' add takes what looks like a bias for one: numbers of members along the last
            # axis, where that is as long. In full shape they do not.
            own[EPSILON] = tf.broadcast_to(own[EPSILON], variable.shape)
        if MOMENTUM in own:
            own[MOMENTUM] = _Momenta(own[MOMENTUM])
        with set_aside(self._optimizer, own):
            self._update(gradient, variable, self._along(RATE, learning_rate, variable))

    def _along(self, name: str, common: Any, variable: Any) -> Any:
        """A number for each member, in a shape that goes with a variable; or the common one."""
        if name not in self._numbers:
            return ops.cast(common, variable.dtype)
        values = ops.cast(ops.convert_to_tensor(self._numbers[name]), variable.dtype)
        rows = variable.shape[0] // self._members
        values = values if rows == 1 else tf.repeat(values, rows)
        return ops.reshape(values, (-1, *[1] * (len(variable.shape) - 1)))


class _Momenta:
    """Momenta of members, none of which is said to be 0, as of `Momentum` of one training."""

    def __init__(self, values: Any) -> None:
        self._values = values
        self.dtype, self.shape = values.dtype, values.shape

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        return tf.convert_to_tensor(self._values, dtype, name=name)

    def __ne__(self, other: object) -> Any:
        return True

    def __gt__(self, other: object) -> Any:
        return True

    __hash__ = object.__hash__
