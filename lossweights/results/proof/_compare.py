"""Two contestants side by side: in which objectives one is better than the other, beyond noise."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from lossweights.results.proof._intervals import Estimate, estimate, holm
from lossweights.results.proof._look import Look

MIN_EFFECT = 0.005  # of a metric: a smaller gain is none, since paired differences may be rounding
ALPHA = 0.05  # how often anything false may be said of a sweep, in the first look


class Standing(Enum):
    """How one contestant stands against another in an objective."""

    BETTER = "better beyond noise"
    WORSE = "worse beyond noise"
    ALIKE = "within noise"
    UNKNOWN = "too few seeds to tell"


@dataclass(frozen=True)
class Effect:
    """By how much one contestant is better than another in a metric.

    Attributes:
        gain: The mean gain over the seeds that both have, above 0 for better, and its interval.
        base: The other's mean over these seeds, without its sign.
        standing: What may be said of it.
    """

    gain: Estimate
    base: float
    standing: Standing = Standing.UNKNOWN

    @property
    def parts(self) -> Estimate:
        """The gain in parts of the other's mean; infinite where that is 0."""
        gain = self.gain
        if self.base == 0:
            return gain._replace(mean=math.inf if gain.mean else 0.0)
        mean, low, high = (number / self.base for number in (gain.mean, gain.low, gain.high))
        return gain._replace(mean=mean, low=low, high=high)


@dataclass(frozen=True)
class Comparison:
    """One contestant against another.

    Attributes:
        one: The name of the one.
        other: The name of the other.
        effects: By how much the one is better in each objective.
    """

    one: str
    other: str
    effects: Mapping[str, Effect]

    def any(self, standing: Standing) -> bool:
        """Whether some objective stands so."""
        return any(effect.standing is standing for effect in self.effects.values())

    @property
    def judged(self) -> bool:
        """Whether there are enough seeds in some objective."""
        return any(e.standing is not Standing.UNKNOWN for e in self.effects.values())

    @property
    def beats(self) -> bool:
        """Whether the one is better in some objective, and worse in none."""
        return self.any(Standing.BETTER) and not self.any(Standing.WORSE)

    @property
    def beaten(self) -> bool:
        """Whether the one is worse in some objective, and better in none."""
        return self.any(Standing.WORSE) and not self.any(Standing.BETTER)


def difference(look: Look, one: str, other: str, metric: str, data: str) -> tuple[Estimate, float]:
    """One contestant's metric minus another's, over the seeds that both have; the other's mean."""
    mine, its = look.values(one, metric, data), look.values(other, metric, data)
    both = [seed for seed in mine if seed in its]
    found = estimate([mine[seed] - its[seed] for seed in both])
    return found, sum(its[seed] for seed in both) / len(both) if both else math.nan


def turned(found: Estimate) -> Estimate:
    """The same with the other sign."""
    return Estimate(-found.mean, -found.high, -found.low, found.p, found.n)


def compare(
    look: Look,
    pairs: Iterable[tuple[str, str]],
    directions: Mapping[str, str],
    data: str,
    min_effect: float = MIN_EFFECT,
) -> list[Comparison]:
    """Compare contestants pair by pair, with one correction for all pairs and metrics together.

    Args:
        look: The confirmation.
        pairs: Names, the one that may be better first.
        directions: ``"minimize"`` or ``"maximize"`` for each metric to compare.
        data: ``"val"`` or ``"test"``.
        min_effect: The least gain that counts, in parts of the other's mean.
    """
    asked, found = [], []
    for one, other in pairs:
        for metric, direction in directions.items():
            gain, mean = difference(look, one, other, metric, data)
            asked.append((one, other, metric))
            found.append((gain if direction == "maximize" else turned(gain), abs(mean)))
    level = ALPHA / 2 ** max(look.number - 1, 0)  # so that all looks together stay below twice it
    effects: dict[tuple[str, str], dict[str, Effect]] = {}
    corrected = holm([gain.p for gain, _ in found])
    for (one, other, metric), (gain, base), p in zip(asked, found, corrected, strict=True):
        standing = _standing(gain, p < level and abs(gain.mean) > min_effect * base)
        effects.setdefault((one, other), {})[metric] = Effect(gain, base, standing)
    return [Comparison(one, other, of) for (one, other), of in effects.items()]


def _standing(gain: Estimate, counts: bool) -> Standing:
    if gain.n < 2:
        return Standing.UNKNOWN
    if not counts:
        return Standing.ALIKE
    return Standing.BETTER if gain.mean > 0 else Standing.WORSE
