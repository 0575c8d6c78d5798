"""What a number is sampled from: fixed, evenly, evenly in its logarithm, or several together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from lossweights.base.errors import SpaceError
from lossweights.base.numbers import as_number
from lossweights.base.sampled import SampledNumber
from lossweights.loss.weights import FLOAT32_MAX, FLOAT32_TINY

# Of a simplex' total: what its lightest term has left at such an edge, with terms by the hundred.
LEAST_SHARE = 1e-13


@dataclass(frozen=True)
class Fixed:
    """A weight that is not searched, such as the anchor that the others are measured against.

    >>> Fixed(1.0)
    Fixed(value=1.0)
    """

    value: float

    def __post_init__(self) -> None:
        value = as_number(self.value)
        if not 0.0 <= value <= FLOAT32_MAX:
            raise SpaceError(f"Expected a finite value of at least 0. Found Fixed({self.value!r}).")
        _refuse_tiny(self, value)
        object.__setattr__(self, "value", value)


@dataclass(frozen=True)
class Uniform(SampledNumber):
    """A weight spread evenly between two bounds.

    >>> Uniform(0.0, 2.0).at(0.25)
    0.5
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_bounds(self, lowest=0.0)

    def at(self, unit: float) -> float:
        """The weight at a unit coordinate in [0, 1]."""
        return _between(self, (1.0 - unit) * self.low + unit * self.high)


@dataclass(frozen=True)
class LogUniform(SampledNumber):
    """A weight spread evenly in its logarithm: each factor of ten is as likely as the next.

    >>> round(LogUniform(1e-2, 1e2).at(0.5), 12)
    1.0
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_bounds(self, lowest=math.ulp(0.0))

    def at(self, unit: float) -> float:
        """The weight at a unit coordinate in [0, 1]."""
        return _between(self, self.low ** (1.0 - unit) * self.high**unit)


@dataclass(frozen=True)
class Simplex:
    """Weights of all terms together, evenly over all ways to share out a total.

    Each term has a coordinate u in (0, 1); its weight is in proportion to -log(u), which makes
    the shares a flat Dirichlet distribution (Devroye, Non-Uniform Random Variate Generation,
    1986, chapter XI.4).

    >>> from lossweights.search.space import Space
    >>> Space(["mse", "under"], Simplex(total=2.0)).weights({"mse": 0.5, "under": 0.5})
    {'mse': 1.0, 'under': 1.0}
    """

    total: float = 1.0

    def __post_init__(self) -> None:
        total = as_number(self.total)
        if not 0.0 < total <= FLOAT32_MAX:
            raise SpaceError(f"Expected a finite total above 0. Found Simplex({self.total!r}).")
        _refuse_tiny(self, LEAST_SHARE * total)
        object.__setattr__(self, "total", total)


Numbers: TypeAlias = Uniform | LogUniform


@dataclass(frozen=True)
class Off:
    """A weight that is 0 in about one half of the trials, and else sampled: for ablation.

    Whether a term is on is a parameter of its own, ``on/TERM``. One term of a space at least has to
    be always on.

    Args:
        weight: What the weight is sampled from where the term is on.

    >>> Off(LogUniform(0.1, 10.0))
    Off(weight=LogUniform(low=0.1, high=10.0))
    """

    weight: Uniform | LogUniform

    def __post_init__(self) -> None:
        if not isinstance(self.weight, Uniform | LogUniform):
            raise SpaceError(
                f"Expected Uniform or LogUniform in Off. Found {self.weight!r}. Write "
                f"lw.Off(lw.LogUniform(0.01, 100.0)); a weight that is always 0 is lw.Fixed(0.0)."
            )


@dataclass(frozen=True)
class Ramp:
    """A weight that changes over the first epochs of each training, in a straight line.

    For warm-up of a term that is no use at first, or for annealing of one that is no use later. The
    epochs are those of Keras, from 0 on: an epoch has one weight. What is sampled, picked and kept
    is the weight at the end.

    Args:
        weight: What the weight at the end is sampled from, or a number.
        epochs: In how many epochs the weight goes from its start to its end.
        start: What part of it the weight has at first: 0 for a warm-up, 10 for an annealing.
        after: Epochs that it waits before.

    Raises:
        SpaceError: A number is out of range, or ``weight`` is no distribution.

    >>> warm = Ramp(LogUniform(0.1, 10.0), epochs=4, after=1)
    >>> [warm.factor(epoch) for epoch in range(7)]
    [0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """

    weight: Fixed | Uniform | LogUniform | Off
    epochs: int
    start: float = 0.0
    after: int = 0

    def __post_init__(self) -> None:
        number = as_number(self.weight)
        if not math.isnan(number):
            object.__setattr__(self, "weight", Fixed(number))
        elif not isinstance(self.weight, Fixed | Uniform | LogUniform | Off):
            raise SpaceError(
                f"Expected a distribution or a number in Ramp. Found {self.weight!r}. Write "
                f"lw.Ramp(lw.LogUniform(0.01, 100.0), epochs=5)."
            )
        start = as_number(self.start)
        whole = all(type(n) is int for n in (self.epochs, self.after))
        if not (whole and self.epochs >= 1 and self.after >= 0 and 0 <= start <= 1e6):
            raise SpaceError(
                f"Expected epochs of 1 or more, after of 0 or more, both whole, and start from 0 "
                f"to 1e6. Found {self!r}."
            )
        object.__setattr__(self, "start", start)

    def factor(self, epoch: int) -> float:
        """What part of the weight at the end is in force in an epoch, counted from 0."""
        done = min(max((epoch - self.after) / self.epochs, 0.0), 1.0)
        return (1.0 - done) * self.start + done

    def describe(self) -> dict[str, float]:
        """How it goes, as plain JSON values, without what the weight is sampled from."""
        return {"start": self.start, "epochs": self.epochs, "after": self.after}


def _check_bounds(part: Uniform | LogUniform, lowest: float) -> None:
    low, high = as_number(part.low), as_number(part.high)
    if not lowest <= low < high <= FLOAT32_MAX:
        bound = "above 0" if lowest else "at least 0"
        raise SpaceError(f"Expected finite bounds {bound} with low < high. Found {part!r}.")
    _refuse_tiny(part, low, high)
    object.__setattr__(part, "low", low)
    object.__setattr__(part, "high", high)


def _refuse_tiny(part: object, *weights: float) -> None:
    """Refuse what gives weights other than 0 that float32 takes for 0."""
    if any(0.0 < weight < FLOAT32_TINY for weight in weights):
        raise SpaceError(
            f"Expected weights that are 0 or at least {FLOAT32_TINY:.3g}. Found {part!r}: in "
            f"float32, in which losses are computed, smaller ones count as 0: the term is off. "
            f"Narrow the space, or multiply all weights in it by a common factor."
        )


def _between(part: Uniform | LogUniform, weight: float) -> float:
    """The weight, put back inside the bounds if rounding led out of them."""
    return min(max(weight, part.low), part.high)
