"""The figures of a report, each made from a sweep's result."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lossweights.base.names import MODEL
from lossweights.base.palette import OKABE_ITO
from lossweights.dominance.shares import shares
from lossweights.report._baselines import baseline_rows, baseline_trials
from lossweights.results.result import SweepResult


def figures(result: SweepResult) -> Iterator[tuple[str, str, go.Figure]]:
    """Title, caption and figure of each chart that the result has data for."""
    if result.trials.empty:
        return
    marks = " Diamonds are baselines; those with a dot are trials." if baseline_rows(result) else ""
    if len(result.objectives) > 1:
        yield (
            "Trade-off",
            "Every completed trial by two objectives, coloured by the term that drove it. The "
            f"line joins the trials that no other beats.{marks}",
            trade_off(result),
        )
    yield (
        "Weights and objectives",
        "How each objective moves with the relative weight of each term.",
        sensitivity(result),
    )
    if not result.has_best:
        return
    best = result.best_number(result.own_pick)
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
    inside = baseline_trials(result)
    _add_baselines(figure, "baselines, trials", inside, "baseline", "diamond-open-dot", (x, y))
    _add_baselines(figure, "baselines beside", result.baselines, "name", "diamond-open", (x, y))
    return figure.update_layout(xaxis_title=x, yaxis_title=y, legend_title="driven by")


def _add_baselines(
    figure: go.Figure,
    title: str,
    rows: pd.DataFrame,
    name: str,
    symbol: str,
    axes: tuple[str, str],
) -> None:
    """Marks with names around the baselines that trained to the end, if there are any."""
    x, y = axes
    rows = rows.dropna(subset=[x, y])
    if rows.empty:
        return
    figure.add_scatter(
        x=rows[x],
        y=rows[y],
        mode="markers+text",
        name=title,
        marker={"color": "#000", "size": 14, "symbol": symbol},
        text=list(rows[name]),
        textposition="top center",
    )


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
    parts = shares(np.stack(list(trial.in_force().values()), axis=1), trial.magnitudes("train"))
    figure = go.Figure()
    for name, column in zip(trial.parts, parts.T, strict=True):
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
    for part, colour in _colours(result).items():
        if f"decrease/{part}" in result.pareto:
            figure.add_bar(
                x=labels, y=result.pareto[f"decrease/{part}"], name=part, marker={"color": colour}
            )
    figure.update_yaxes(tickformat=".0%", title_text="part of the decrease")
    return figure.update_layout(barmode="relative")


def _colours(result: SweepResult) -> dict[str, str]:
    """One colour for each term, and for the model's own losses: the same in every chart."""
    return dict(zip([*result.terms, MODEL], itertools.cycle(OKABE_ITO), strict=False))
