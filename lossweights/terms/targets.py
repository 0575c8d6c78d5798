"""What a term may ask of the targets to say which constant prediction suits them best."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lossweights.base.errors import TermError

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Targets:
    """The targets of a data set that the terms of one loss, or of one output, are read against.

    Attributes:
        y: The targets, shape ``(n, ...)``.
        weight: Weight of each sample or of each element, or ``None``.
        classes: How many channels a prediction has, or ``None`` if only the targets can tell.
        axes: Axes that some term differences along: a prediction is constant along them.
        mapped: Whether distance maps ride behind the masks.
        term: What the term that asks is called in messages.

    >>> Targets(np.array([[1.0], [2.0], [6.0]])).mean()
    array([[3.]])
    """

    y: Array
    weight: Array | None = None
    classes: int | None = None
    axes: Sequence[int] = ()
    mapped: bool = False
    term: str = "term"

    def mean(self) -> Array:
        """The mean of each channel, or of all where a term differences along the last axis.

        Returns:
            One prediction, shape ``(1, ...)``, that is the same for every sample.
        """
        y, weight = self.y, self.weight
        if self.mapped:
            channels = self.classes or y.shape[-1] // 2
            y = y[..., :channels]
            if weight is not None and weight.ndim == y.ndim:
                weight = weight[..., :channels]
        last = y.ndim - 1
        differenced = {axis % y.ndim for axis in self.axes}
        over = tuple(range(y.ndim)) if last in differenced else tuple(range(max(last, 1)))
        means: Array = np.average(
            y.astype(np.float64), axis=over, weights=_full(weight, y), keepdims=True
        )
        return np.broadcast_to(means, (1, *y.shape[1:]))

    def class_rates(self, ignored: int | None = None) -> Array:
        """The frequency of each class, for targets that are class numbers.

        Args:
            ignored: A class number that counts nothing.

        Returns:
            One prediction, shape ``(1, ..., classes)`` for targets ``(n, ...)``.

        Raises:
            TermError: There are no class numbers, or some are below 0.
        """
        y = self.y
        labels = y[..., 0] if y.ndim > 1 and y.shape[-1] == 1 else y
        counted = np.ones(labels.shape, bool) if ignored is None else labels != ignored
        numbers = labels[counted].astype(np.int64)
        if numbers.size == 0 or numbers.min() < 0:
            raise TermError(
                f"Expected class numbers from 0 for the term {self.term!r}. Found "
                f"{'none' if numbers.size == 0 else int(numbers.min())}. Number the classes from 0."
            )
        full = _full(self.weight, labels)
        counts = np.bincount(
            numbers,
            weights=None if full is None else full[counted],
            minlength=self.classes or 0,
        )
        rates = counts / counts.sum()
        return np.broadcast_to(rates, (1, *labels.shape[1:], len(rates)))


def _full(weight: Array | None, like: Array) -> Array | None:
    """A weight for each element, from weights for each sample or each element."""
    if weight is None:
        return None
    while weight.ndim > like.ndim:
        weight = weight[..., 0]
    return np.broadcast_to(np.expand_dims(weight, (*range(weight.ndim, like.ndim),)), like.shape)
