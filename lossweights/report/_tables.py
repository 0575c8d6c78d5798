"""The tables of a report, each a title, what it says, a head and rows of texts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from lossweights.records import Outcome
from lossweights.report._baselines import NOTE, TITLE, baseline_rows
from lossweights.report._proof import (
    curse_rows,
    proof_caption,
    proof_rows,
    proof_title,
    worth_rows,
)
from lossweights.report.summary import front_title, pareto_rows, scale_note
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
    makers = (
        *(_front, _flips, _sensitivity, _conflict),
        *(_worth, _confirmation, _curse, _baselines, _failures),
    )
    return {found.key: found for make in makers for found in make(result) if found.rows}


def _front(result: SweepResult) -> Iterator[Table]:
    rows = pareto_rows(result)
    yield _of_rows("front", front_title(result, len(rows)), scale_note(result), rows)


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
    """How each metric follows each weight, and what else was chosen."""
    rows = [
        [
            metric,
            term,
            *(
                [f"{s.spearman:+.2f}", f"{s.p_value:.2g}"]
                if math.isfinite(s.spearman)
                else ["", ""]
            ),
            *_cells(s.importance),
        ]
        for metric, table in result.sweep_verdict.sensitivity.items()
        for term, s in table.items()
    ]
    head = ["metric", "weight of, or choice", "rank correlation", "p-value", "importance"]
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
    text = (
        "How much worse each metric gets without the term, in its own unit, and the interval of "
        "95 % for that. Below 0 it gets better."
    )
    yield _of_rows("worth", "What each term is worth", text, worth_rows(result))


def _confirmation(result: SweepResult) -> Iterator[Table]:
    caption = proof_caption(result)
    text = f"{proof_title(result)}. {caption}".rstrip()
    rows = proof_rows(result, full=True)
    yield _of_rows("confirmation", "Confirmation against baselines", text, rows)


def _curse(result: SweepResult) -> Iterator[Table]:
    text = "The best of many trainings from one seed was lucky too; this is by how much."
    yield _of_rows("curse", "What the sweep said, and what is so", text, curse_rows(result))


def _baselines(result: SweepResult) -> Iterator[Table]:
    yield _of_rows("baselines", TITLE, NOTE, baseline_rows(result))


def _of_rows(key: str, title: str, text: str, rows: Sequence[Mapping[str, str]]) -> Table:
    """A table of rows that say their columns."""
    head = list(rows[0]) if rows else []
    return Table(key, title, text, head, [list(row.values()) for row in rows])


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
