"""The batches of all epochs as one `tf.data.Dataset`, for `model.fit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from lossweights.data import Split, Stream
from lossweights.training._tensors import as_tensor
from lossweights.training.order import batch_order
from lossweights.training.problem import Problem

# There is nothing to translate from Python, and a process that is killed would leave the temporary
# files that TensorFlow translates into.
_plain = tf.autograph.experimental.do_not_convert


def epochs_of(problem: Problem, train: Split | Stream) -> Callable[[int, int], tf.data.Dataset]:
    """A function from a seed to the batches of all epochs, one after another, from some on.

    Args:
        problem: What is trained.
        train: The training rows. Those in memory come in the order of the seed, those of a stream
            in the stream's own.
    """
    if isinstance(train, Stream):
        return lambda seed, done: train.epochs(problem.epochs, problem.batch_size, done=done)
    arrays, length = _placed(train), len(train)

    def epochs(seed: int, done: int) -> tf.data.Dataset:
        @_plain
        def order(epoch: tf.Tensor) -> tf.Tensor:
            rows = tf.numpy_function(lambda e: batch_order(length, seed, int(e)), [epoch], tf.int64)
            return tf.ensure_shape(rows, (length,))

        @_plain
        def batches(rows: tf.Tensor) -> tf.data.Dataset:
            return tf.data.Dataset.from_tensor_slices(rows).batch(problem.batch_size)

        @_plain
        def gather(rows: tf.Tensor) -> Any:
            return tf.nest.map_structure(lambda array: tf.gather(array, rows), arrays)

        orders = tf.data.Dataset.range(1 + done, problem.epochs + 1).map(order)
        return orders.flat_map(batches).map(gather).prefetch(tf.data.AUTOTUNE)

    return epochs


def _placed(split: Split) -> tuple[Any, ...]:
    """The arrays of a split as tensors, in the form `model.fit` takes them."""
    parts = (split.x, split.y) if split.sample_weight is None else (
        split.x, split.y, split.sample_weight
    )  # fmt: skip
    # tf.data would stack a list of arrays into one; a tuple of inputs means the same to Keras.
    parts = keras.tree.lists_to_tuples(parts)
    return tuple(tf.nest.map_structure(as_tensor, part) for part in parts)
