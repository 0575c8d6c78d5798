"""Rungs: epochs at which the trials of a wave are compared, and the worst part stops."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from lossweights.base.errors import RecipeError
from lossweights.base.numbers import as_number, whole_number
from lossweights.search.ranking import fronts, ranking

if TYPE_CHECKING:  # Optuna, which workers do not need
    from optuna.pruners import BasePruner

Prune: TypeAlias = "bool | Rungs | BasePruner | None"  # what `Sweep(prune=...)` takes

# What each trial of a wave has measured of its objectives, by place: `None` if it has diverged or
# failed. A number of them may be undefined. In a sweep with a wish or constraints one more number
# follows: what the trial misses of them, 0 if nothing.
Values = Mapping[int, Sequence[float] | None]


class Pruning(Protocol):
    """Decides, wave by wave, which trials are not worth going on with.

    A wave is what was asked for together. Waves come in their order, and the epochs of a wave too.
    What is decided may depend on nothing else than what this is told.
    """

    @property
    def at(self) -> Sequence[int]:
        """The epochs at which it decides, in their order."""

    def stopped(self, epoch: int, values: Values) -> frozenset[int]:
        """The places whose trials stop at an epoch.

        Args:
            epoch: One of those in `at`.
            values: The objectives of every trial of the wave that went on until then, by place.
        """

    def ended(self, place: int, values: Sequence[float] | None, *, pruned: bool) -> None:
        """How the trial at a place ended: with these objectives, or without any."""

    def describe(self) -> dict[str, Any]:
        """All that decides what it decides, as plain JSON values."""


@dataclass(frozen=True)
class Rungs:
    """The epochs at which trials are compared, and the part of them that goes on.

    At a rung the trials that were asked for together and got there are ranked by their objectives
    on the validation data: by value if there is one, else by non-dominated sorting with crowding
    distance (Deb et al. 2002). What misses a wish or a constraint of the sweep comes after what
    meets them, by how much it misses. With several seeds what the sweep's ``stat`` makes of them
    counts, the means by default. The worst part stops, with the outcome ``PRUNED``. What no other
    beats never stops; and if fewer than one more than there are objectives would be left, none
    does.

    Args:
        at: Epochs after which trials are compared.
        keep: The part that goes on, counted up, above 0 and below 1.

    Raises:
        RecipeError: A number is out of range.

    >>> Rungs(at=(3, 7), keep=0.5)
    Rungs(at=(3, 7), keep=0.5)
    >>> rungs = Rungs(at=(3,), keep=0.5).ranked_by(["minimize"])
    >>> sorted(rungs.stopped(3, {0: [0.4], 1: [0.1], 2: None, 3: [0.2]}))
    [0, 2]
    """

    at: tuple[int, ...]
    keep: float = 0.5

    def __post_init__(self) -> None:
        epochs: Any = self.at
        if isinstance(epochs, str) or not isinstance(epochs, Sequence) or not epochs:
            raise RecipeError(f"Expected the epochs of rungs, such as at=(3, 7). Found {epochs!r}.")
        whole = {whole_number("the epoch of a rung", epoch, 1) for epoch in epochs}
        keep = as_number(self.keep)
        if not 0.0 < keep < 1.0:
            raise RecipeError(
                f"Expected keep, the part that goes on, above 0 and below 1. Found {self.keep!r}."
            )
        object.__setattr__(self, "at", tuple(sorted(whole)))
        object.__setattr__(self, "keep", keep)

    @classmethod
    def of(cls, epochs: int) -> Rungs:
        """What ``prune=True`` means: after a quarter and a half of the epochs, a half goes on.

        >>> Rungs.of(20)
        Rungs(at=(5, 10), keep=0.5)

        Raises:
            RecipeError: There is no epoch before the last.
        """
        at = {max(1, round(part * epochs)) for part in (0.25, 0.5)}
        rungs = cls(tuple(at))
        rungs.check(epochs)
        return rungs

    def check(self, epochs: int) -> None:
        """Refuse rungs that no trial would ever come to, or that its end comes with.

        Raises:
            RecipeError: A rung is not before the last epoch.
        """
        if self.at[-1] >= epochs:
            raise RecipeError(
                f"Expected rungs before the last of {epochs} epochs, where there is something left "
                f"to save. Found one at epoch {self.at[-1]}. Give earlier ones, or leave out "
                f"prune=."
            )

    def ranked_by(self, directions: Sequence[str]) -> Pruning:
        """The rungs of a sweep with these objectives, ``"minimize"`` or ``"maximize"`` each."""
        return _Ranked(self, tuple(directions))


@dataclass(frozen=True)
class _Ranked(Pruning):
    """Rungs, and what is better."""

    rungs: Rungs
    directions: tuple[str, ...]

    @property
    def at(self) -> tuple[int, ...]:
        return self.rungs.at

    def stopped(self, epoch: int, values: Values) -> frozenset[int]:
        places = sorted(values)
        costs = np.array([self._costs(values[place]) for place in places])
        missed = np.array([self._missed(values[place]) for place in places])
        order, first = ranking(costs, missed)
        left = max(math.ceil(self.rungs.keep * len(places)), first)
        unbeaten = set(np.flatnonzero(fronts(costs) == 0))  # also what misses an aim so far
        stays = set(order[:left]) | unbeaten
        if sum(values[places[row]] is not None for row in stays) < len(self.directions) + 1:
            return frozenset()
        return frozenset(places[row] for row in order if row not in stays)

    def _costs(self, values: Sequence[float] | None) -> list[float]:
        """Objectives as numbers that are better when smaller; what is undefined is worst."""
        if values is None:
            return [math.inf] * len(self.directions)
        signs = [-1.0 if direction == "maximize" else 1.0 for direction in self.directions]
        costs = [sign * value for sign, value in zip(signs, values, strict=False)]
        return [math.inf if math.isnan(cost) else cost for cost in costs]

    def _missed(self, values: Sequence[float] | None) -> float:
        """What is missed of a wish and constraints; of what has failed, all."""
        return math.inf if values is None else sum(values[len(self.directions) :])

    def ended(self, place: int, values: Sequence[float] | None, *, pruned: bool) -> None:
        """Other waves are nothing to it."""

    def describe(self) -> dict[str, Any]:
        return {"at": list(self.rungs.at), "keep": self.rungs.keep}
