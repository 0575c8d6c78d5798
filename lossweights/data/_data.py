"""The data of a problem: what is trained on, what is measured on, and what is kept for the end."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras import tree
from numpy.typing import NDArray

from lossweights.base.errors import DataError
from lossweights.data._class_weight import ClassWeight, weighed_by_class
from lossweights.data._folds import Folds, random_folds, rolling_folds
from lossweights.data._split import Split, checked_split
from lossweights.data._stream import Stream, in_memory, is_dataset
from lossweights.data.missing import Missing, checked_missing, said


@dataclass(frozen=True, repr=False)
class Data:
    """Training, validation and, if any, test data.

    Args:
        train: ``(x, y)`` or ``(x, y, sample_weight)``; ``x`` and ``y`` are arrays, or dicts, lists
            or tuples of arrays, all of one length. Weights are one for each row, or one for each
            element of ``y``: of its shape, with or without the last axis; for several outputs also
            a dict of these, as ``y`` is. Or, if they do not fit into memory, a `tf.data.Dataset` of
            batches of these, as `model.fit` takes it: it is read once an epoch for all weight sets
            of a stack, in its own order; see `lossweights.data.Stream`.
        val: The same; objectives are measured on it. A dataset is read into memory.
        test: The same, kept for the end, or ``None``.
        missing: ``"nan"`` if NaN among the targets means that a label is unknown. A sweep with
            ``missing="nan"`` says so for what its ``load_data`` gives.
        class_weight: Weight of each class in training, ``{0: 1.0, 1: 5.0}``, as `model.fit` takes
            it: targets are class numbers or one-hot, of rows or of elements, and classes left out
            weigh 1. A dict of such by output, where there are several. It multiplies the weights
            of training rows, and leaves validation and test as they are, as in Keras.

    Raises:
        DataError: A part is missing, empty, has arrays of differing lengths, of a type other than
            numbers, or with NaN or infinite values; or sample weights that fit neither rows nor
            elements, are negative, or all 0; or weights of classes, and targets that are none. A
            dataset is endless, not of batches, or another one each
            time it is read.

    >>> import numpy as np
    >>> x, y = np.zeros((10, 2)), np.zeros((10, 1))
    >>> data = Data(train=(x[:8], y[:8]), val=(x[8:], y[8:]))
    >>> len(data.train)
    8
    """

    train: Any
    val: Any
    test: Any = None
    missing: Missing = None
    class_weight: ClassWeight | None = None
    _given: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "missing", checked_missing(self.missing) or said())
        for name in ("train", "val", "test"):
            part = getattr(self, name)
            if part is not None or name != "test":
                object.__setattr__(self, name, _checked(name, part, self.missing))
        object.__setattr__(self, "_given", self.train)
        if self.class_weight is not None:
            object.__setattr__(self, "train", _by_class(self.train, self.class_weight))

    def __repr__(self) -> str:
        rows = [f"{name}=<{len(part)} rows>" for name, part in self._parts()]
        return f"Data({', '.join(rows)})"

    @classmethod
    def folds(
        cls,
        rows: Any,
        folds: int = 5,
        *,
        horizon: int | None = None,
        gap: int = 0,
        window: int | None = None,
        seed: int = 0,
        test: Any = None,
        missing: Missing = None,
        class_weight: ClassWeight | None = None,
    ) -> Folds:
        """One data set divided several times, for sweeps that train on every fold.

        Without a ``horizon`` the rows are divided at random into parts of one size, each of which
        is validated once, by what was trained on the others. With one they are in order of time,
        and the origin rolls: the last ``folds * horizon`` rows are validated, a horizon at a time,
        each by what was trained on rows before it alone.

        Args:
            rows: ``(x, y)`` or ``(x, y, sample_weight)``, arrays, as ``train`` takes them.
            folds: How many.
            horizon: Rows that each fold validates, in order of time.
            gap: Rows left out between training and validation, if they overlap in what they hold.
            window: How many rows each fold trains on, the latest; by default all before.
            seed: Seed of the random division.
            test: As for `Data`, the same in every fold.
            missing: As for `Data`.
            class_weight: As for `Data`; it weighs what each fold trains on.

        Raises:
            DataError, RecipeError: There are too few rows, or they are none that can be used.

        >>> import numpy as np
        >>> series = np.arange(10.0)[:, None]
        >>> [data.val.y[0, 0] for data in Data.folds((series, series), 3, horizon=2)]
        [np.float32(4.0), np.float32(6.0), np.float32(8.0)]
        >>> Data.folds((series, series), 2)
        Folds([Data(train=<5 rows>, val=<5 rows>), Data(train=<5 rows>, val=<5 rows>)])
        """
        missing = checked_missing(missing) or said()
        split = checked_split("rows", rows, missing)
        if horizon is None:
            divided = random_folds(len(split), folds, seed)
        else:
            divided = rolling_folds(len(split), folds, horizon, gap, window)
        kept = None if test is None else _checked("test", test, missing)
        parts = ((split.at(train), split.at(val)) for train, val in divided)
        return Folds(tuple(cls(train, val, kept, missing, class_weight) for train, val in parts))

    @property
    def rows(self) -> str:
        """How many rows each part has: ``"train 8, val 2"``."""
        return ", ".join(f"{name} {len(part)}" for name, part in self._parts())

    def _parts(self) -> list[tuple[str, Any]]:
        parts = [(name, getattr(self, name)) for name in ("train", "val", "test")]
        return [(name, part) for name, part in parts if part is not None]

    @property
    def nbytes(self) -> int:
        """The memory that the arrays take; a stream is not held."""
        splits = (self.train, self.val, self.test)
        return sum(split.nbytes for split in splits if isinstance(split, Split))

    def fingerprint(self) -> str:
        """A hash of all values, shapes and types: equal data, equal fingerprint."""
        digest = hashlib.sha256()
        for name in ("train", "val", "test"):
            split = getattr(self, name)
            if isinstance(split, Stream):
                digest.update(split.fingerprint.encode())
                continue
            parts = [] if split is None else [split.x, split.y, split.sample_weight]
            for path, array in tree.flatten_with_path(parts):
                if array is not None:
                    digest.update(f"{name}{path}{array.dtype.str}{array.shape}".encode())
                    digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def with_arrays(data: Data, other: Callable[[NDArray[Any]], NDArray[Any]]) -> Data:
    """The same data with another array of the same values in the place of each in memory."""
    made = copy.copy(data)  # what was checked is not checked again
    for name in ("train", "val", "test", "_given"):
        part = getattr(data, name)
        if isinstance(part, Split):
            object.__setattr__(made, name, part.with_arrays(other))
    return made


def pooled(data: Data, folds: int, seed: int) -> Folds:
    """Training and validation rows together, divided at random into folds; test data stay.

    Raises:
        DataError: They are read from a dataset, or differ in whether rows have weights.
    """
    if not isinstance(data.train, Split):
        raise DataError(
            "Expected training data in memory for folds. Found a tf.data.Dataset. Give arrays, or "
            "datasets divided by hand: lw.Folds([lw.Data(...), ...])."
        )
    both = [data._given, data.val]
    if len({part.sample_weight is None for part in both}) > 1:
        raise DataError(
            "Expected sample weights of training and validation rows, or of neither, since folds "
            "take both. Found those of one. Give the others a weight of 1."
        )
    parts = [(p.x, p.y) if p.sample_weight is None else (p.x, p.y, p.sample_weight) for p in both]
    rows = tree.map_structure(lambda *arrays: np.concatenate(arrays), *parts)
    options: dict[str, Any] = {"missing": data.missing, "class_weight": data.class_weight}
    return Data.folds(rows, folds, seed=seed, test=data.test, **options)


def _by_class(train: Split | Stream, class_weight: ClassWeight) -> Split:
    if isinstance(train, Split):
        return weighed_by_class("train", train, class_weight)
    raise DataError(
        "Expected arrays in memory for class_weight=. Found a tf.data.Dataset. Map it to (x, y, "
        "sample_weight): dataset.map(lambda x, y: (x, y, tf.gather([1.0, 5.0], y))), for batches "
        "of class numbers."
    )


def _checked(name: str, part: Any, missing: Missing) -> Split | Stream:
    if isinstance(part, Stream):
        return part
    if not is_dataset(part):
        return checked_split(name, part, missing)
    if name == "train":
        return Stream(name, part, missing)
    return checked_split(name, in_memory(name, part), missing)
