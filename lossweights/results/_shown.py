"""How the result of a sweep shows itself: in a line, and in a notebook.

What is shown is a `lossweights.results.result.SweepResult`, which takes both as its methods.
"""

from __future__ import annotations

from typing import Any

from lossweights.base.shown import paragraph, table
from lossweights.results._picks import trials_of_picks

ROWS = 16  # of a long front


def as_line(result: Any) -> str:
    """How many trials there are, and the call that reads them."""
    return f"<SweepResult of {len(result.finished)} trials: SweepResult.read({result.name!r})>"


def as_html(result: Any) -> str:
    """Verdict, the front, and the picks with their trials."""
    counts = f"{result.name}: {len(result.finished)} trials"
    parts = [f"<h4>{counts}</h4>", paragraph(result.verdict)]  # names hold nothing of markup
    if not result.has_best:
        return "".join(parts)
    picks: dict[int, list[str]] = {}
    for pick, number in trials_of_picks(result).items():
        picks.setdefault(number, []).append(pick)
    front = result.pareto.to_dict("records")
    # Those that are picked, and the first of the others.
    others = [row["number"] for row in front if row["number"] not in picks]
    kept = {*picks, *others[: max(ROWS - len(picks), 0)]}
    headings = ["trial", *(f"weight {t}" for t in result.terms), *result.objectives, "pick"]
    rows = [
        [
            str(row["number"]),
            *(f"{row[f'relative/{term}']:.4g}" for term in result.terms),
            *(f"{row[name]:.4g}" for name in result.objectives),
            ", ".join(picks.get(row["number"], [])),
        ]
        for row in front
        if row["number"] in kept
    ]
    more = f" Shown are {len(rows)}." if len(rows) < len(front) else ""
    said = f"On the Pareto front are {len(front)} of {len(result.trials)} trials.{more}"
    return "".join([*parts, paragraph(said), table(headings, rows)])
