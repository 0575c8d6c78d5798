"""Which trial a pick names, and what is to be said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import pandas as pd

from lossweights.base.errors import ObjectiveError, PickError
from lossweights.search.aims import Aims
from lossweights.search.conditions import Condition
from lossweights.search.selection import costs, knee_in, pareto_mask, pick_index
from lossweights.search.simplest import PREFIX as ONE_SE
from lossweights.search.simplest import one_se_index
from lossweights.search.wish import PREFIX, Wish, nearest, told

WISH = "wish"  # the pick of a sweep that was declared with one


class Picked(NamedTuple):
    """A trial that was picked.

    Attributes:
        number: Its number.
        note: What is to be known of it; empty if nothing.
    """

    number: int
    note: str = ""


def trials_of_picks(result: Any) -> dict[str, int]:
    """The trial of each standard pick of a `lossweights.results.result.SweepResult`.

    Left out are a baseline that is promoted and is no trial, and a metric whose name no pick can
    spell.
    """
    found = {}
    for pick in result.standard_picks:
        with suppress(PickError):
            found[pick] = result.best_number(pick)
    return found


class Picks:
    """Picks among the completed trials of a sweep.

    Where the sweep has constraints, only trials that satisfy them are picked. If none does, those
    are left that violate them least, and a note says so: a sweep has something to show even then.

    Args:
        complete: The rows of the completed trials, one at least.
        objectives: ``"minimize"`` or ``"maximize"`` for each objective.
        aims: Wish and constraints of the sweep.
        directions: Which way each metric is better, or ``None`` where neither end is.
        error: The standard error of a metric of one trial, for trials of one seed, if known.

    Attributes:
        infeasible: That no trial satisfies the constraints; empty if some does.
        first: The pick to promote.
        unwished: Why that is not the wish of the sweep; empty if it is, or if there is none.
    """

    def __init__(
        self,
        complete: pd.DataFrame,
        objectives: Mapping[str, str],
        aims: Aims,
        directions: Mapping[str, str | None],
        error: Callable[[str], float | None] = lambda metric: None,
    ) -> None:
        self._objectives, self._aims, self._directions = objectives, aims, directions
        self._error = error
        self._rows = complete
        if aims.constraints:
            self._rows = complete[complete["violation"] == complete["violation"].min()]
        self.infeasible = self._none_feasible(len(complete))
        self.first, self.unwished = self._first()

    def _first(self) -> tuple[str, str]:
        """The wish, if there is one, or the knee; and why it is not the wish, if there is one."""
        if not self._aims.wish:
            return "knee", ""
        try:
            self.pick(WISH)
        except PickError as error:  # no trial measured what was wished for
            return "knee", f"The wish names no trial. {error}"
        return WISH, ""

    @property
    def notes(self) -> list[str]:
        """What is to be said of the first pick and of the knee, a paragraph each."""
        picked = (self.pick(pick).note for pick in (self.first, "knee"))
        parts = [self.infeasible]  # said once
        parts += [note.removeprefix(self.infeasible).strip() for note in picked]
        return list(dict.fromkeys(filter(None, [*parts, self.unwished])))

    def pick(self, pick: str) -> Picked:
        """The trial that a pick names.

        Raises:
            PickError: The pick cannot be read or satisfied.
        """
        text = pick.strip()
        if text == WISH or text.startswith(PREFIX):
            return self._wished(self._wish(text))
        if text == "knee":
            knee = knee_in(self._rows, self._objectives)
            # What stands in for a knee means nothing among trials left for another reason.
            return self._picked(knee.row, "" if self.infeasible else knee.note)
        if text.startswith(ONE_SE):
            known = {**self._directions, **self._objectives}
            return self._picked(one_se_index(self._rows, known, text, self._error))
        return self._picked(pick_index(self._rows, self._objectives, pick))

    def _picked(self, row: int, note: str = "") -> Picked:
        said = " ".join(filter(None, [self.infeasible, note]))
        return Picked(int(self._rows["number"].iloc[row]), said)

    def _wish(self, pick: str) -> tuple[Condition, ...]:
        if pick != WISH:
            try:
                return Wish.of_pick(pick).conditions(self._directions)
            except ObjectiveError as error:
                raise PickError(f"{error} It was found in {pick!r}.") from error
        if not self._aims.wish:
            raise PickError(
                "Expected a sweep with a wish for the pick 'wish'. Found none. Say the wish: "
                "'wish:rmse=55'."
            )
        return self._aims.wish

    def _wished(self, wish: tuple[Condition, ...]) -> Picked:
        front = pareto_mask(costs(self._rows, self._objectives))
        rows = self._with(each.metric for each in wish)
        found = nearest(rows, wish, self._objectives, front)
        return self._picked(found.row, told(rows, wish, found))

    def _with(self, metrics: Iterable[str]) -> pd.DataFrame:
        """The rows with a column for each metric, also for one that no trial has measured."""
        return self._rows.reindex(columns=[*dict.fromkeys([*self._rows.columns, *metrics])])

    def _none_feasible(self, complete: int) -> str:
        """That no trial satisfies the constraints, with the one that violates them least."""
        constraints = self._aims.constraints
        if not constraints or self._rows["violation"].min() <= 0:
            return ""
        wanted = " and ".join(map(str, constraints))
        number = self._rows["number"].iloc[0]
        named = dict.fromkeys(each.metric for each in constraints)
        rows = self._with(named)
        values = ", ".join(f"{name} {rows[name].iloc[0]:.4g}" for name in named)
        return (
            f"None of {complete} complete trials has {wanted}; nearest is {values} "
            f"(trial {number})."
        )


def directions_of(manifest: Mapping[str, Any]) -> dict[str, str | None]:
    """Which way each metric of a manifest is better."""
    metrics = manifest.get("metrics")
    found = dict(metrics) if isinstance(metrics, Mapping) else {}
    known = {name: m.get("direction") for name, m in found.items() if isinstance(m, Mapping)}
    return {**known, **manifest["objectives"]}
