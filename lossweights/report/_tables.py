"""The tables of a report, each a title, what it says, a head and rows of texts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lossweights.records import Outcome
from lossweights.report.summary import front_title, pareto_rows, scale_note
from lossweights.results import extras
from lossweights.results.result import SweepResult

_WHY = {
    "flips": "{second} leads above, {first} below",
    "first leads": "{first} led at every ratio tried",
    "second leads": "{second} led at every ratio tried",
    "unclear": "the ratio alone does not decide",
}
_REASONS = 12  # of failures that are told apart


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes:
        key: What the page calls it.
        title: Its heading.
        text: A sentence on it; may be empty.
        head: Names of the columns.
        rows: Their cells.
    """

    key: str
    title: str
    text: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(result: SweepResult) -> dict[str, Table]:
    """Every table that the result has rows for, by its key."""
    makers = (_front, _flips, _sensitivity, _conflict, _worth, _confirmation, _baselines, _failures)
    return {found.key: found for make in makers for found in make(result) if found.rows}


def _front(result: SweepResult) -> Iterator[Table]:
    rows = pareto_rows(result)
    head = list(rows[0]) if rows else []
    title = front_title(result, len(rows))
    yield Table("front", title, scale_note(result), head, [list(row.values()) for row in rows])


def _flips(result: SweepResult) -> Iterator[Table]:
    """At which ratio of their weights one term overtakes the other, for each pair."""
    rows = [
        [
            f"{flip.second} over {flip.first}",
            *_cells(flip.ratio, flip.low, flip.high),
            *_cells(*(flip.tried or (None, None))),
            f"{flip.trials} of {flip.of}",
            _WHY[flip.kind].format(first=flip.first, second=flip.second),
        ]
        for flip in result.sweep_verdict.flips
    ]
    head = ["pair", "ratio of weights", "from", "to", "least tried", "most tried", "shown by", ""]
    yield Table("flips", "Where the lead changes", "", head, rows)


def _sensitivity(result: SweepResult) -> Iterator[Table]:
    """How each metric follows each weight."""
    rows = [
        [metric, term, f"{s.spearman:+.2f}", f"{s.p_value:.2g}", *_cells(s.importance)]
        for metric, table in result.sweep_verdict.sensitivity.items()
        for term, s in table.items()
    ]
    head = ["metric", "weight of", "rank correlation", "p-value", "importance"]
    yield Table("sensitivity", "Which weight matters", "", head, rows)


def _conflict(result: SweepResult) -> Iterator[Table]:
    """Cosines between the gradients of two terms over the trials in which they were measured."""
    found: dict[str, list[float]] = {}
    for verdict in result.verdicts.values():
        for pair, cosine in verdict.cosines.items():
            if math.isfinite(cosine):
                found.setdefault(pair, []).append(cosine)
    rows = []
    for pair, values in found.items():
        column = pd.Series(values)
        against = f"{(column < 0).sum()} of {len(column)}"
        rows.append(
            [pair.replace("/", " and "), *_cells(*column.quantile([0.5, 0.1, 0.9])), against]
        )
    text = (
        "Cosine between the gradients of two terms: 1 pulls the same way, 0 leaves each other "
        "alone, below 0 one takes back what the other gains."
    )
    head = ["terms", "median cosine", "10 %", "90 %", "trials that pull against"]
    yield Table("conflict", "Do terms pull against each other?", text, head, rows)


def _worth(result: SweepResult) -> Iterator[Table]:
    """What leaving out each term costs."""
    rows = [
        [str(r["term"]), str(r["metric"]), _signed(r["worse"]), _range(r["low"], r["high"])]
        for r in extras.worth(result).to_dict("records")
    ]
    text = "How much worse each metric gets without the term, as far as the sweep shows it."
    head = ["without", "metric", "worse by", "95 % interval"]
    yield Table("worth", "What each term is worth", text, head, rows)


def _confirmation(result: SweepResult) -> Iterator[Table]:
    rows = [
        [
            str(r.get("contestant", "")),
            str(r.get("metric", "")),
            str(r.get("data", "")),
            f"{_number(r.get('mean'))} ({_range(r.get('low'), r.get('high'))})",
            _signed(r.get("difference")),
            _range(r.get("difference_low"), r.get("difference_high")),
            "best" if r.get("best") is True else "",
        ]
        for r in extras.confirmation(result).to_dict("records")
    ]
    text = "Picks and baselines trained anew from the same fresh seeds."
    head = ["contestant", "metric", "data", "mean (95 %)", "difference", "of it 95 %", ""]
    yield Table("confirmation", "Confirmation against baselines", text, head, rows)


def _baselines(result: SweepResult) -> Iterator[Table]:
    found = extras.baselines(result)
    shown = [name for name in result.plot.scene.metrics if name in found]
    rows = [
        [str(r.get("name", "")), *(_number(r[name]) for name in shown)]
        for r in found.to_dict("records")
    ]
    text = "What was trained beside the space, from the seed of the sweep."
    yield Table("baselines", "Baselines", text, ["baseline", *shown], rows)


def _failures(result: SweepResult) -> Iterator[Table]:
    """How trials ended that did not complete, by reason."""
    ended = Counter(
        (f.result.outcome.value, f.result.reason.splitlines()[0] if f.result.reason else "")
        for f in result.finished.values()
        if f.result.outcome is not Outcome.COMPLETE
    )
    rows = [[str(n), how, why] for (how, why), n in ended.most_common(_REASONS)]
    yield Table("failures", "Trials that did not complete", "", ["trials", "what", "why"], rows)


def _cells(*values: float | None) -> list[str]:
    return ["" if value is None else f"{value:.3g}" for value in values]


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) and math.isfinite(value) else ""


def _signed(value: Any) -> str:
    return f"{value:+.3g}" if isinstance(value, int | float) and math.isfinite(value) else ""


def _range(low: Any, high: Any) -> str:
    return f"{_number(low)} to {_number(high)}" if _number(low) and _number(high) else ""
