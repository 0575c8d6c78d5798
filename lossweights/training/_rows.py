"""Rows of data on the device: batches for training, equal chunks for measuring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from keras import tree

from lossweights.data import Split
from lossweights.training._stacked_loss import Batch
from lossweights.training._tensors import as_tensor

CHUNK_ROWS = (96, 256)  # least and most rows measured at once: activations stay in the cache


class Rows:
    """The arrays of a split as tensors, to gather batches from.

    Args:
        split: Arrays of one length.
    """

    def __init__(self, split: Split) -> None:
        parts = [split.x, split.y]
        if split.sample_weight is not None:
            parts.append(split.sample_weight)
        self._arrays = tuple(tree.map_structure(as_tensor, part) for part in parts)
        self._length = len(split)

    def __len__(self) -> int:
        return self._length

    def whole(self) -> Batch:
        """``(x, y)`` or ``(x, y, sample_weight)`` of all rows."""
        return self._arrays

    def at(self, rows: Any) -> Batch:
        """``(x, y)`` or ``(x, y, sample_weight)`` of some rows, as `model.fit` takes them.

        Args:
            rows: Indices of any shape, which takes the place of the batch axis.
        """
        return tuple(
            tree.map_structure(lambda array: tf.gather(array, rows), part) for part in self._arrays
        )


@dataclass(frozen=True)
class Chunks:
    """A split cut into chunks of equal length, so that one compiled graph measures them all.

    The last chunk is filled with repeated rows, of weight 0.

    Attributes:
        split: The data that were cut.
        x: Inputs, each ``(chunks, rows, ...)``.
        y: Targets, alike.
        weight: Weight of each row, 1 if the data have none, ``(chunks, rows)``; or of its elements,
            or by output, as the data have them.
    """

    split: Split
    x: Any
    y: Any
    weight: Any

    @classmethod
    def of(cls, split: Split, chunk_rows: int) -> Chunks:
        """Cut a split into chunks of so many rows."""
        rows, chunks = len(split), -(-len(split) // chunk_rows)
        places = np.arange(chunks * chunk_rows).reshape(chunks, chunk_rows)
        at = np.minimum(places, rows - 1)

        def cut(array: Any) -> Any:
            return tf.convert_to_tensor(np.asarray(array)[at])

        def counted(weight: Any) -> Any:
            taken = np.asarray(weight)[at]
            taken[places >= rows] = 0
            return tf.convert_to_tensor(taken)

        weight = np.ones(rows, "float32") if split.sample_weight is None else split.sample_weight
        return cls(
            split=split,
            x=tree.map_structure(cut, split.x),
            y=tree.map_structure(cut, split.y),
            weight=tree.map_structure(counted, weight),
        )

    @property
    def rows(self) -> int:
        """How many rows there are, not counting those that fill up."""
        return len(self.split)

    def __len__(self) -> int:
        return int(tree.flatten(self.weight)[0].shape[0])

    def chunk(self, index: Any) -> tuple[Any, Any, Any]:
        """``x``, ``y`` and ``weight`` of one chunk."""
        x, y, weight = tree.map_structure(lambda a: a[index], [self.x, self.y, self.weight])
        return x, y, weight


def chunk_rows(lengths: Sequence[int]) -> int:
    """The length of chunk with which splits of these lengths need the fewest filled-up rows.

    >>> chunk_rows([1024, 1291])
    130
    """
    longest = max(lengths)
    least, most = CHUNK_ROWS
    if longest <= most:
        return longest

    def measured(rows: int) -> int:
        return sum(-(-length // rows) * rows for length in lengths)

    # Of equally wasteful lengths the largest: fewer, longer chunks.
    return min(range(most, least - 1, -1), key=measured)
