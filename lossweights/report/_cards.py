"""A card for each pick: what it measured, its weights, what drove it, and the line to paste."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lossweights.base.commands import DEFAULT_ROOT
from lossweights.loss.weight_set import WeightSet
from lossweights.report.summary import driven_by, verdict_of
from lossweights.results.paste import call_to_paste
from lossweights.results.promotion import set_by_hand
from lossweights.results.result import SweepResult
from lossweights.search.choices import in_force

_ENDS = {"min": "least", "max": "most"}


@dataclass(frozen=True)
class Card:
    """A pick as the page shows it, all of it text.

    Attributes:
        picks: The picks that name this weight set.
        about: What the first of them means; may be empty.
        trial: Its number; ``None`` for a baseline that is no trial.
        metrics: Objectives and other metrics: of the trial, or of a training from a fresh seed.
        confirmed: What was confirmed of the objectives, in a line; may be empty.
        weights: Relative weights of the terms.
        chosen: What was chosen beside weights.
        driven: What drove it.
        code: The line of code that loads it.
    """

    picks: str
    about: str
    trial: int | None
    metrics: Mapping[str, str]
    confirmed: str
    weights: Mapping[str, str]
    chosen: Mapping[str, str]
    driven: str
    code: str


def cards(result: SweepResult, root: Path | None) -> list[Card]:
    """A card for each weight set that a standard pick names; what is promoted comes first.

    What a person promoted has one of its own, also where that pick is another set by now.
    """
    trials = result.plot.scene.picks
    named: dict[int | str, list[str]] = {}
    for pick in result.standard_picks:
        if pick in trials or pick == result.first_pick:  # not those that no pick can spell
            named.setdefault(trials.get(pick, pick), []).append(pick)
    place, by_hand = root or DEFAULT_ROOT, set_by_hand(result.root, result.name)
    own = "promoted" if by_hand is None else "what the sweep itself promotes"
    found = [
        _card(result, result.best(picks[0]), picks, {result.first_pick: own}, place)
        for picks in named.values()
    ]
    if by_hand is None:
        return found
    pick = str(by_hand.origin["pick"])
    return [_card(result, by_hand, [pick], {pick: "promoted by hand"}, place), *found]


def _card(
    result: SweepResult,
    weights: WeightSet,
    picks: list[str],
    marks: Mapping[str, str],
    root: Path,
) -> Card:
    kept = result.kept_of(weights)
    of = kept.metrics if kept.trial is None else result.finished[kept.trial].result.metrics
    metrics = {name: of.get(name, math.nan) for name in result.plot.scene.metrics}
    return Card(
        picks=", ".join(f"{pick} ({marks[pick]})" if pick in marks else pick for pick in picks),
        about=_about(picks[0]),
        trial=kept.trial,
        metrics={name: f"{value:.4g}" for name, value in metrics.items()},
        confirmed=_confirmed(result, picks),
        weights={term: f"{value:.3g}" for term, value in weights.relative.items()},
        chosen={
            name: value if isinstance(value, str) else f"{value:.4g}"
            for name, value in in_force(weights.chosen).items()
        },
        driven=driven_by(verdict_of(result, kept)),
        code=call_to_paste(weights, root),
    )


def _about(pick: str) -> str:
    """What a pick means to who has not read of it."""
    kind, _, metric = pick.partition(":")
    if kind in _ENDS:
        return f"{_ENDS[kind]} {metric}"
    return {"knee": "best compromise", "wish": "nearest to what was wished for"}.get(pick, "")


def _confirmed(result: SweepResult, picks: list[str]) -> str:
    """Means over fresh seeds, with half of their intervals of 95 %."""
    look = result.proof.look
    if look is None:
        return ""
    table = result.confirmation
    rows = table[table["contestant"].isin(picks) & (table["data"] == look.data)]
    found = {row["metric"]: row for row in rows.to_dict("records")}
    told = [
        f"{name} {row['mean']:.3g} ± {(row['high'] - row['low']) / 2:.2g}"
        for name, row in found.items()
        if name in result.objectives and math.isfinite(row["high"] - row["low"])
    ]
    return f"confirmed: {', '.join(told)}" if told else ""
