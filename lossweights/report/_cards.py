"""A card for each pick: what it measured, its weights, what drove it, and the line to paste."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lossweights.report.summary import driven_by
from lossweights.results.result import SweepResult


@dataclass(frozen=True)
class Card:
    """A pick as the page shows it, all of it text.

    Attributes:
        picks: The picks that name this trial.
        trial: Its number.
        metrics: Objectives and other metrics.
        weights: Relative weights of the terms.
        driven: What drove it.
        code: The line of code that loads it.
    """

    picks: str
    trial: int
    metrics: Mapping[str, str]
    weights: Mapping[str, str]
    driven: str
    code: str


def cards(result: SweepResult, root: Path | None) -> list[Card]:
    """A card for each trial that a standard pick names."""
    if not result.has_best:
        return []
    scene = result.plot.scene
    first = {number: pick for pick, number in reversed(list(scene.picks.items()))}
    rows = scene.rows(scene.named())
    return [
        Card(
            picks=names,
            trial=number,
            metrics={name: f"{rows.loc[number, name]:.4g}" for name in scene.metrics},
            weights={t: f"{rows.loc[number, f'relative/{t}']:.3g}" for t in scene.terms},
            driven=driven_by(result, number),
            code=load_line(result, first[number], root),
        )
        for number, names in scene.named().items()
    ]


def load_line(result: SweepResult, pick: str, root: Path | None) -> str:
    """The code that loads a saved pick as a loss."""
    place = "" if root in (None, Path("mlruns")) else f", root={str(root)!r}"
    return f"lw.load({f'{result.name}@{pick}'!r}{place}).loss()"
