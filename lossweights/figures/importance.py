"""Which weight, and what else was chosen, matters for which metric."""

from __future__ import annotations

import plotly.graph_objects as go

from lossweights.figures.scene import Scene
from lossweights.figures.style import NEUTRAL, colours, dress, label


def draw_importance(scene: Scene) -> go.Figure:
    """The part of each metric's variation that each weight explains, with the rank correlation.

    Before the end of a sweep importances are not known, and bars show the size of the rank
    correlation instead.
    """
    figure = go.Figure()
    table = scene.sensitivity
    known = any(s.importance is not None for row in table.values() for s in row.values())
    others = dict.fromkeys(name for row in table.values() for name in row)
    for term in dict.fromkeys([*scene.terms, *others]):
        cells = {metric: row[term] for metric, row in table.items() if term in row}
        if not cells:
            continue
        sizes = [s.importance if known else abs(s.spearman) for s in cells.values()]
        figure.add_bar(
            y=[label(metric) for metric in cells],
            x=[None if v is None or v != v else v for v in sizes],
            orientation="h",
            name=_subject(term),
            marker={"color": colours(scene.terms).get(term, NEUTRAL)},
            text=[f"{label(term)}: {_way(s.spearman)}" for s in cells.values()],
            hovertext=[
                f"{_subject(term)}<br>rank correlation {s.spearman:+.2f}" for s in cells.values()
            ],
            hoverinfo="text",
        )
    title = "part of the variation that it explains" if known else "|rank correlation|"
    figure.update_xaxes(title_text=title, rangemode="tozero", tickformat=".0%" if known else None)
    figure.update_yaxes(autorange="reversed")
    height = 150 + 34 * sum(map(len, table.values()))
    return dress(figure, barmode="group", height=height)


def _subject(name: str) -> str:
    return label(name) if "/" in name else f"weight of {label(name)}"


def _way(correlation: float) -> str:
    """Where the metric goes as the weight rises."""
    if correlation != correlation:
        return "no order"
    if abs(correlation) < 0.1:
        return "neither up nor down"
    return "up with it" if correlation > 0 else "down with it"
