"""The report of a sweep: tables and figures in one HTML file that needs no network."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from lossweights.base.files import write_atomic
from lossweights.report._baselines import NOTE, TITLE, baseline_rows
from lossweights.report._figures import figures
from lossweights.report._front import front_note
from lossweights.report._proof import (
    curse_rows,
    proof_caption,
    proof_rows,
    proof_title,
    worth_rows,
)
from lossweights.report.summary import front_title, pareto_rows, scale_note
from lossweights.results.result import SweepResult

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem;
       color: #1a1a1a; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .75rem; text-align: right; border-bottom: 1px solid #ddd; }
.verdict { font-size: 1.25rem; border-left: .3rem solid #0072B2; padding-left: 1rem; }
.chart { min-height: 26rem; }
"""


_WHY = {
    "flips": "{second} leads above, {first} below",
    "first leads": "{first} led at every ratio tried",
    "second leads": "{second} led at every ratio tried",
    "unclear": "the ratio alone does not decide",
}


def write_report(result: SweepResult, path: Path) -> Path:
    """Write the report of a sweep to a file.

    Args:
        result: The sweep's result.
        path: The HTML file.

    Raises:
        StoreError: The file cannot be written.
    """
    write_atomic(path, render(result))
    return path


def render(result: SweepResult) -> str:
    """The report as one HTML document, with the plotting library inside it."""
    charts = "\n".join(
        f"<h2>{html.escape(title)}</h2>\n<p>{html.escape(text)}</p>\n"
        f'<div class="chart">{_fragment(figure)}</div>'
        for title, text, figure in figures(result)
    )
    name = html.escape(result.name)
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{name}: loss weights</title>
<style>{_STYLE}</style><script>{get_plotlyjs()}</script></head>
<body>
<h1>{name}</h1>
<p class="verdict">{html.escape(result.verdict)}</p>
<p>{html.escape(result.sweep_verdict.details)}</p>
{_proof(result)}
{_sensitivity_table(result)}
{_flip_table(result)}
<h2>{html.escape(front_title(result, len(pareto_rows(result))))}</h2>
{_front_table(result)}
{_notes(result)}
{_baseline_table(result)}
<p>{html.escape(scale_note(result))}</p>
{charts}
</body>
</html>
"""


def _fragment(figure: go.Figure) -> str:
    figure.update_layout(template="plotly_white", margin={"t": 24})
    text: str = figure.to_html(full_html=False, include_plotlyjs=False)
    return text


def _front_table(result: SweepResult) -> str:
    return _table_of(pareto_rows(result))


def _proof(result: SweepResult) -> str:
    """The sentence that may be signed, and the numbers behind it."""
    sentence = f'<h2>Proof</h2>\n<p class="verdict">{html.escape(result.sentence)}</p>'
    parts = [sentence]
    if rows := proof_rows(result, full=True):
        parts.append(f"<p>{html.escape(proof_title(result))}.</p>\n{_table_of(rows)}")
        parts.append(f"<p>{html.escape(proof_caption(result))}</p>")
    parts += [f"<p>{html.escape(note)}</p>" for note in result.proof.notes]
    for title, rows in (
        ("What each term is worth", worth_rows(result)),
        ("What the sweep said, and what is so", curse_rows(result)),
    ):
        if rows:
            parts.append(f"<h3>{title}</h3>\n{_table_of(rows)}")
    return "\n".join(parts)


def _table_of(rows: Sequence[Mapping[str, str]]) -> str:
    return _table(list(rows[0]) if rows else [], [list(row.values()) for row in rows])


def _baseline_table(result: SweepResult) -> str:
    """What people use instead of a search, beside what the search found."""
    rows = baseline_rows(result)
    if not rows:
        return ""
    table = _table(list(rows[0]), [list(row.values()) for row in rows])
    return f"<h2>{TITLE}</h2>\n<p>{html.escape(NOTE)}</p>\n{table}"


def _notes(result: SweepResult) -> str:
    """What is to be said of the picks, and of what the front may hide."""
    notes = filter(None, [*result.notes, front_note(result)])
    return "\n".join(f"<p>{html.escape(note)}</p>" for note in notes)


def _flip_table(result: SweepResult) -> str:
    """At which ratio of their weights one term overtakes the other, for each pair."""
    flips = result.sweep_verdict.flips
    if not flips:
        return ""
    rows = [
        [
            f"{flip.second} over {flip.first}",
            *_cells(flip.ratio, flip.low, flip.high),
            *_cells(*(flip.tried or (None, None))),
            f"{flip.trials} of {flip.of}",
            _WHY[flip.kind].format(first=flip.first, second=flip.second),
        ]
        for flip in flips
    ]
    head = ["pair", "ratio of weights", "from", "to", "least tried", "most tried", "shown by", ""]
    return f"<h2>Where the lead changes</h2>\n{_table(head, rows)}"


def _sensitivity_table(result: SweepResult) -> str:
    """How each metric follows each weight."""
    rows = [
        [metric, term, f"{s.spearman:+.2f}", f"{s.p_value:.2g}", *_cells(s.importance)]
        for metric, table in result.sweep_verdict.sensitivity.items()
        for term, s in table.items()
    ]
    if not rows:
        return ""
    head = ["metric", "weight of", "rank correlation", "p-value", "importance"]
    return f"<h2>Which weight matters</h2>\n{_table(head, rows)}"


def _cells(*values: float | None) -> list[str]:
    return ["" if value is None else f"{value:.3g}" for value in values]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    columns = "".join(f"<th>{html.escape(column)}</th>" for column in head)
    lines = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{columns}</tr></thead><tbody>{lines}</tbody></table>"
