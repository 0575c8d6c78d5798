"""What a term may ask of the targets to say which constant prediction suits them best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lossweights.base.errors import TermError
from lossweights.terms.channels import pick

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
        target: The channels that the term reads as its targets; ``None`` if none were named.
        element_weight: The channels that weigh its elements, or ``None``.

    >>> Targets(np.array([[1.0], [2.0], [6.0]])).mean()
    array([[3.]])
    """

    y: Array
    weight: Array | None = None
    classes: int | None = None
    axes: Sequence[int] = ()
    mapped: bool = False
    term: str = "term"
    target: slice | list[int] | None = None
    element_weight: slice | list[int] | None = None

    def read(self) -> Targets:
        """The targets as the term reads them, without what it does not."""
        if self.target is None and self.element_weight is None:
            return self
        weight = self.weight
        if weight is not None and weight.ndim == self.y.ndim and self.target is not None:
            full = weight.shape[-1] == self.y.shape[-1]
            weight = pick(weight, self.target) if full else weight
        if self.element_weight is not None:
            own = np.nan_to_num(pick(self.y, self.element_weight))  # what is unknown weighs nothing
            weight = own if weight is None else own * full_weight(weight, own)
        y, mapped = self.plain(), self.mapped and self.target is None
        return replace(self, y=y, weight=weight, mapped=mapped, target=None, element_weight=None)

    def mean(self) -> Array:
        """The mean of each channel, or of all where a term differences along the last axis.

        Returns:
            One prediction, shape ``(1, ...)``, that is the same for every sample.
        """
        values, weight = self.by_channel()
        return self._for_a_sample(np.average(values.astype(np.float64), axis=0, weights=weight))

    def quantile(self, level: float) -> Array:
        """The quantile of each channel, or of all where a term differences along the last axis.

        Args:
            level: Part of the weight of the targets that is at or below it, 0 to 1.

        Returns:
            One prediction, shape ``(1, ...)``: for each channel the lowest target with that part
            at or below it, so that no other constant has a lower pinball loss.

        Source: Koenker and Bassett, "Regression quantiles" (Econometrica 46, 1978).

        >>> Targets(np.array([[1.0], [2.0], [6.0]])).quantile(0.5)
        array([[2.]])
        """
        values, weight = self.by_channel()
        values = values.astype(np.float64)
        found = np.quantile(values, level, axis=0, weights=weight, method="inverted_cdf")
        return self._for_a_sample(found)

    def by_channel(self) -> tuple[Array, Array | None]:
        """All elements, shape ``(elements, channels)``, without the maps; their weights, alike."""
        if self.target is not None or self.element_weight is not None:
            return self.read().by_channel()
        y = self.plain()
        weight = self.weight
        if weight is not None and weight.ndim == self.y.ndim:
            weight = weight[..., : y.shape[-1]]
        full = full_weight(weight, y)
        last = y.ndim - 1
        together = last == 0 or last in {axis % y.ndim for axis in self.axes}
        columns = (-1, 1 if together else y.shape[-1])
        if full is None:
            return y.reshape(columns), None
        full = full.reshape(columns)
        # Of a channel in which nothing counts any number will do.
        return y.reshape(columns), np.where(full.any(axis=0), full, np.ones_like(full))

    def plain(self) -> Array:
        """The targets without the maps, or other extras, beside them."""
        if self.target is not None:
            picked: Array = pick(self.y, self.target)
            return picked
        if not self.mapped:
            return self.y
        return self.y[..., : self.classes or self.y.shape[-1] // 2]

    def _for_a_sample(self, by_channel: Array) -> Array:
        return np.broadcast_to(by_channel, (1, *self.plain().shape[1:]))

    def class_rates(self, ignored: int | None = None) -> Array:
        """The frequency of each class, for targets that are class numbers.

        Args:
            ignored: A class number that counts nothing.

        Returns:
            One prediction, shape ``(1, ..., classes)`` for targets ``(n, ...)``.

        Raises:
            TermError: There are no class numbers, or some are below 0.
        """
        y = self.y if self.target is None else self.plain()
        labels = y[..., 0] if y.ndim > 1 and y.shape[-1] == 1 else y
        counted = np.ones(labels.shape, bool) if ignored is None else labels != ignored
        numbers = labels[counted].astype(np.int64)
        if numbers.size == 0 or numbers.min() < 0:
            raise TermError(
                f"Expected class numbers from 0 for the term {self.term!r}. Found "
                f"{'none' if numbers.size == 0 else int(numbers.min())}. Number the classes from 0."
            )
        full = full_weight(self.weight, labels)
        counts = np.bincount(
            numbers,
            weights=None if full is None else full[counted],
            minlength=self.classes or 0,
        )
        rates = counts / counts.sum()
        return np.broadcast_to(rates, (1, *labels.shape[1:], len(rates)))


def full_weight(weight: Array | None, like: Array) -> Array | None:
    """A weight for each element, from weights for each sample or each element."""
    if weight is None:
        return None
    while weight.ndim > like.ndim:
        weight = weight[..., 0]
    return np.broadcast_to(np.expand_dims(weight, (*range(weight.ndim, like.ndim),)), like.shape)
