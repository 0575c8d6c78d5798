"""Several ways to divide one data set: what each weight set is trained and measured on in turn."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossweights.base.errors import DataError
from lossweights.base.numbers import whole_number

Rows = NDArray[np.int64]


@dataclass(frozen=True, repr=False)
class Folds:
    """Divisions of one data set, made by `lossweights.Data.folds`, or by hand.

    A sweep whose ``load_data`` gives folds trains each weight set on every one; its metrics are the
    means over them, with standard errors. The last fold is what stands for them all: where trials
    are compared before their end they are compared on it, and the winner is trained on it.

    Args:
        parts: Two `lossweights.Data` or more.

    Raises:
        DataError: There are fewer, something else is among them, or only some have test data.
    """

    parts: tuple[Any, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(self.parts))
        whole = all(hasattr(part, "train") and hasattr(part, "val") for part in self.parts)
        if len(self.parts) < 2 or not whole:
            found = ", ".join(type(part).__name__ for part in self.parts) or "nothing"
            raise DataError(
                f"Expected folds of two lw.Data or more. Found {found}. Write lw.Folds([lw.Data("
                f"train=..., val=...), ...]), or lw.Data.folds((x, y), 5)."
            )
        if len({part.test is None for part in self.parts}) > 1:
            raise DataError(
                "Expected test data in all folds or in none. Found them in some. Give every fold "
                "the same test=."
            )

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.parts)

    def __repr__(self) -> str:
        return f"Folds([{', '.join(map(repr, self.parts))}])"

    @property
    def last(self) -> Any:
        """The fold that stands for them all."""
        return self.parts[-1]

    @property
    def nbytes(self) -> int:
        """The memory that the arrays take."""
        return sum(part.nbytes for part in self.parts)

    def fingerprint(self) -> str:
        """A hash of all values: equal folds in equal order, equal fingerprint."""
        spelled = " ".join(part.fingerprint() for part in self.parts)
        return hashlib.sha256(spelled.encode()).hexdigest()


def random_folds(rows: int, folds: int, seed: int) -> list[tuple[Rows, Rows]]:
    """The rows that each fold trains on and validates; every row is validated once.

    Raises:
        DataError: There are fewer rows than folds.

    >>> [(train.tolist(), val.tolist()) for train, val in random_folds(4, 2, seed=0)]
    [([1, 3], [0, 2]), ([0, 2], [1, 3])]
    """
    folds = whole_number("folds", folds, 2)
    if rows < folds:
        raise DataError(f"Expected at least {folds} rows, one a fold. Found {rows}.")
    order = np.random.default_rng(seed).permutation(rows)
    parts = [np.sort(part) for part in np.array_split(order, folds)]
    return [
        (np.sort(np.concatenate([other for other in parts if other is not part])), part)
        for part in parts
    ]


def rolling_folds(
    rows: int, folds: int, horizon: int, gap: int, window: int | None
) -> list[tuple[Rows, Rows]]:
    """The rows that each fold trains on and validates, the second after the first.

    Raises:
        DataError: There are too few rows.

    >>> [(train.tolist(), val.tolist()) for train, val in rolling_folds(6, 2, 2, 0, None)]
    [([0, 1], [2, 3]), ([0, 1, 2, 3], [4, 5])]
    """
    folds, horizon = whole_number("folds", folds, 2), whole_number("horizon", horizon, 1)
    gap = whole_number("gap", gap, 0)
    window = None if window is None else whole_number("window", window, 1)
    first = rows - folds * horizon
    needed = gap + (1 if window is None else window)
    if first < needed:
        raise DataError(
            f"Expected at least {needed + folds * horizon} rows for {folds} folds of a horizon of "
            f"{horizon}, with what the first trains on before. Found {rows}. Take fewer folds, or "
            f"a shorter horizon."
        )
    found = []
    for start in range(first, rows, horizon):
        end = start - gap
        begin = 0 if window is None else end - window
        found.append((np.arange(begin, end), np.arange(start, start + horizon)))
    return found
