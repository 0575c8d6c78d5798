"""Rows that are read while they are used: training data larger than memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from keras import tree

from lossweights.base.errors import DataError
from lossweights.data._split import Split, check_rows, spelled
from lossweights.data._weights import check_some, checked_sample_weight
from lossweights.data.missing import Missing
from lossweights.foreign.keras_names import handle_of

SAMPLE_ROWS, SAMPLE_BYTES = 1024, 64 << 20  # what stands for all rows is held in memory
Batch: TypeAlias = "tuple[Any, ...]"  # (x, y) or (x, y, sample_weight)
_IGNORE_EXTERNAL_STATE = 1  # tensorflow/core/framework/dataset_options.proto

_plain = tf.autograph.experimental.do_not_convert  # there is nothing to convert from Python


class Stream:
    """Training rows from a `tf.data.Dataset`, never in memory as a whole.

    The dataset gives batches, as `model.fit` takes them: ``(x, y)`` or ``(x, y, sample_weight)``
    with a batch axis. They are cut anew to the batch size of the training, so their own size
    decides nothing but how fast they are read.

    The order of the rows is the dataset's own, whatever the seed of a trial: it must shuffle
    itself, if rows are to be shuffled. Before every training the dataset is put back to where it
    was at first, its shuffles included, so that every training sees the same epochs; a dataset
    that cannot be put back is refused. `tf.data` options that trade order for speed are off.

    When it is made, the dataset is read once, to count and to check the rows and to hash them.

    Args:
        name: What to call it in errors.
        dataset: The dataset, finite.
        missing: Whether targets may be unknown.

    Raises:
        DataError: The dataset has no end, no row or no batch axis; its rows are none that a
            training can use, as with arrays; or it gives other rows each time it is read.

    >>> dataset = tf.data.Dataset.from_tensor_slices((np.eye(5), np.arange(5.0)[:, None]))
    >>> stream = Stream("train", dataset.batch(2))
    >>> len(stream), stream.head(3).y[:, 0].tolist()
    (5, [0.0, 1.0, 2.0])
    >>> [len(y) for x, y in stream.epochs(epochs=2, batch_size=4)]
    [4, 1, 4, 1]
    """

    def __init__(self, name: str, dataset: tf.data.Dataset, missing: Missing = None) -> None:
        self._name, self._missing = name, missing
        _check_form(name, dataset)
        options = tf.data.Options()
        options.deterministic = True
        self._source = dataset.map(_as_keras_takes_it).with_options(options)
        self._start = _state(self._source)
        self._dataset = self._source
        first = self._survey()
        self._held = Split(*first)
        self._dataset = self._dataset.map(_ensurer(first))
        again = next(self._batches(), None)
        if again is None or not _same(again, first):
            raise DataError(
                f"Expected a dataset as {name} that gives the same rows whenever it is put back "
                f"to its start. Found others. Shuffle once, or with "
                f"reshuffle_each_iteration=False; draw random numbers from seeds; let generators "
                f"begin anew."
            )

    def __len__(self) -> int:
        return self._rows

    @property
    def sample(self) -> Split:
        """The first rows, at most 1024 and 64 MB: they stand for all rows."""
        row = sum(array[:1].nbytes for array in tree.flatten(_parts(self._held)))
        return self.head(max(1, min(SAMPLE_ROWS, SAMPLE_BYTES // row)))

    def head(self, rows: int) -> Split:
        """The first rows, or all if there are fewer. They stay in memory."""
        rows = min(rows, self._rows)
        if len(self._held) < rows:
            batches, held = [], 0
            for batch in self._batches():
                batches.append(batch)
                held += len(tree.flatten(batch)[0])
                if held >= rows:
                    break
            self._held = Split(*tree.map_structure(lambda *a: np.concatenate(a), *batches))
        return self._held.head(rows)

    def spread(self, rows: int) -> Split:
        """The first rows: to gather a few from everywhere, all would have to be read."""
        return self.head(rows)

    def epochs(self, epochs: int, batch_size: int, *, done: int = 0) -> tf.data.Dataset:
        """The batches of so many passes; the last one of a pass may be smaller.

        The dataset is put back to its start, so that only the latest of these may be read.

        Args:
            epochs: How many passes.
            batch_size: Rows a batch.
            done: How many of the passes are left out. They are read all the same: what a shuffle
                gives depends on what it gave before.
        """
        self._restart()
        steps = -(-self._rows // batch_size)
        one = self._dataset.rebatch(batch_size)
        one = one.apply(tf.data.experimental.assert_cardinality(steps))  # in every pass
        passes = tf.data.Dataset.range(epochs).flat_map(_plain(lambda _: one))
        return (passes.skip(done * steps) if done else passes).prefetch(tf.data.AUTOTUNE)

    def _restart(self) -> None:
        """Put the dataset back to its start: shuffles, which count iterations, count anew."""
        if self._start is not None:
            iterator = iter(self._source)
            tf.raw_ops.DeserializeIterator(
                resource_handle=handle_of(iterator), serialized=self._start
            )

    def _batches(self) -> Iterator[Batch]:
        """The batches of a pass from the start, as arrays."""
        self._restart()
        for batch in self._dataset.as_numpy_iterator():
            if len(tree.flatten(batch)[0]):
                yield batch

    def _survey(self) -> Batch:
        """Go through all rows once: check, count and hash them. Gives the first batch."""
        first: Batch | None = None
        heaviest, self._rows = None, 0
        for batch in self._batches():
            rows = check_rows(self._name, batch, self._rows, missing=self._missing)
            if first is None:
                first, digests = batch, _digests(batch)
            _check_row_shapes(self._name, batch, first)
            if len(batch) == 3:
                checked = checked_sample_weight(self._name, batch[2], batch[1])
                parts = (checked,) if heaviest is None else (checked, heaviest)
                heaviest = tree.map_structure(lambda *a: np.max([np.max(b) for b in a]), *parts)
            for digest, array in zip(digests, tree.flatten(batch), strict=True):
                digest.update(np.ascontiguousarray(array).data)
            self._rows += rows
        if first is None:
            raise DataError(f"Expected at least one row in {self._name}. Found none.")
        if heaviest is not None:
            check_some(self._name, heaviest)
        together = "".join([*(digest.hexdigest() for digest in digests), str(self._rows)])
        self.fingerprint = hashlib.sha256(together.encode()).hexdigest()
        return first


def in_memory(name: str, dataset: tf.data.Dataset) -> tuple[Any, ...]:
    """All rows of a dataset of batches as arrays, ``(x, y)`` or ``(x, y, sample_weight)``.

    Args:
        name: What to call it in errors.
        dataset: The dataset, finite.

    Raises:
        DataError: The dataset has no end, no row, or no batch axis.
    """
    _check_form(name, dataset)
    batches = list(dataset.as_numpy_iterator())
    if not batches:
        raise DataError(f"Expected at least one row in {name}. Found none.")
    joined: tuple[Any, ...] = tree.map_structure(lambda *a: np.concatenate(a), *batches)
    return joined


def is_dataset(part: Any) -> bool:
    """Whether a part of the data is a `tf.data.Dataset`."""
    return isinstance(part, tf.data.Dataset)


def _check_form(name: str, dataset: tf.data.Dataset) -> None:
    """Refuse what is no finite dataset of batches of arrays."""
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) not in (2, 3):
        raise DataError(
            f"Expected a dataset of (x, y) or (x, y, sample_weight) as {name}. Found elements "
            f"{spec}. Map it to such tuples."
        )
    shapes = {}
    for path, part in tree.flatten_with_path(spec):
        where = spelled(name, path)
        if not isinstance(part, tf.TensorSpec):
            raise DataError(f"Expected dense tensors in {name}. Found {part} as {where}.")
        shapes[where] = part.shape
    lengths = {shape[0] for shape in shapes.values() if shape.rank}
    if any(shape.rank == 0 for shape in shapes.values()) or len(lengths - {None}) > 1:
        found = ", ".join(f"{where}: {shape}" for where, shape in shapes.items())
        raise DataError(
            f"Expected a dataset of batches as {name}, as model.fit takes it. Found elements of "
            f"the shapes {found}. Call .batch(...) on it."
        )
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise DataError(
            f"Expected a dataset with an end as {name}. Found one that repeats for ever. Leave "
            f".repeat() out: every epoch reads the dataset once."
        )


@_plain
def _as_keras_takes_it(*parts: Any) -> Batch:
    """Float64 as Keras' float type; weights that are a column as a row."""

    def narrow(value: tf.Tensor) -> tf.Tensor:
        return tf.cast(value, keras.config.floatx()) if value.dtype == tf.float64 else value

    def as_row(weight: tf.Tensor) -> tf.Tensor:
        return tf.reshape(weight, [-1]) if weight.shape[1:] == (1,) else weight

    batch = tuple(tree.map_structure(narrow, part) for part in parts)
    return (*batch[:2], tree.map_structure(as_row, batch[2])) if len(batch) == 3 else batch


