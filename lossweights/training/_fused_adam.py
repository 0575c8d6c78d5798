"""Adam on stacked variables as one fused kernel a variable."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from lossweights.training._stacked_loss import Tensor
from lossweights.training.optimizer import excluded_names


class FusedAdam:
    """Keras' Adam and AdamW as TensorFlow's kernel, which reads and writes the memory once.

    The kernel computes what Keras writes as six operations: Kingma and Ba 2014 (arXiv 1412.6980),
    section 2, last paragraph, where the bias corrections go into the step size.

    Args:
        optimizer: An optimizer that this `fits`. Its step count is used and kept up to date.
        variables: The variables to update.
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
            and excluded_names(optimizer) is None
        )

    @property
    def variables(self) -> list[keras.Variable]:
        """The moments of the gradients."""
        return [*self._momentums, *self._velocities]

    @property
    def moments(self) -> tuple[list[keras.Variable], list[keras.Variable]]:
        """The first and the second moments, in the order of the variables."""
        return self._momentums, self._velocities

    def apply(self, gradients: Sequence[Tensor], indices: Sequence[int]) -> None:
        """Update the variables of these indices."""
        optimizer = self._optimizer
        learning_rate = tf.convert_to_tensor(optimizer.learning_rate)
        iteration = tf.convert_to_tensor(optimizer.iterations) + 1
        beta_1, beta_2 = optimizer.beta_1, optimizer.beta_2
        for index, gradient in zip(indices, gradients, strict=True):
            variable = self._trainable[index]
            dtype = variable.dtype
            rate, step = ops.cast(learning_rate, dtype), ops.cast(iteration, dtype)
            if optimizer.clipvalue:
                gradient = ops.clip(gradient, -optimizer.clipvalue, optimizer.clipvalue)
            if optimizer.weight_decay is not None:
                decay = ops.cast(optimizer.weight_decay, dtype)
                variable.value.assign_sub(variable.value * decay * rate)
            # Keras adds (1 - beta) of a gradient in double precision, the kernel in the variable's
            # own: for 0.999 in float32 that is 1.3e-5 off, which these two factors take back.
            first, root = _gain(beta_1, dtype), _gain(beta_2, dtype) ** 0.5
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
