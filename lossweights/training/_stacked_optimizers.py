"""Keras' optimizers on stacked variables: every member is updated as if it were alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from lossweights.base.sampled import Value
from lossweights.training._fused_adam import FusedAdam
from lossweights.training._member_numbers import MemberNumbers
from lossweights.training._stacked_gradients import StackedGradient, map_members
from lossweights.training._stacked_loss import Tensor

# Optimizers that update each number by itself: on stacked variables they are right unchanged.
# Others (Lamb, Muon, Adafactor) look at a whole variable, which here would be all members.
ELEMENTWISE = frozenset(
    {
        keras.optimizers.SGD,
        keras.optimizers.Adam,
        keras.optimizers.AdamW,
        keras.optimizers.RMSprop,
        keras.optimizers.Adagrad,
        keras.optimizers.Adadelta,
        keras.optimizers.Adamax,
        keras.optimizers.Nadam,
        keras.optimizers.Lion,
    }
)


def unsupported(optimizer: keras.optimizers.Optimizer) -> str | None:
    """Why an optimizer cannot train a stack, or ``None`` if it can."""
    if type(optimizer) not in ELEMENTWISE:
        return f"the optimizer {type(optimizer).__name__} is not known to update elementwise"
    for option in ("use_ema", "gradient_accumulation_steps", "loss_scale_factor"):
        if getattr(optimizer, option):
            return f"the optimizer uses {option}"
    return None


class StackedOptimizer:
    """A Keras optimizer that updates all members of a stack.

    The optimizer's own code runs on variables with a leading axis of members. What it would do
    with a whole variable is done for each member instead: clipping by norm, and constraints. Adam
    and AdamW, the usual ones, run as a fused kernel.

    Args:
        optimizer: A fresh optimizer that is not `unsupported`.
        variables: The variables of all members, each ``(members, ...)``; those of embeddings
            ``(members * rows, ...)``, so that sparse gradients have rows to refer to.
        members: How many members.
        constraints: The constraint of each variable, or ``None``.
        usual: The numbers that each member has for itself, and their usual values.
        is_sparse: Whether variables of embeddings are among them.
    """

    def __init__(
        self,
        optimizer: keras.optimizers.Optimizer,
        variables: Sequence[keras.Variable],
        members: int,
        constraints: Sequence[Any],
        usual: Mapping[str, float] | None = None,
        *,
        is_sparse: bool = False,
    ) -> None:
        self._clipnorm, optimizer.clipnorm = optimizer.clipnorm, None
        self._global_clipnorm, optimizer.global_clipnorm = optimizer.global_clipnorm, None
        self._optimizer = optimizer
        self._trainable, self._members = list(variables), members
        self._constraints = list(constraints)
        use_fused = FusedAdam.fits(optimizer) and not is_sparse and not usual
        self._numbers = MemberNumbers(optimizer, variables, members, usual) if usual else None
        self._fused = FusedAdam(optimizer, variables) if use_fused else None
        if self._fused is None:
            optimizer.build(self._trainable)
        # The same for all members, so one row is enough to keep.
        self._starts = [_first_row(variable) for variable in self.variables]

    @property
    def variables(self) -> list[keras.Variable]:
        """Everything that changes in training: scalars are common to the members."""
        own = self._numbers.variables if self._numbers else ()
        moments = self._fused.variables if self._fused else ()
        return [*self._optimizer.variables, *moments, *own]

    @property
    def moments(self) -> Sequence[list[keras.Variable]]:
        """Variables that lie as those that are updated do, one for each; as far as it is known."""
        return self._fused.moments if self._fused else ()

    def restart(self) -> None:
        """Put the variables where a fresh optimizer has them."""
        for variable, start in zip(self.variables, self._starts, strict=True):
            variable.assign(np.broadcast_to(start, variable.shape))

    def adjust(self, chosen: Sequence[Mapping[str, Value]]) -> None:
        """Give each member its own numbers, as far as it has any."""
        if self._numbers is not None:
            self._numbers.put(chosen)

    def apply(self, gradients: Sequence[StackedGradient], indices: Sequence[int]) -> None:
        """Update variables by one step.

        Args:
            gradients: Gradients of the variables of these ``indices``.
            indices: The others stay as they are.
        """
        clipped = self._clip(list(gradients))
        variables = [self._trainable[index] for index in indices]
        if self._fused is not None:
            self._fused.apply(clipped, indices)
        else:
            if self._numbers is not None:
                self._numbers.decay(variables, indices)
            pairs = zip(clipped, variables, strict=True)
            self._optimizer.apply([self._in_shape(*pair) for pair in pairs], variables)
        for index, variable in zip(indices, variables, strict=True):
            if self._constraints[index] is not None:
                self._constrain(variable, self._constraints[index])

    def _clip(self, gradients: list[StackedGradient]) -> list[StackedGradient]:
        """Clip by norm, for each member by itself; Keras' order of precedence."""
        values = [g[0] if isinstance(g, tuple) else g for g in gradients]
        if self._clipnorm:
            values = [_clip_by_norm(value, self._clipnorm) for value in values]
        elif self._global_clipnorm:
            values = _clip_by_global_norm(values, self._global_clipnorm)
        return [
            (value, gradient[1]) if isinstance(gradient, tuple) else value
            for value, gradient in zip(values, gradients, strict=True)
        ]

    def _in_shape(self, gradient: StackedGradient, variable: keras.Variable) -> Any:
        """The gradient as Keras' optimizers take it for this variable."""
        if not isinstance(gradient, tuple):
            return tf.reshape(gradient, variable.shape)
        values, looked_up = gradient
        rows = variable.shape[0] // self._members
        first = tf.range(self._members, dtype=looked_up.dtype)[:, None] * rows
        return tf.IndexedSlices(
            tf.reshape(values, (-1, *variable.shape[1:])),
            tf.reshape(first + looked_up, [-1]),
            dense_shape=tf.constant(list(variable.shape), tf.int64),
        )

    def _constrain(self, variable: keras.Variable, constraint: Any) -> None:
        value = unfold(tf.convert_to_tensor(variable), self._members)
        constrained = map_members(constraint, value, self._members)
        variable.assign(tf.reshape(constrained, variable.shape))


def unfold(value: Tensor, members: int) -> Tensor:
    """The value of a variable with a leading axis of members, also that of an embedding."""
    if value.shape[0] == members:
        return value
    return tf.reshape(value, (members, -1, *value.shape[1:]))


def _first_row(variable: keras.Variable) -> Any:
    value = ops.convert_to_numpy(variable)
    return value[:1].copy() if value.ndim else value.copy()


def _clip_by_norm(gradient: Tensor, norm: float) -> Tensor:
    """`tf.clip_by_norm` of each member's gradient."""
    axes = list(range(1, len(gradient.shape)))
    if not axes:  # a scalar for each member: its norm is its absolute value
        return tf.clip_by_value(gradient, -norm, norm)
    return tf.clip_by_norm(gradient, norm, axes=axes)


def _clip_by_global_norm(gradients: list[Tensor], norm: float) -> list[Tensor]:
    """Keras' clipping by the norm of all gradients of a member together."""
    squares = [ops.sum(ops.square(g), axis=tuple(range(1, len(g.shape)))) for g in gradients]
    total = ops.sqrt(ops.sum(ops.stack(squares), axis=0))  # (members,)
    scale = norm * ops.minimum(1.0 / total, 1.0 / norm)
    scale = scale + (total - total)  # as Keras: a norm that is not finite spoils the gradient
    return [g * ops.reshape(scale, (-1, *[1] * (len(g.shape) - 1))) for g in gradients]
