"""Which term drove at which weights: the map on which flips are borders."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from lossweights.dominance.sweep_verdict import Flip
from lossweights.figures.scene import Scene
from lossweights.figures.style import (
    NOBODY,
    axis,
    colours,
    dress,
    label,
    marker,
    trial_text,
    window,
)

_MOST = 6  # terms whose pairs are drawn
_COLUMNS = 3


def draw_weights(scene: Scene) -> go.Figure:
    """The trials in the plane of two ratios of weights, a plane for each pair of ratios.

    Ratios are to the first term, relative to the reference scales if there are any. A band is the
    bracket in which the lead changes between two terms. With two terms the ratio stands over the
    first objective. Trials with a weight of 0 have no ratio and are left out.
    """
    rows = _positive(scene)
    base, *others = list(scene.terms)[:_MOST]
    panels: list[tuple[str, str | None]] = list(combinations(others, 2))
    if not panels:
        panels = [(term, None) for term in others]
    if not panels or rows.empty:
        return dress(go.Figure())
    columns = min(len(panels), _COLUMNS)
    down = -(-len(panels) // columns)
    figure = make_subplots(rows=down, cols=columns)
    for at, (x, y) in enumerate(panels):
        row, column = at // columns + 1, at % columns + 1
        _panel(figure, scene, rows, (base, x, y), row, column, first=at == 0)
    return dress(figure, height=max(430, 380 * down))


def draw_ternary(scene: Scene) -> go.Figure:
    """The trials of a sweep of three terms in a triangle: each weight as a part of their sum."""
    rows = _positive(scene)
    figure = go.Figure()
    if len(scene.terms) != 3 or rows.empty:
        return dress(figure)
    table = rows[[f"relative/{term}" for term in scene.terms]].to_numpy(dtype=float)
    parts = table / table.sum(axis=1, keepdims=True)
    for name, inside in _by_driver(rows, scene):
        a, b, c = parts[inside].T.tolist()
        chosen = rows[inside]
        figure.add_scatterternary(
            a=a, b=b, c=c,
            customdata=chosen["number"].tolist(),
            mode="markers",
            name=f"driven by {label(name)}",
            marker=marker(name, scene.terms, size=8, opacity=0.75),
            hovertext=_texts(chosen, scene),
            hoverinfo="text",
        )  # fmt: skip
    on = rows["number"].isin(scene.front).to_numpy()
    a, b, c = parts[on].T.tolist()
    figure.add_scatterternary(
        a=a, b=b, c=c,
        customdata=rows["number"][on].tolist(),
        mode="markers",
        name="front",
        marker={"symbol": "circle-open", "size": 13, "color": "#777", "line": {"width": 1.2}},
        hoverinfo="skip",
    )  # fmt: skip
    names = {
        f"{axis}axis": {"title": {"text": label(t)}}
        for axis, t in zip("abc", scene.terms, strict=True)
    }
    dress(figure, ternary={"sum": 1, **names}, height=430)
    below = {"y": -0.2, "yanchor": "top"}  # the uppermost corner needs the place
    return figure.update_layout(margin={"t": 60, "b": 90}, legend=below)


def _positive(scene: Scene) -> pd.DataFrame:
    rows = scene.complete
    if rows.empty:
        return rows
    return rows[(rows[[f"relative/{term}" for term in scene.terms]] > 0).all(axis=1)]


def _by_driver(rows: pd.DataFrame, scene: Scene) -> list[tuple[str, np.ndarray]]:
    drivers = rows["driver"].fillna(NOBODY)
    names = [*scene.terms, *sorted(set(drivers) - set(scene.terms))]
    found = [(str(name), (drivers == name).to_numpy()) for name in names]
    return [(name, inside) for name, inside in found if inside.any()]


def _texts(rows: pd.DataFrame, scene: Scene) -> list[str]:
    return [trial_text(row, scene.metrics, scene.terms) for row in rows.to_dict("records")]


def _panel(
    figure: go.Figure,
    scene: Scene,
    rows: pd.DataFrame,
    names: tuple[str, str, str | None],
    row: int,
    column: int,
    *,
    first: bool,
) -> None:
    base, x, y = names
    objective = next(iter(scene.objectives))
    at_x = rows[f"relative/{x}"] / rows[f"relative/{base}"]
    at_y = rows[objective] if y is None else rows[f"relative/{y}"] / rows[f"relative/{base}"]
    for flip in scene.flips:
        _band(figure, flip, scene.terms, names, (at_x, at_y), row, column)
    for name, inside in _by_driver(rows, scene):
        figure.add_scatter(
            x=at_x[inside].tolist(),
            y=at_y[inside].tolist(),
            customdata=rows["number"][inside].tolist(),
            mode="markers",
            name=f"driven by {label(name)}",
            legendgroup=name,
            showlegend=first,
            marker=marker(name, scene.terms, size=8, opacity=0.8),
            hovertext=_texts(rows[inside], scene),
            hoverinfo="text",
            row=row,
            col=column,
        )
    on = rows["number"].isin(scene.front)
    figure.add_scatter(
        x=at_x[on].tolist(),
        y=at_y[on].tolist(),
        customdata=rows["number"][on].tolist(),
        mode="markers",
        name="front",
        legendgroup="front",
        showlegend=first,
        marker={"symbol": "circle-open", "size": 13, "color": "#777", "line": {"width": 1.2}},
        hoverinfo="skip",
        row=row,
        col=column,
    )
    ratio = "weight of {} / weight of {}"
    title = label(objective) if y is None else ratio.format(label(y), label(base))
    up = "linear" if y is None else "log"
    over = axis(up, at_y) | {"range": window(up, at_y)}
    figure.update_xaxes(
        **axis("log", at_x),
        range=window("log", at_x),  # a band may reach far beyond what was tried
        title_text=ratio.format(label(x), label(base)),
        row=row,
        col=column,
    )
    figure.update_yaxes(**over, title_text=title, row=row, col=column)


def _band(
    figure: go.Figure,
    flip: Flip,
    terms: Sequence[str],
    names: tuple[str, str, str | None],
    at: tuple[pd.Series, pd.Series],
    row: int,
    column: int,
) -> None:
    """The bracket of a flip, as far as both of its terms are on this panel."""
    base, x, y = names
    if flip.low is None or flip.high is None:
        return
    low, high = flip.low, flip.high
    (x0, x1), (y0, y1) = ((float(v.min()), float(v.max())) for v in at)
    if (flip.first, flip.second) == (base, x):
        corners = [(low, y0), (high, y0), (high, y1), (low, y1)]
    elif y is not None and (flip.first, flip.second) == (base, y):
        corners = [(x0, low), (x1, low), (x1, high), (x0, high)]
    elif y is not None and (flip.first, flip.second) == (x, y):
        corners = [(x0, x0 * low), (x1, x1 * low), (x1, x1 * high), (x0, x0 * high)]
    else:
        return
    colour = colours(terms)[flip.second]
    figure.add_scatter(
        x=[corner[0] for corner in corners],
        y=[corner[1] for corner in corners],
        mode="lines",
        fill="toself",
        opacity=0.35,
        line={"width": 1, "color": colour, "dash": "dash"},
        name=f"{label(flip.second)} overtakes {label(flip.first)}",
        legendgroup=f"flip {flip.first} {flip.second}",
        showlegend=row == column == 1,
        hoverinfo="name",
        row=row,
        col=column,
    )
