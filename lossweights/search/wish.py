"""Wishes: what a user wants in outcomes, and the trial that comes nearest to it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lossweights.base.errors import LossweightsError, ObjectiveError, PickError
from lossweights.base.names import check_name
from lossweights.base.numbers import as_number
from lossweights.search.conditions import WEIGHTED, Condition, short

PREFIX = "wish:"  # of a pick
_PART = re.compile(r"\s*(?P<metric>[^=<>,\s]+)\s*=\s*(?P<value>[^=<>,\s]+)\s*")

# What every wished metric adds to the worst one: enough to choose among trials whose worst is the
# same, and too little to outweigh it.
_AUGMENTATION = 1e-3
_MOST = 1e300  # of a miss: beyond, numbers are so large that their sum might be none


@dataclass(frozen=True, init=False)
class Wish:
    """What is wanted in outcomes: for each metric a value that would do, or better.

    A wish names metrics on validation data, never a weight or a loss. Which way a metric is better
    the metric says. A wish may be out of reach: then the nearest trial is taken, and said so.

    Args:
        metrics: Values by metric, for names that are no Python identifiers.
        **named: The same, written as arguments.

    Attributes:
        metrics: Values by metric.

    Raises:
        InvalidName: A name is none.
        ObjectiveError: Nothing is wished for, a metric is named twice, a value is no finite number,
            or a loss is wished for: smaller weights would fulfil it.

    >>> wish = Wish(rmse=55, shortfall=3)
    >>> wish
    Wish(rmse=55, shortfall=3)
    >>> wish.pick
    'wish:rmse=55,shortfall=3'
    >>> Wish({"rmse-night": 55}).metrics
    {'rmse-night': 55.0}
    """

    _pairs: tuple[tuple[str, float], ...]

    def __init__(self, metrics: Mapping[str, float] | None = None, /, **named: float) -> None:
        if not isinstance(metrics, Mapping | None):
            raise ObjectiveError(
                f"Expected a wish as values of metrics, such as lw.Wish(rmse=55). Found "
                f"{metrics!r}. Name the metric."
            )
        given = {**(metrics or {}), **named}
        if not given:
            raise ObjectiveError(
                "Expected a wish for a metric. Found none. Write lw.Wish(rmse=55)."
            )
        twice = sorted(set(metrics or {}) & set(named))
        if twice:
            raise ObjectiveError(f"Expected one wish a metric. Found two for {twice}.")
        for name, value in given.items():
            refuse_weighted(check_name(name, "metric"), "wishes")
            if not np.isfinite(as_number(value)):
                raise ObjectiveError(
                    f"Expected a finite number as the wish for {name!r}. Found {value!r}."
                )
        object.__setattr__(self, "_pairs", tuple((n, as_number(v)) for n, v in given.items()))

    def __eq__(self, other: object) -> bool:
        return self.metrics == other.metrics if isinstance(other, Wish) else NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._pairs))

    def __repr__(self) -> str:
        parts = [f"{name}={short(value)}" for name, value in self._pairs]
        if all(name.isidentifier() for name in self.metrics):
            return f"Wish({', '.join(parts)})"
        shown = ", ".join(f"{name!r}: {short(value)}" for name, value in self._pairs)
        return f"Wish({{{shown}}})"

    @property
    def metrics(self) -> dict[str, float]:
        """Values by metric."""
        return dict(self._pairs)

    @property
    def pick(self) -> str:
        """The wish as a pick of the command line."""
        return PREFIX + ",".join(f"{name}={short(value)}" for name, value in self._pairs)

    @classmethod
    def of_pick(cls, pick: str) -> Wish:
        """The wish that a pick says.

        Raises:
            PickError: It says none.

        >>> Wish.of_pick("wish:rmse=55, shortfall=3")
        Wish(rmse=55, shortfall=3)
        """
        found: dict[str, float] = {}
        for part in pick.strip().removeprefix(PREFIX).split(","):
            match = _PART.fullmatch(part)
            try:
                value = float(match["value"]) if match else None
            except ValueError:
                value = None
            if match is None or value is None or match["metric"] in found:
                raise PickError(
                    f"Expected values by metric, as in 'wish:rmse=55,shortfall=3'. Found {pick!r}. "
                    f"Write METRIC=NUMBER, with commas between."
                )
            found[match["metric"]] = value
        try:
            return cls(found)
        except LossweightsError as error:
            raise PickError(f"{error} It was found in {pick!r}.") from error

    def conditions(self, directions: Mapping[str, str | None]) -> tuple[Condition, ...]:
        """The wish as conditions: what is minimised is to be no larger, what is maximised no less.

        Args:
            directions: ``"minimize"`` or ``"maximize"`` for each metric that there is, or ``None``
                where neither end is better.

        Raises:
            ObjectiveError: There is no such metric, or nobody knows which way it is better.

        >>> [str(each) for each in Wish(rmse=55).conditions({"rmse": "minimize"})]
        ['rmse<=55']
        """
        signs = {"minimize": "<=", "maximize": ">="}
        found = []
        for name, value in self._pairs:
            if name not in directions:
                raise ObjectiveError(
                    f"Expected wishes among the metrics {list(directions)}. Found {name!r}. "
                    f"Add it to metrics=, or wish for one of them."
                )
            direction = directions[name]
            if direction not in signs:
                raise ObjectiveError(
                    f"Expected a wish for a metric that is better the smaller it is, or the "
                    f"larger. Found {name!r}, of which neither end is better. Say both bounds: "
                    f"constraints={{{name!r}: '>=... and <=...'}}."
                )
            found.append(Condition(name, signs[direction], value))
        return tuple(found)


def refuse_weighted(name: str, what: str) -> None:
    """Refuse a name of the weighted total.

    Raises:
        ObjectiveError: It is one.
    """
    if name in WEIGHTED:
        raise ObjectiveError(
            f"Expected {what} that do not depend on the searched weights. Found {name!r}: "
            f"a weighted sum gets smaller when the weights do, so the smallest weights would "
            f"win. Use a metric such as lw.metrics.RMSE()."
        )


class Nearest(NamedTuple):
    """The trial that comes nearest to a wish.

    Attributes:
        row: Its position.
        reached: Whether it fulfils the wish.
    """

    row: int
    reached: bool


def nearest(
    table: pd.DataFrame,
    wish: Sequence[Condition],
    objectives: Mapping[str, str],
    front: NDArray[np.bool_],
) -> Nearest:
    """The row that comes nearest to a wish, or that surpasses it in the best balance.

    The distance is the achievement scalarizing function of Wierzbicki ("The use of reference
    objectives in multiobjective optimization", 1980): of each wished metric, by how much it misses
    the wish, in parts of the range that it has along the front; the largest of these counts, plus a
    thousandth of their sum. It says the same on either side of the wish: of several trials that
    fulfil it, the one is taken whose tightest metric has most to spare. If the wish leaves
    objectives open, the trials that fulfil it are compared by those, each against its best value
    on the front. A trial that fulfils a wish always comes before one that does not.

    Args:
        table: One row a trial, with a column for each metric.
        wish: Conditions that are all to hold.
        objectives: ``"minimize"`` or ``"maximize"`` for each objective.
        front: Which rows are on the front, shape ``(rows,)``.

    Raises:
        PickError: No row has finite numbers for the wish.

    >>> table = pd.DataFrame({"rmse": [50.0, 56.1, 70.0], "shortfall": [9.0, 3.4, 1.0]})
    >>> both = {"rmse": "minimize", "shortfall": "minimize"}
    >>> wish = Wish(rmse=55, shortfall=3).conditions(both)
    >>> nearest(table, wish, both, np.array([True, True, True]))
    Nearest(row=1, reached=False)
    """
    missed = np.column_stack([_missed(table, each, front) for each in wish])
    usable = np.isfinite([table[each.metric].to_numpy(np.float64) for each in wish]).all(axis=0)
    if not usable.any():
        named = ", ".join(each.metric for each in wish)
        raise PickError(
            f"Expected a trial with finite {named}. Found none of {len(table)}. Wish for another "
            f"metric, or train more trials."
        )
    reached = usable & np.all([each.holds(table[each.metric]) for each in wish], axis=0)
    compared = missed
    if reached.any():
        usable = reached
        wished = {each.metric for each in wish}
        left = [_best_on(table, n, d, front) for n, d in objectives.items() if n not in wished]
        if left:
            compared = np.column_stack([_missed(table, each, front) for each in left])
    worst, rest = compared.max(axis=1), missed.sum(axis=1)
    distance = np.where(usable, worst + _AUGMENTATION * rest, np.inf)
    ties = np.flatnonzero(distance == np.nanmin(distance))  # beside a huge miss no other counts
    return Nearest(int(next((row for row in ties if front[row]), ties[0])), bool(reached.any()))


def _missed(
    table: pd.DataFrame, wished: Condition, front: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """By how much each row misses a value, in parts of the front's range; below 0 if it does not.

    Where a metric does not vary along the front, it is in parts of its range over all rows, and
    where it does not vary at all, of the value itself.
    """
    values = table[wished.metric].to_numpy(dtype=np.float64)
    beyond = values - wished.bound if wished.is_upper else wished.bound - values
    ranges = [_range(rows) for rows in (values[front], values)]
    unit = next((r for r in (*ranges, abs(wished.bound)) if r > 0), 1.0)
    with np.errstate(over="ignore"):
        missed: NDArray[np.float64] = np.clip(beyond / unit, -_MOST, _MOST)
    return missed


def _best_on(table: pd.DataFrame, name: str, direction: str, front: NDArray[np.bool_]) -> Condition:
    """The best value of an objective on the front, as a wish."""
    values = table[name].to_numpy(dtype=np.float64)[front]
    if direction == "maximize":
        return Condition(name, ">=", float(values.max()))
    return Condition(name, "<=", float(values.min()))


def told(table: pd.DataFrame, wish: Sequence[Condition], found: Nearest) -> str:
    """Whether a wish was reached, and what is nearest, as a sentence.

    Args:
        table: The rows, with a column ``number``.
        wish: The wish.
        found: Where the nearest row is.

    >>> table = pd.DataFrame({"number": [12], "rmse": [56.13], "shortfall": [3.4]})
    >>> both = [Condition("rmse", "<=", 55.0), Condition("shortfall", "<=", 3.0)]
    >>> told(table, both, Nearest(0, False))
    'rmse 55 with shortfall 3 was not reached; nearest is rmse 56.13, shortfall 3.4 (trial 12).'
    """
    wanted = " with ".join(f"{each.metric} {short(each.bound)}" for each in wish)
    at = found.row
    number = table["number"].iloc[at]
    values = [f"{each.metric} {_digits(table[each.metric].iloc[at], each)}" for each in wish]
    ending = f"{', '.join(values)} (trial {number})."
    if found.reached:
        return f"{wanted} was reached: {ending}"
    return f"{wanted} was not reached; nearest is {ending}"


def _digits(value: float, wished: Condition) -> str:
    """A value to four digits, or as many as tell it from a wish that it misses."""
    for digits in range(4, 17):
        shown = f"{value:.{digits}g}"
        if bool(wished.holds(float(shown))) == bool(wished.holds(value)):
            return shown
    return short(value)


def _range(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(np.ptp(finite)) if finite.size else 0.0
