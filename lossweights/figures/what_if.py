"""What is predicted if one weight moves and the others stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from lossweights.figures.style import NEUTRAL, axis, colours, dress, label


@dataclass(frozen=True)
class Slice:
    """A metric along the weight of one term.

    Attributes:
        weights: Weights of the term.
        middle: What is predicted for each.
        low: From where on it is expected in 95 of 100 cases.
        high: Up to where.
    """

    weights: Sequence[float]
    middle: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def draw_what_if(
    slices: Mapping[str, Mapping[str, Slice]], at: Mapping[str, float], terms: Sequence[str]
) -> go.Figure:
    """Each metric (a row) along the weight of each term (a column).

    Args:
        slices: By metric and term.
        at: The weights that stay where another moves.
        terms: The terms, in the order of their colours.
    """
    columns = list(at)
    if not slices:
        return dress(go.Figure())
    figure = make_subplots(rows=len(slices), cols=len(columns), shared_yaxes=True)
    for row, (metric, by_term) in enumerate(slices.items(), 1):
        for column, term in enumerate(columns, 1):
            found, colour = by_term[term], colours(terms).get(term, NEUTRAL)
            for edge, fill in ((found.high, None), (found.low, "tonexty")):
                figure.add_scatter(
                    x=list(found.weights), y=list(edge), mode="lines", fill=fill,
                    line={"width": 0, "color": colour}, hoverinfo="skip", showlegend=False,
                    row=row, col=column,
                )  # fmt: skip
            figure.add_scatter(
                x=list(found.weights), y=list(found.middle), mode="lines", showlegend=False,
                line={"color": colour}, name=label(metric), row=row, col=column,
            )  # fmt: skip
            figure.add_vline(x=at[term], line={"dash": "dot", "color": "#777"}, row=row, col=column)
            figure.update_xaxes(**axis("log", found.weights), row=row, col=column)
            if row == len(slices):
                title = label(term) if "/" in term else f"weight of {label(term)}"
                figure.update_xaxes(title_text=title, row=row, col=column)
        figure.update_yaxes(title_text=label(metric), row=row, col=1)
    return dress(figure, height=120 + 240 * len(slices))
