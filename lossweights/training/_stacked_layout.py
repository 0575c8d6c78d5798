"""How the values of trainable variables lie in a stack: one member after another, or side by side.

All members read one batch, so the first layer of all of them is one product: the batch times their
kernels side by side, and likewise for the gradient. TensorFlow's vectorisation writes it so, but
from kernels that lie one after another it has to turn all of them around in every step, and
all their gradients back. Kernels that lie side by side from the start need neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import tree

from lossweights.foreign.keras_names import layers_of
from lossweights.training._fused_adam import FusedAdam
from lossweights.training._stacked_loss import Tensor
from lossweights.training.problem import Problem


@dataclass(frozen=True)
class Layout:
    """Where the axis of the members is, for each trainable variable of a model.

    Attributes:
        beside: Whether it is the second one: ``(inputs, members, units)``. It is the first one
            otherwise.
    """

    beside: tuple[bool, ...]

    def turned(self, values: Sequence[Any], indices: Sequence[int] | None = None) -> list[Any]:
        """Values as they lie with the members first instead, or the other way round.

        Args:
            values: Those of the variables of these ``indices``, and perhaps others behind them,
                which stay as they are.
            indices: By default all.
        """
        which = range(len(self.beside)) if indices is None else indices
        turned = [
            turned_around(value) if self.beside[index] else value
            for index, value in zip(which, values, strict=False)
        ]
        return [*turned, *values[len(turned) :]]


def layout_of(problem: Problem, model: keras.Model, *, one_batch: bool) -> Layout:
    """How the trainable variables of a stack lie.

    Only what Adam's kernel updates number by number lies side by side: what looks at a member's
    kernel as a whole, such as clipping by norm, would have to turn it around again.

    Args:
        problem: What is trained.
        model: The model, built.
        one_batch: Whether all members read the same rows, in a graph that XLA compiles.
    """
    optimizer = problem.make_optimizer()
    is_by_number = (
        FusedAdam.fits(optimizer)
        and not (optimizer.clipnorm or optimizer.global_clipnorm or problem.hyper)
        and not any(isinstance(layer, keras.layers.Embedding) for layer in layers_of(model))
    )
    kernels = kernels_that_read_data(model) if one_batch and is_by_number else set()
    variables = model.trainable_variables
    return Layout(tuple(id(v) in kernels and v.constraint is None for v in variables))


def turned_around(value: Tensor) -> Tensor:
    """A value with the members on the second axis instead of the first one, or the other way."""
    if isinstance(value, np.ndarray):
        return np.swapaxes(value, 0, 1)
    return tf.transpose(value, [1, 0, *range(2, value.shape.rank)])


def kernels_that_read_data(model: keras.Model) -> set[int]:
    """The ids of the kernels of `Dense` layers whose input is made of the data alone.

    A layer without variables, such as a `Rescaling`, passes data on. To miss a kernel costs time
    and no truth, hence layers that are called more than once, or are inside others, are.

    Args:
        model: The model, built.

    >>> import keras
    >>> first, second = keras.layers.Dense(4), keras.layers.Dense(2)
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Rescaling(2.0), first, second])
    >>> kernels_that_read_data(model) == {id(first.kernel)}
    True
    """
    data = {id(tensor) for tensor in tree.flatten(getattr(model, "inputs", None) or [])}
    found = set()
    for layer in getattr(model, "layers", []):
        try:
            inputs, outputs = tree.flatten(layer.input), tree.flatten(layer.output)
        except (AttributeError, ValueError):  # called never, or more than once
            continue
        if not all(id(tensor) in data for tensor in inputs):
            continue
        if type(layer) is keras.layers.Dense and len(inputs[0].shape) == 2:
            found.add(id(layer.kernel))
        elif not layer.variables:
            data.update(id(tensor) for tensor in outputs)
    return found
