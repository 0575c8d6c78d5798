"""Every trial by its objectives: the front, with picks and baselines marked and named."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from lossweights.figures._names import SIZE, Names
from lossweights.figures.scene import Scene
from lossweights.figures.style import (
    NOBODY,
    axis,
    dress,
    focus,
    label,
    marker,
    scale,
    trial_text,
    window,
)

_PAIRS = 3  # of objectives that are drawn
INTERVAL = 2  # standard errors to each side


def draw_front(scene: Scene, size: tuple[float, float] | None = None) -> go.Figure:
    """The completed trials by each pair of objectives; by number where there is one objective.

    Trials are coloured and shaped by the term that drove them. Axes show where the trials are; of
    baselines beside the space, and of trials far from all others, some may lie outside, and are
    seen on zooming out. An axis is
    logarithmic where its values spread far. With several seeds, bars of two standard errors stand
    on the front.

    Args:
        scene: The sweep.
        size: Width and height in pixels, about, of the part of a pair of objectives, in which
            names are to find room.
    """
    pairs = _pairs(scene)
    size = size or (SIZE[0] / len(pairs), SIZE[1])
    figure = make_subplots(rows=1, cols=len(pairs), horizontal_spacing=0.09)
    for column, (x, y) in enumerate(pairs, 1):
        shown = scene.complete
        axes = [(_kind(shown, name), _range(scene, name)) for name in (x, y)]
        points = list(zip(shown.get(x, ()), shown.get(y, ()), strict=True))
        names = Names(axes[0], axes[1], points, size)
        _trials(figure, scene, x, y, column)
        _front(figure, scene, x, y, column)
        _picks(figure, scene, x, y, column, names)
        _baselines(figure, scene, x, y, column, names)
        figure.update_xaxes(title_text=_title(scene, x), row=1, col=column)
        figure.update_yaxes(title_text=_title(scene, y), row=1, col=column)
        if not shown.empty:
            (along, wide), (up, high) = axes
            figure.update_xaxes(**axis(along, shown[x]), range=wide, row=1, col=column)
            figure.update_yaxes(**axis(up, shown[y]), range=high, row=1, col=column)
    return dress(figure)


def _pairs(scene: Scene) -> list[tuple[str, str]]:
    names = list(scene.objectives)
    if len(names) == 1:
        return [("number", names[0])]
    return list(combinations(names, 2))[:_PAIRS]


def _kind(shown: pd.DataFrame, name: str) -> str:
    return "linear" if name == "number" else scale(shown.get(name, ()))


def _range(scene: Scene, name: str) -> list[float] | None:
    """What an axis shows: the trials, without those that would make a dot of all others."""
    shown = scene.complete
    if shown.empty:
        return None
    kind = _kind(shown, name)
    kept = [*scene.front, *scene.named(), *_inside(scene)["number"]]
    near = None if name == "number" else focus(kind, shown[name], scene.rows(kept)[name])
    return near or window(kind, shown[name])


def _inside(scene: Scene) -> pd.DataFrame:
    """The baselines that are trials."""
    trials = scene.complete
    return trials if trials.empty else trials[trials["kind"] == "baseline"]


def _title(scene: Scene, name: str) -> str:
    if name == "number":
        return "trial"
    return f"{label(name)} ({'less' if scene.objectives[name] == 'minimize' else 'more'} is better)"


def _trials(figure: go.Figure, scene: Scene, x: str, y: str, column: int) -> None:
    trials = scene.complete
    if trials.empty:
        return
    drivers = trials["driver"].fillna(NOBODY)
    for name in [*scene.terms, *sorted(set(drivers) - set(scene.terms))]:
        rows = trials[drivers == name]
        if rows.empty:
            continue
        figure.add_scatter(
            x=rows[x].tolist(),
            y=rows[y].tolist(),
            customdata=rows["number"].tolist(),
            mode="markers",
            name=f"driven by {label(name)}",
            legendgroup=name,
            showlegend=column == 1,
            marker=marker(str(name), scene.terms, size=8, opacity=0.75),
            hovertext=_texts(rows, scene),
            hoverinfo="text",
            row=1,
            col=column,
        )


def _texts(rows: pd.DataFrame, scene: Scene) -> list[str]:
    return [trial_text(row, scene.metrics, scene.terms) for row in rows.to_dict("records")]


def _front(figure: go.Figure, scene: Scene, x: str, y: str, column: int) -> None:
    if len(scene.front) == 0:
        return
    rows = scene.rows(scene.front).sort_values(x)
    bars = {
        f"error_{axis}": {
            "array": (INTERVAL * rows[f"stderr/{name}"]).tolist(),
            "thickness": 1,
            "width": 2,
            "color": "#777",
        }
        for axis, name in (("x", x), ("y", y))
        if f"stderr/{name}" in rows
    }
    joined = len(scene.objectives) == 2
    shape = "hv" if _both_low(scene, x, y) else "linear"
    figure.add_scatter(
        x=rows[x].tolist(),
        y=rows[y].tolist(),
        customdata=rows["number"].tolist(),
        mode="lines+markers" if joined else "markers",
        name="front: no other trial beats these",
        showlegend=column == 1,
        line={"color": "#777", "dash": "dot", "shape": shape, "width": 1.5},
        marker={"symbol": "circle-open", "size": 12, "color": "#777", "line": {"width": 1.2}},
        hovertext=_texts(rows, scene),
        hoverinfo="text",
        row=1,
        col=column,
        **bars,
    )


def _baselines(figure: go.Figure, scene: Scene, x: str, y: str, column: int, names: Names) -> None:
    """Baselines of the space by their numbers, and those beside it by their names."""
    inside = _inside(scene)
    if not inside.empty:
        of_picks = inside["number"].map(scene.named()).fillna("").str.split(", ")
        shown = zip(inside["baseline"], of_picks, strict=True)
        inside = inside.assign(name=["" if name in picks else name for name, picks in shown])
        figure.add_scatter(
            x=inside[x].tolist(),
            y=inside[y].tolist(),
            customdata=inside["number"].tolist(),
            mode="markers+text",
            text=[label(name) for name in inside["name"]],
            textposition=_beside(inside, "name", x, y, names),
            name="baselines in the space",
            showlegend=column == 1,
            marker={"symbol": "square-open", "size": 14, "color": "#777"},
            hovertext=_texts(inside, scene),
            hoverinfo="text",
            row=1,
            col=column,
        )
    beside = scene.baselines
    if beside.empty or x == "number" or not {"name", x, y} <= set(beside.columns):
        return
    beside = beside.dropna(subset=[x, y])
    figure.add_scatter(
        x=beside[x].tolist(),
        y=beside[y].tolist(),
        mode="markers+text",
        name="baselines",
        showlegend=column == 1,
        marker={"symbol": "x-thin", "size": 10, "line": {"width": 2.5, "color": "#777"}},
        text=[label(name) for name in beside["name"]],
        textposition=_beside(beside, "name", x, y, names),
        hovertext=[
            f"baseline {label(r['name'])}<br>{label(x)} {r[x]:.4g}<br>{label(y)} {r[y]:.4g}"
            for r in beside.to_dict("records")
        ],
        hoverinfo="text",
        row=1,
        col=column,
    )


def _beside(rows: pd.DataFrame, name: str, x: str, y: str, names: Names) -> list[str]:
    return [names.place(row[x], row[y], str(row[name])) for row in rows.to_dict("records")]


def _picks(figure: go.Figure, scene: Scene, x: str, y: str, column: int, names: Names) -> None:
    named = scene.named()
    if not named:
        return
    rows = scene.rows(named)
    first = _places(rows[x], scene.complete[x], both_low=_both_low(scene, x, y))
    places = [
        names.place(row[x], row[y], text, place)
        for row, text, place in zip(rows.to_dict("records"), named.values(), first, strict=True)
    ]
    figure.add_scatter(
        x=rows[x].tolist(),
        y=rows[y].tolist(),
        customdata=rows["number"].tolist(),
        mode="markers+text",
        name="picks",
        showlegend=column == 1,
        marker={"symbol": "star", "size": 15, "color": "#D55E00", "line": {"width": 1}},
        text=[f"<b>{label(text)}</b>" for text in named.values()],
        textposition=places,
        cliponaxis=False,
        hovertext=_texts(rows, scene),
        hoverinfo="text",
        row=1,
        col=column,
    )


def _both_low(scene: Scene, x: str, y: str) -> bool:
    return scene.objectives.get(x) == scene.objectives[y] == "minimize"


def _places(at: pd.Series, among: pd.Series, *, both_low: bool) -> list[str]:
    """Where there is room for a name: below a front of two minimised objectives is no trial."""
    low, high = float(among.min()), float(among.max())
    if scale(among) == "log":
        part = np.log(at / low) / max(np.log(high / low), 1e-12)
    else:
        part = (at - low) / max(high - low, 1e-12)
    if both_low:
        return ["bottom left" if each > 1 / 8 else "top right" for each in part]
    return ["top left" if each > 2 / 3 else "top right" for each in part]
