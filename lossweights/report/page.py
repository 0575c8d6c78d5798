"""The report of a sweep: tables and figures in one HTML file that needs no network."""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from lossweights.base.files import write_atomic
from lossweights.base.palette import OKABE_ITO
from lossweights.dominance.judge import shares
from lossweights.report.summary import pareto_rows, scale_note
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
{_sensitivity_table(result)}
{_flip_table(result)}
<h2>Pareto front</h2>
{_front_table(result)}
<p>{html.escape(scale_note(result))}</p>
{charts}
</body>
</html>
"""


def _fragment(figure: go.Figure) -> str:
    figure.update_layout(template="plotly_white", margin={"t": 24})
    text: str = figure.to_html(full_html=False, include_plotlyjs=False)
    return text


def figures(result: SweepResult) -> Iterator[tuple[str, str, go.Figure]]:
    """Title, caption and figure of each chart that the result has data for."""
    if result.trials.empty:
        return
    if len(result.objectives) > 1:
        yield (
            "Trade-off",
            "Every completed trial by two objectives, coloured by the term that drove it. The "
            "line joins the trials that no other beats.",
            trade_off(result),
        )
    yield (
        "Weights and objectives",
        "How each objective moves with the relative weight of each term.",
        sensitivity(result),
    )
    if not result.has_best:
        return
    best = result.best_number("knee")
    yield (
        f"Best compromise: trial {best}",
        "Part of each term in the weighted loss on the training probe, before and after each "
        "epoch. It shows what is left, not what drove training: see the next chart for that.",
        share_curves(result, best),
    )
    yield (
        "What drove the trials on the front",
        "Decrease share: the part of the fall of the weighted loss that each term supplied. Below "
        "zero, the term got worse.",
        decrease_bars(result),
    )


def trade_off(result: SweepResult) -> go.Figure:
    """Scatter of the first two objectives with the Pareto front."""
    x, y = list(result.objectives)[:2]
    figure = go.Figure()
    trials = result.trials.dropna(subset=[x, y])
    driver = trials["driver"].fillna("no single term")
    colours = _colours(result)
    for name, rows in trials.groupby(driver):
        figure.add_scatter(
            x=rows[x],
            y=rows[y],
            mode="markers",
            name=str(name),
            marker={"color": colours.get(str(name), "#999"), "size": 9},
            text=[f"trial {number}" for number in rows["number"]],
        )
    front = result.pareto
    figure.add_scatter(
        x=front[x],
        y=front[y],
        mode="lines",
        name="Pareto front",
        line={"color": "#666", "dash": "dot", "shape": "hv"},
    )
    return figure.update_layout(xaxis_title=x, yaxis_title=y, legend_title="driven by")


def sensitivity(result: SweepResult) -> go.Figure:
    """Scatter of each objective against the relative weight of each searched term."""
    from plotly.subplots import make_subplots

    trials = result.trials.dropna(subset=list(result.objectives))
    terms = [t for t in result.terms if trials[f"relative/{t}"].nunique() > 1]
    objectives = list(result.objectives)
    figure = make_subplots(rows=len(objectives), cols=max(len(terms), 1))
    for row, objective in enumerate(objectives, 1):
        for column, term in enumerate(terms, 1):
            figure.add_scatter(
                x=trials[f"relative/{term}"],
                y=trials[objective],
                mode="markers",
                marker={"color": _colours(result)[term]},
                text=[f"trial {number}" for number in trials["number"]],
                showlegend=False,
                row=row,
                col=column,
            )
            kind = "log" if (trials[f"relative/{term}"] > 0).all() else "linear"
            figure.update_xaxes(type=kind, title_text=f"weight of {term}", row=row, col=column)
        figure.update_yaxes(title_text=objective, row=row, col=1)
    return figure.update_layout(height=320 * len(objectives))


def share_curves(result: SweepResult, number: int) -> go.Figure:
    """Weighted share of each term over the epochs of one trial."""
    trial = result.finished[number].result
    weights = [trial.weights[name] for name in trial.weights]
    parts = shares(weights, trial.magnitudes("train"))
    figure = go.Figure()
    for name, column in zip(trial.weights, parts.T, strict=True):
        figure.add_scatter(
            x=[report.epoch for report in trial.reports],
            y=column,
            mode="lines",
            name=name,
            stackgroup="shares" if np.all(parts >= 0) else None,
            line={"color": _colours(result)[name]},
        )
    figure.update_yaxes(tickformat=".0%", title_text="part of the weighted loss")
    return figure.update_xaxes(title_text="epoch")


def decrease_bars(result: SweepResult) -> go.Figure:
    """Decrease share of each term in each trial of the front."""
    labels = [f"trial {number}" for number in result.pareto["number"]]
    figure = go.Figure()
    for term, colour in _colours(result).items():
        figure.add_bar(
            x=labels, y=result.pareto[f"decrease/{term}"], name=term, marker={"color": colour}
        )
    figure.update_yaxes(tickformat=".0%", title_text="part of the decrease")
    return figure.update_layout(barmode="relative")


def _colours(result: SweepResult) -> dict[str, str]:
    """One colour for each term, the same in every chart."""
    return dict(zip(result.terms, itertools.cycle(OKABE_ITO), strict=False))


def _front_table(result: SweepResult) -> str:
    rows = pareto_rows(result)
    return _table(list(rows[0]) if rows else [], [list(row.values()) for row in rows])


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
            _WHY[flip.kind].format(first=flip.first, second=flip.second),
        ]
        for flip in flips
    ]
    head = ["pair", "ratio of weights", "2.5 %", "97.5 %", "least tried", "most tried", ""]
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