def _state(dataset: tf.data.Dataset) -> tf.Tensor | None:
    """What puts a dataset back to where it is, or ``None`` if it has no such thing."""
    iterator = iter(dataset)  # which lives as long as its handle is used
    handle = handle_of(iterator)
    if handle is None:
        return None
    try:
        return tf.raw_ops.SerializeIterator(
            resource_handle=handle, external_state_policy=_IGNORE_EXTERNAL_STATE
        )
    except tf.errors.OpError:
        return None


def _parts(split: Split) -> list[Any]:
    weight = [] if split.sample_weight is None else [split.sample_weight]
    return [split.x, split.y, *weight]


def _ensurer(first: Batch) -> Any:
    """A map that tells TensorFlow the shape of a row, which generators may not."""

    @_plain
    def ensure(*parts: Any) -> Any:
        return tree.map_structure(
            lambda tensor, array: tf.ensure_shape(tensor, (None, *array.shape[1:])), parts, first
        )

    return ensure


def _check_row_shapes(name: str, batch: Batch, first: Batch) -> None:
    for path, array in tree.flatten_with_path(batch):
        wanted = dict(tree.flatten_with_path(first))[path].shape[1:]
        if array.shape[1:] != wanted:
            raise DataError(
                f"Expected rows of one shape as {spelled(name, path)}. Found {wanted} and "
                f"{array.shape[1:]}. Pad or cut them."
            )


def _digests(batch: Batch) -> list[Any]:
    """A hash for each array, begun with what does not depend on how rows are cut into batches."""
    return [
        hashlib.sha256(f"{path}{array.dtype.str}{array.shape[1:]}".encode())
        for path, array in tree.flatten_with_path(batch)
    ]


def _same(batch: Batch, other: Batch) -> bool:
    pairs = zip(tree.flatten(batch), tree.flatten(other), strict=True)
    return all(np.array_equal(one, two, equal_nan=one.dtype.kind == "f") for one, two in pairs)
