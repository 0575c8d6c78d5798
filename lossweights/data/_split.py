"""Rows of data in memory: arrays of one length that hold nothing but finite numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import tree
from numpy.typing import NDArray

from lossweights.base.errors import DataError
from lossweights.data._weights import check_some, checked_sample_weight, whole_weights
from lossweights.data.missing import Missing

UNKNOWN = ", or say missing='nan' in the sweep if NaN is a label that is unknown."
Arrays: TypeAlias = Any  # one array, or a dict, list or tuple of arrays of equal length


@dataclass(frozen=True)
class Split:
    """One part of the data: inputs, targets and, if any, their weights.

    Attributes:
        x: Inputs.
        y: Targets.
        sample_weight: Weight of each row, ``(rows,)``, or of each element, in the shape of ``y``
            with or without its last axis; by output as ``y`` is; or ``None``.
    """

    x: Arrays
    y: Arrays
    sample_weight: Arrays | None = None

    def __len__(self) -> int:
        return int(tree.flatten(self.y)[0].shape[0])

    @property
    def nbytes(self) -> int:
        """The memory that its arrays take."""
        arrays = tree.flatten([self.x, self.y, self.sample_weight])
        return sum(array.nbytes for array in arrays if array is not None)

    def head(self, rows: int) -> Split:
        """The first rows, or all if there are fewer."""
        return self.at(np.arange(min(rows, len(self))))

    def spread(self, rows: int) -> Split:
        """At most so many rows, evenly spaced over the data, so that a time order is covered."""
        if rows >= len(self):
            return self
        at = np.linspace(0, len(self) - 1, rows).round().astype(np.int64)
        return self.at(at)

    @property
    def sample(self) -> Split:
        """What stands for all rows: here they are themselves; see `lossweights.data.Stream`."""
        return self

    def at(self, rows: NDArray[np.int64]) -> Split:
        """Some rows, by their numbers."""
        return self.with_arrays(lambda array: array[rows])

    def with_arrays(self, other: Callable[[NDArray[Any]], NDArray[Any]]) -> Split:
        """The same with another array in the place of each."""
        weight = self.sample_weight
        weight = None if weight is None else tree.map_structure(other, weight)
        return Split(tree.map_structure(other, self.x), tree.map_structure(other, self.y), weight)


def checked_split(name: str, part: Any, missing: Missing = None) -> Split:
    """A part of the data as a split, if a training can use it.

    Args:
        name: What to call it in errors.
        part: ``(x, y)`` or ``(x, y, sample_weight)``.
        missing: Whether targets may be unknown.

    Raises:
        DataError: As `lossweights.data.Data` says.
    """
    if isinstance(part, Split):
        return part
    if not isinstance(part, tuple) or len(part) not in (2, 3):
        raise DataError(
            f"Expected {name}=(x, y) or (x, y, sample_weight). Found {type(part).__name__}"
            f"{f' of length {len(part)}' if isinstance(part, tuple | list) else ''}. "
            f"Return lw.Data(train=(x, y), val=(x, y)) from load_data."
        )
    part = part[:2] if part[-1] is None else part
    if len(part) == 3:
        part = (*part[:2], whole_weights(part[2], part[1]))
    arrays = tree.map_structure(np.asarray, tuple(part))
    if check_rows(name, arrays, missing=missing) == 0:
        raise DataError(f"Expected at least one row in {name}. Found none. Check the split.")
    if len(arrays) == 3:
        arrays = (*arrays[:2], checked_sample_weight(name, arrays[2], arrays[1]))
        check_some(name, arrays[2])
    return Split(*(_narrow(value) for value in arrays))


def check_rows(name: str, arrays: Any, first_row: int = 0, *, missing: Missing = None) -> int:
    """Check that arrays have one length and finite numbers alone, and give the length.

    Args:
        name: What to call them in errors.
        arrays: ``(x, y)`` or ``(x, y, sample_weight)``.
        first_row: Where they begin, if they are a part.
        missing: Whether targets may be unknown.

    Raises:
        DataError: They have not.
    """
    lengths = {}
    for path, array in tree.flatten_with_path(arrays):
        where = spelled(name, path)
        _check_array(where, array, first_row, missing if path[0] == 1 else None, path[0] == 1)
        lengths[where] = len(array)
    if len(set(lengths.values())) != 1:
        raise DataError(
            f"Expected arrays of one length in {name}. Found {lengths}. "
            f"Align x, y and sample_weight row by row."
        )
    return next(iter(lengths.values()))


def spelled(name: str, path: tuple[Any, ...]) -> str:
    """What to call an array of ``(x, y, sample_weight)``, such as ``train.x.depth``."""
    names = ("x", "y", "sample_weight")
    return ".".join([name, names[path[0]], *(str(key) for key in path[1:])])


def _check_array(
    where: str, array: NDArray[Any], first_row: int, missing: Missing, is_target: bool
) -> None:
    if array.ndim == 0 or array.dtype.kind not in "fiub":
        raise DataError(
            f"Expected an array of numbers with a batch axis as {where}. Found shape "
            f"{array.shape}, type {array.dtype}. Encode categories as numbers first."
        )
    if array.dtype.kind != "f":
        return
    fine = np.isfinite(array) if missing is None else ~np.isinf(array)
    if not fine.all():
        bad = np.argwhere(~fine)
        bad[:, 0] += first_row
        raise DataError(
            f"Expected finite numbers in {where}. Found {len(bad)} NaN or infinite values, the "
            f"first at index {tuple(int(i) for i in bad[0])}. Drop or fill them in load_data"
            f"{UNKNOWN if is_target and np.isnan(array).any() else '.'}"
        )


def _narrow(value: Any) -> Any:
    """Float64 as Keras' float type, once, instead of in every batch of every trial."""
    floatx = keras.config.floatx()
    return tree.map_structure(lambda a: a.astype(floatx) if a.dtype == np.float64 else a, value)
