"""A few training steps aside: a model is trained for a moment, and put back as it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from lossweights.training.optimizer import fresh_optimizer
from lossweights.training.order import batch_order
from lossweights.watch.probe import compiled, count_rows, placed, rows
from lossweights.watch.reading import Reading

MOST_TIMED = 50  # steps that are timed in one go


@contextmanager
def put_back(model: keras.Model) -> Iterator[None]:
    """Whatever happens meanwhile, all variables of a model have their values again at the end.

    Those of layers that draw random numbers are among them.

    Args:
        model: The model, built.
    """
    values = [(variable, tf.identity(variable.value)) for variable in model.variables]
    try:
        yield
    finally:
        for variable, value in values:
            variable.assign(value)


class Aside:
    """Training steps as `model.fit` makes them, by a copy of the optimizer; nothing is compiled in.

    Use it within `put_back`: the parameters of the model are moved. Compiled state, metrics and the
    model's own optimizer stay as they are. The copy begins where a used optimizer of the model is.

    Args:
        model: The model, built.
        reading: Where its loss reads, and what else it is trained on.
        optimizer: The optimizer to copy, or its name.
        data: ``(x, y, sample_weight)``, arrays or ``None``.
        batch_size: Rows a step.
        seed: Of the order in which the rows are visited; it is that of `batch_order`.
        summed: Whether the loss is the sum over the rows of a batch, and not their mean.

    Raises:
        RecipeError: The optimizer cannot be made anew.
    """

    def __init__(
        self,
        model: keras.Model,
        reading: Reading,
        optimizer: str | keras.optimizers.Optimizer,
        data: tuple[Any, Any, Any],
        batch_size: int,
        seed: int = 0,
        *,
        summed: bool = False,
    ) -> None:
        self._model, self._reading, self._weights = model, reading, reading.weights()
        self._factor = float(min(batch_size, count_rows(data[0]))) if summed else 1.0
        self.optimizer = fresh_optimizer(optimizer)
        self.optimizer.build(model.trainable_variables)
        _take_over(self.optimizer, optimizer)
        self._batches = _batches(data, batch_size, seed)
        self._step: Callable[..., Any] = compiled(self._train)

    def train(self, steps: int) -> None:
        """Make so many steps."""
        for _ in range(steps):
            self._step(*next(self._batches))

    def seconds_a_step(self, steps: int) -> float:
        """How long a training step takes, measured in at most so many of them."""
        steps = max(1, min(steps, MOST_TIMED))
        started = time.monotonic()
        self.train(steps)
        ops.convert_to_numpy(self._model.trainable_variables[0])  # waits until it is done
        return (time.monotonic() - started) / steps

    def _train(self, x: Any, y: Any, sample_weight: Any) -> None:
        model = self._model
        values = [tf.convert_to_tensor(v.value) for v in model.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            mapped = zip(model.trainable_variables, values, strict=True)
            # Parameters come from the tape; states and losses stay in the scope until they are set.
            with self._reading.gathering():
                with keras.StatelessScope(state_mapping=list(mapped), collect_losses=True) as scope:
                    outputs = model(x, training=True)
                    own = [ops.cast(ops.sum(loss), "float32") for loss in model.losses]
                means = self._reading.components(y, outputs, sample_weight)
            # 0 times what is not defined would be that
            parts = [
                self._factor * self._weights[name] * ops.cast(mean, "float32")
                for name, mean in means.items()
                if self._weights[name]
            ]
            total = self.optimizer.scale_loss(ops.sum(ops.stack([*parts, *own])))
        gradients = tape.gradient(total, values)
        pairs = [
            (gradient, variable)
            for gradient, variable in zip(gradients, model.trainable_variables, strict=True)
            if gradient is not None
        ]
        if pairs:
            self.optimizer.apply(*map(list, zip(*pairs, strict=True)))
        for variable in model.non_trainable_variables:
            value = scope.get_current_value(variable)
            if value is not None:
                variable.assign(value)


def _take_over(copy: keras.optimizers.Optimizer, given: Any) -> None:
    """Put a copy where the optimizer is, if that was used on the same variables."""
    if not getattr(given, "built", False):
        return
    pairs = list(zip(copy.variables, given.variables, strict=False))
    same = len(copy.variables) == len(given.variables)
    if same and all(mine.shape == theirs.shape for mine, theirs in pairs):
        for mine, theirs in pairs:
            mine.assign(theirs)


def _batches(data: tuple[Any, Any, Any], size: int, seed: int) -> Iterator[Any]:
    """Full batches, epoch by epoch, in the order of a seed; all rows if they are fewer."""
    n = count_rows(data[0])
    full = max(n // size, 1)
    for epoch in count(1):
        order = batch_order(n, seed, epoch)
        for start in range(0, full * size, size):
            yield placed(rows(data, order[start : start + size]))


__all__ = ["Aside", "put_back"]
