"""The data of a problem: what is trained on, what is measured on, and what is kept for the end."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import tree

from lossweights.data._split import Split, checked_split
from lossweights.data._stream import Stream, in_memory, is_dataset
from lossweights.data.missing import Missing, checked_missing, said


@dataclass(frozen=True, repr=False)
class Data:
    """Training, validation and, if any, test data.

    Args:
        train: ``(x, y)`` or ``(x, y, sample_weight)``; ``x`` and ``y`` are arrays, or dicts, lists
            or tuples of arrays, all of one length. Or, if they do not fit into memory, a
            `tf.data.Dataset` of batches of these, as `model.fit` takes it: it is read once an
            epoch for all weight sets of a stack, in its own order; see
            `lossweights.data.Stream`.
        val: The same; objectives are measured on it. A dataset is read into memory.
        test: The same, kept for the end, or ``None``.
        missing: ``"nan"`` if NaN among the targets means that a label is unknown. A sweep with
            ``missing="nan"`` says so for what its ``load_data`` gives.

    Raises:
        DataError: A part is missing, empty, has arrays of differing lengths, of a type other than
            numbers, or with NaN or infinite values; or sample weights that are not one number for
            each row, negative, or all 0. A dataset is endless, not of batches, or another one each
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "missing", checked_missing(self.missing) or said())
        for name in ("train", "val", "test"):
            part = getattr(self, name)
            if part is not None or name != "test":
                object.__setattr__(self, name, _checked(name, part, self.missing))

    def __repr__(self) -> str:
        parts = {name: getattr(self, name) for name in ("train", "val", "test")}
        rows = [f"{name}=<{len(part)} rows>" for name, part in parts.items() if part is not None]
        return f"Data({', '.join(rows)})"

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


def _checked(name: str, part: Any, missing: Missing) -> Split | Stream:
    if isinstance(part, Stream):
        return part
    if not is_dataset(part):
        return checked_split(name, part, missing)
    if name == "train":
        return Stream(name, part, missing)
    return checked_split(name, in_memory(name, part), missing)
