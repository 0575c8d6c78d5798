"""Keras' optimizers on stacked variables: every member is updated as if it were alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from lossweights.training.stacked_gradients import map_members

Tensor = Any

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
    and AdamW, the usual ones, run as TensorFlow's fused kernel, which reads and writes the
    memory once.

    Args:
        optimizer: A fresh optimizer that is not `unsupported`.
        variables: The stacked trainable variables, each ``(members, ...)``.
        constraints: The constraint of each variable, or ``None``.
    """

    def __init__(
        self,
        optimizer: keras.optimizers.Optimizer,
        variables: Sequence[keras.Variable],
        constraints: Sequence[Any],
    ) -> None:
        self._clipnorm, optimizer.clipnorm = optimizer.clipnorm, None
        self._global_clipnorm, optimizer.global_clipnorm = optimizer.global_clipnorm, None
        self._optimizer = optimizer
        self._trainable = list(variables)
        self._constraints = list(constraints)
        self._members = variables[0].shape[0]
        self._fused = _FusedAdam(optimizer, variables) if _FusedAdam.fits(optimizer) else None
        if self._fused is None:
            optimizer.build(self._trainable)
        self._starts = [_one_member(variable) for variable in self.variables]

    @property
    def variables(self) -> list[keras.Variable]:
        """Everything that changes in training: scalars are common to the members."""
        return [*self._optimizer.variables, *(self._fused.variables if self._fused else ())]

    def restart(self) -> None:
        """Put the variables where a fresh optimizer has them."""
        for variable, start in zip(self.variables, self._starts, strict=True):
            variable.assign(np.broadcast_to(start, variable.shape))

    def apply(self, gradients: Sequence[Tensor], connected: Sequence[bool]) -> None:
        """Update the variables by one step.

        Args:
            gradients: Gradients of the ``connected`` variables, each ``(members, ...)``.
            connected: For each variable, whether the loss depends on it; others stay as they are.
        """
        indices = [index for index, is_connected in enumerate(connected) if is_connected]
        gradients = self._clip(list(gradients))
        if self._fused is None:
            self._optimizer.apply(gradients, [self._trainable[index] for index in indices])
        else:
            self._fused.apply(gradients, indices)
        for index in indices:
            self._constrain(self._trainable[index], self._constraints[index])

    def _clip(self, gradients: list[Tensor]) -> list[Tensor]:
        """Clip by norm, for each member by itself; Keras' order of precedence."""
        if self._clipnorm:
            return [_clip_by_norm(g, self._clipnorm) for g in gradients]
        if self._global_clipnorm:
            return _clip_by_global_norm(gradients, self._global_clipnorm)
        return gradients

    def _constrain(self, variable: keras.Variable, constraint: Any) -> None:
        if constraint is not None:
            value = tf.convert_to_tensor(variable)
            variable.assign(map_members(constraint, value, self._members))


class _FusedAdam:
    """Keras' Adam and AdamW as one fused kernel a variable.

    The kernel computes what Keras writes as six operations: Kingma and Ba 2014 (arXiv 1412.6980),
    section 2, last paragraph, where the bias corrections go into the step size.
    """

    def __init__(
        self, optimizer: keras.optimizers.Adam, variables: Sequence[keras.Variable]
    ) -> None:
        self._optimizer = optimizer
        self._trainable = list(variables)
        self._momentums = [_zeros_like(variable) for variable in variables]
        self._velocities = [_zeros_like(variable) for variable in variables]

    @staticmethod
    def fits(optimizer: keras.optimizers.Optimizer) -> bool:
        """Whether this does the work of the optimizer."""
        return (
            type(optimizer) in (keras.optimizers.Adam, keras.optimizers.AdamW)
            and not optimizer.amsgrad
        )

    @property
    def variables(self) -> list[keras.Variable]:
        """The moments of the gradients."""
        return [*self._momentums, *self._velocities]

    def apply(self, gradients: Sequence[Tensor], indices: Sequence[int]) -> None:
        """Update the variables of these indices."""
        optimizer = self._optimizer
        learning_rate = tf.convert_to_tensor(optimizer.learning_rate)
        iteration = tf.convert_to_tensor(optimizer.iterations) + 1
        for index, gradient in zip(indices, gradients, strict=True):
            variable = self._trainable[index]
            dtype = variable.dtype
            beta_1, beta_2 = optimizer.beta_1, optimizer.beta_2
            rate, step = ops.cast(learning_rate, dtype), ops.cast(iteration, dtype)
            if optimizer.clipvalue:
                gradient = ops.clip(gradient, -optimizer.clipvalue, optimizer.clipvalue)
            if optimizer.weight_decay is not None:
                decay = ops.cast(optimizer.weight_decay, dtype)
                variable.value.assign_sub(variable.value * decay * rate)
            # Keras adds (1 - beta) of a gradient in double precision, the kernel in the variable's
            # own: for 0.999 in float32 that is 1.3e-5 off, which these two factors take back.
            first = _gain(beta_1, dtype)
            root = _gain(beta_2, dtype) ** 0.5
            tf.raw_ops.ResourceApplyAdam(
                var=variable.value.handle,
                m=self._momentums[index].value.handle,
                v=self._velocities[index].value.handle,
                beta1_power=ops.power(ops.cast(beta_1, dtype), step),
                beta2_power=ops.power(ops.cast(beta_2, dtype), step),
                lr=rate * (root / first),
                beta1=tf.constant(beta_1, dtype),
                beta2=tf.constant(beta_2, dtype),
                epsilon=tf.constant(optimizer.epsilon * root, dtype),
                grad=gradient,
            )
        optimizer.iterations.assign_add(1)


def _gain(beta: float, dtype: str) -> float:
    """1 - beta as the kernel has it, over 1 - beta as Keras has it."""
    number = np.dtype(dtype).type
    return float(number(1.0) - number(beta)) / float(number(1.0 - beta))


def _zeros_like(variable: keras.Variable) -> keras.Variable:
    return keras.Variable("zeros", shape=variable.shape, dtype=variable.dtype, trainable=False)


def _one_member(variable: keras.Variable) -> Any:
    """The value of a fresh variable, which is the same for all members, without their axis."""
    value = np.array(variable)
    return value[:1] if value.ndim else value


def _clip_by_norm(gradient: Tensor, norm: float) -> Tensor:
    """`tf.clip_by_norm` of each member's gradient."""
    axes = list(range(1, len(gradient.shape)))
    return tf.clip_by_norm(gradient, norm, axes=axes) if axes else tf.clip_by_value(
        gradient, -norm, norm
    )  # fmt: skip


def _clip_by_global_norm(gradients: list[Tensor], norm: float) -> list[Tensor]:
    """Keras' clipping by the norm of all gradients of a member together."""
    squares = [
        ops.sum(ops.square(g), axis=tuple(range(1, len(g.shape))), keepdims=False)
        for g in gradients
    ]
    total = ops.sqrt(ops.sum(ops.stack(squares), axis=0))  # (members,)
    scale = norm * ops.minimum(1.0 / total, 1.0 / norm)
    scale = scale + (total - total)  # as Keras: a norm that is not finite spoils the gradient
    return [g * ops.reshape(scale, (-1, *[1] * (len(g.shape) - 1))) for g in gradients]
