"""Where the training batches of a stack come from: arrays in memory, or a stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from lossweights.data import Split, Stream
from lossweights.training._rows import Rows
from lossweights.training._stacked_loss import Batch, Tensor
from lossweights.training.order import batch_order
from lossweights.training.problem import Problem

# What an epoch takes its batches from: the order of the rows, or an iterator.
Source: TypeAlias = Any
# From the seeds of the members and the number of an epoch to its source.
Epochs: TypeAlias = Callable[[Sequence[int], int], Source]


class Feed(ABC):
    """The training batches of all members of a stack.

    Attributes:
        has_own_orders: Whether members of differing seeds visit the rows in differing orders.
    """

    has_own_orders: bool

    @abstractmethod
    def __len__(self) -> int:
        """How many rows an epoch has."""

    @abstractmethod
    def first(self, rows: int) -> Batch:
        """The first rows."""

    @abstractmethod
    def begin(self, *, own_orders: bool = False, done: int = 0) -> Epochs:
        """Begin a training, or go on with one. Of several trainings only the latest may go on.

        Args:
            own_orders: Whether each member gets an order of its own, where the feed has such.
            done: How many epochs it has had before.
        """

    @abstractmethod
    def sample(self, steps: int) -> Source:
        """A source of so many batches, to time training with: what it reads is read before."""

    @abstractmethod
    def source_spec(self, members: int | None) -> tf.TypeSpec:
        """The type of a source; ``members`` is how many have an order of their own, if any."""

    @abstractmethod
    def batch(self, source: Source, start: Tensor, rows: int) -> Batch:
        """The next batch of an epoch, in the graph.

        Args:
            source: The source of the epoch.
            start: How many rows went before.
            rows: How many rows it has.
        """


class ArrayFeed(Feed):
    """Batches gathered from arrays in memory, in the documented order of each seed.

    Args:
        split: The arrays.
    """

    has_own_orders = True

    def __init__(self, split: Split) -> None:
        self._rows = Rows(split)

    def __len__(self) -> int:
        return len(self._rows)

    def first(self, rows: int) -> Batch:
        """The first rows; see `Feed.first`."""
        return self._rows.at(tf.range(rows))

    def begin(self, *, own_orders: bool = False, done: int = 0) -> Epochs:
        """The orders of the epochs; see `Feed.begin`."""

        def order(seeds: Sequence[int], epoch: int) -> Tensor:
            orders = {seed: batch_order(len(self), seed, epoch) for seed in set(seeds)}
            if own_orders:
                return tf.convert_to_tensor(np.stack([orders[seed] for seed in seeds]))
            return tf.convert_to_tensor(orders[seeds[0]])

        return order

    def sample(self, steps: int) -> Source:
        """The rows of the first epoch of a seed; see `Feed.sample`."""
        return self.begin()([0], 1)

    def source_spec(self, members: int | None) -> tf.TypeSpec:
        """Indices of rows, for each member if they differ; see `Feed.source_spec`."""
        return tf.TensorSpec([len(self)] if members is None else [members, len(self)], tf.int64)

    def batch(self, source: Source, start: Tensor, rows: int) -> Batch:
        """The rows in the order of the source; see `Feed.batch`."""
        indices = source[..., start : start + rows]
        return self._rows.at(tf.ensure_shape(indices, (*source.shape[:-1], rows)))


class StreamFeed(Feed):
    """Batches read from a stream, once for all members.

    Args:
        stream: The stream.
        problem: What is trained.
        named: Gives targets and weights as the terms read them.
    """

    has_own_orders = False

    def __init__(self, stream: Stream, problem: Problem, named: Callable[[Any], Any]) -> None:
        self._stream, self._named = stream, named
        self._epochs, self._batch_size = problem.epochs, problem.batch_size
        dataset = stream.epochs(self._epochs, self._batch_size)
        self._spec = tf.data.IteratorSpec(dataset.element_spec)

    def __len__(self) -> int:
        return len(self._stream)

    def first(self, rows: int) -> Batch:
        """The first rows; see `Feed.first`."""
        return self._as_terms_read(*Rows(self._stream.head(rows)).whole())

    def begin(self, *, own_orders: bool = False, done: int = 0) -> Epochs:
        """One iterator for all epochs; see `Feed.begin`."""
        iterator = iter(self._stream.epochs(self._epochs, self._batch_size, done=done))
        return lambda seeds, epoch: iterator

    def sample(self, steps: int) -> Source:
        """The first batch, again and again; see `Feed.sample`."""
        return iter(self._first_batch.repeat(steps))

    @cached_property
    def _first_batch(self) -> tf.data.Dataset:
        return first_of(self._stream.epochs(self._epochs, self._batch_size))

    def source_spec(self, members: int | None) -> tf.TypeSpec:
        """An iterator over batches; see `Feed.source_spec`."""
        return self._spec

    def batch(self, source: Source, start: Tensor, rows: int) -> Batch:
        """What the iterator gives next; see `Feed.batch`."""
        batch = tf.nest.map_structure(
            lambda tensor: tf.ensure_shape(tensor, (rows, *tensor.shape[1:])), source.get_next()
        )
        return self._as_terms_read(*batch)

    def _as_terms_read(self, x: Any, y: Any, *weight: Any) -> Batch:
        return x, self._named(y), *map(self._named, weight)


def first_of(batches: tf.data.Dataset) -> tf.data.Dataset:
    """The first batch of a dataset, which is read now and never again."""
    first = batches.take(1).cache()
    for _ in first:
        pass
    return first
