"""Where to look for the best constant prediction: what the targets suggest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lossweights.terms.targets import Targets

Array: TypeAlias = NDArray[Any]

_LEVELS = (
    *(0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5),
    *(0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0),
)
_FEW = 8  # channels of targets that are tried one by one as the only number of a prediction
_SMALLEST = 1e-7  # probabilities are kept off 0 and 1 by as much as Keras does


@dataclass(frozen=True)
class Guesses:
    """Constants that may be good ones, each of shape ``(numbers,)``.

    Attributes:
        natural: The mean of the targets, or the frequencies of classes that are given as numbers:
            the constant of a model whose predictions are in the units of the targets.
        linked: The natural one as log-odds and as logarithms, where it has some.
        others: Quantiles, and what is left without values that may stand for missing ones.
        lowest, highest: The ends of what the targets reach.
        exclusive: Whether the targets are classes that exclude each other, so that a prediction is
            a distribution over them.
    """

    natural: Array
    linked: Sequence[Array]
    others: Sequence[Array]
    lowest: Array
    highest: Array
    exclusive: bool

    @property
    def width(self) -> Array:
        """How far the targets reach, or about as far as 0; above 0."""
        reach = self.highest - self.lowest
        return np.where(reach > 0, reach, np.maximum(np.abs(self.natural), 1.0))

    def reach(self, constant: Array) -> bool:
        """Whether a constant lies between the ends."""
        return bool(((constant >= self.lowest) & (constant <= self.highest)).all())


def guesses(targets: Targets, shape: Sequence[int], numbers: int) -> Guesses:
    """What the targets suggest for predictions of so many numbers.

    Targets may have other channels than predictions: the first ones are taken for those that are
    predicted, and a single number is looked for among the values of every channel.

    Args:
        targets: The targets.
        shape: Shape of a prediction with its first axis, such as ``(1, 5)``.
        numbers: How many numbers it is made of.
    """
    targets = targets.read()
    columns = _columns(targets, len(shape))
    by_level = [np.array([np.quantile(c.values, level) for c in columns]) for level in _LEVELS]
    lowest, highest = (_vectors(each, numbers)[0] for each in (by_level[0], by_level[-1]))
    if numbers == 1:  # which channel is predicted, nobody says
        lowest, highest = by_level[0].min(keepdims=True), by_level[-1].max(keepdims=True)
    means = _vectors(np.array([np.average(c.values, weights=c.weights) for c in columns]), numbers)
    rates = _class_rates(columns[0], numbers) if len(columns) == 1 < numbers else None
    natural = means[0] if rates is None else rates
    return Guesses(
        natural=natural,
        linked=_linked(natural),
        others=[
            *means,
            *(vector for each in by_level for vector in _vectors(each, numbers)),
            *(vector for each in _without_marks(columns) for vector in _vectors(each, numbers)),
            np.zeros(numbers),
            np.ones(numbers),
        ],
        lowest=lowest,
        highest=highest,
        exclusive=rates is not None or _are_distributions(targets.y, numbers),
    )


def log_odds(rates: Array) -> Array:
    """The log-odds of rates, which are kept off 0 and 1."""
    found: Array = logarithms(rates) - logarithms(1 - rates)
    return found


def logarithms(rates: Array) -> Array:
    """The logarithms of rates, which are kept off 0 and 1."""
    found: Array = np.log(np.clip(rates, _SMALLEST, 1 - _SMALLEST))
    return found


def _linked(mean: Array) -> list[Array]:
    """What predictions are if not values: log-odds and logarithms of rates, logarithms of sizes."""
    if mean.min() >= 0 and mean.max() <= 1:
        return [log_odds(mean), logarithms(mean)]
    return [np.log(mean)] if mean.min() > 0 else []


@dataclass(frozen=True)
class _Column:
    """The finite values of one channel of the targets that have a weight, and their weights."""

    values: Array
    weights: Array | None


def _columns(targets: Targets, rank: int) -> list[_Column]:
    """The channels of the targets, for predictions with so many axes."""
    y, weight = targets.y, targets.weight
    if y.ndim == rank + 1 and y.shape[-1] == 1:
        y, weight = y[..., 0], weight if weight is None or weight.ndim <= rank else weight[..., 0]
    while y.ndim < rank:
        y = y[..., None]
    values, weights = replace(targets, y=y, weight=weight).by_channel()
    columns = []
    for channel in range(values.shape[1]):
        column = values[:, channel].astype(np.float64)
        kept = np.isfinite(column)
        if weights is not None:
            kept &= weights[:, channel] > 0
        if kept.any():
            some = None if weights is None else weights[kept, channel]
            columns.append(_Column(column[kept], some))
        else:  # nothing is known of this channel
            columns.append(_Column(np.zeros(1), None))
    return columns


def _vectors(by_channel: Array, numbers: int) -> list[Array]:
    """Predictions of so many numbers from one number for each channel of the targets."""
    channels = len(by_channel)
    if numbers == 1:
        return [by_channel[i : i + 1] for i in range(min(channels, _FEW))]
    if channels >= numbers:
        return [by_channel[:numbers]]
    return [np.full(numbers, by_channel[i]) for i in range(min(channels, _FEW))]


def _without_marks(columns: Sequence[_Column]) -> list[Array]:
    """Means and medians without the lowest value, the highest, or both.

    These may mark what is missing, such as -999, and a loss may leave them out by itself.
    """
    statistics: list[Callable[[Array], Any]] = [np.mean, np.median]
    found = []
    for lowest, highest in ((True, False), (False, True), (True, True)):
        kept = [_inner(c.values, lowest, highest) for c in columns]
        found += [np.array([statistic(values) for values in kept]) for statistic in statistics]
    return found


def _inner(values: Array, lowest: bool, highest: bool) -> Array:
    kept = np.ones(len(values), bool)
    if lowest:
        kept &= values > values.min()
    if highest:
        kept &= values < values.max()
    return values[kept] if kept.any() else values


def _class_rates(column: _Column, classes: int) -> Array | None:
    """The frequency of each class, if these are class numbers and at most one mark among them."""
    values, weights = column.values, column.weights
    known = (values >= 0) & (values < classes)
    whole = (values == np.round(values)).all()
    if not whole or not known.any() or len(np.unique(values[~known])) > 1:
        return None
    counts = np.bincount(
        values[known].astype(np.int64),
        weights=None if weights is None else weights[known],
        minlength=classes,
    )
    return counts / counts.sum()


def _are_distributions(y: Array, numbers: int) -> bool:
    """Whether the last axis holds probabilities of classes, one-hot ones among them."""
    if y.ndim < 2 or not y.shape[-1] == numbers > 1 or not (y >= 0).all():
        return False
    return bool(np.allclose(y.sum(axis=-1), 1.0, atol=1e-3))
