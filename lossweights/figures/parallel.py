"""Weights, choices and metrics of all trials side by side: brush an axis to choose trials."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lossweights.figures.scene import Scene
from lossweights.figures.style import axis, label, scale

_BELOW = 0.12  # of an axis: how far below its numbers stands what has none


def draw_parallel(scene: Scene) -> go.Figure:
    """One line a completed trial through its varied weights, its choices and its metrics, coloured
    by the first objective. Axes are logarithmic where their values spread far. A weight of 0, and a
    number of an option that was not taken, stand below the numbers of their axis.
    """
    rows = scene.complete
    figure = go.Figure()
    if rows.empty:
        return figure
    first = next(iter(scene.objectives))
    weights = {term: rows[f"relative/{term}"] for term in scene.varied}
    axes = [
        _numbers(f"weight of {label(term)}", values.where(values > 0), "log", "off")
        for term, values in weights.items()
    ]
    axes += [
        _chosen(label(name), values)
        for name, values in scene.in_force().loc[rows.index].items()
        if values.nunique() > 1
    ]
    axes += [
        _numbers(label(name), rows[name], scale(rows[name]))
        for name in scene.metrics
        if rows[name].notna().all()
    ]
    figure.add_parcoords(
        customdata=rows["number"].tolist(),
        dimensions=axes,
        line={"color": rows[first].rank().tolist(), "colorscale": "Cividis", "showscale": False},
        labelangle=0,
    )
    return figure.update_layout(margin={"t": 60, "b": 24, "l": 60, "r": 60}, height=360)


def _chosen(name: str, values: pd.Series) -> dict[str, Any]:
    """An axis of numbers, or of names in the order of the alphabet."""
    if pd.api.types.is_numeric_dtype(values):
        return _numbers(name, values, scale(values), "none")
    names = sorted({str(value) for value in values.dropna()})
    shown = ["none", *names] if values.isna().any() else names
    return {
        "label": name,
        "values": values.fillna("none").map(lambda each: float(shown.index(each))).tolist(),
        "tickvals": [float(at) for at in range(len(shown))],
        "ticktext": [label(each) for each in shown],
    }


def _numbers(name: str, values: pd.Series, kind: str, without: str = "") -> dict[str, Any]:
    """An axis of numbers; those that are missing stand below, at a tick of their own."""
    numbers = values.to_numpy(dtype=float)
    missing, ticks = np.isnan(numbers), []
    if kind == "log":
        numbers = np.log10(numbers)
        marks = axis("log", values)
        low, high = np.nanmin(numbers) - 5e-4, np.nanmax(numbers) + 5e-4
        ticks = [
            (float(np.log10(tick)), text)
            for tick, text in zip(marks["tickvals"], marks["ticktext"], strict=True)
            if low <= np.log10(tick) <= high  # another would make the axis longer than the others
        ]
    if missing.any():
        low, high = np.nanmin(numbers), np.nanmax(numbers)
        below = float(low - _BELOW * (high - low or 1.0))
        numbers = np.where(missing, below, numbers)
        if kind != "log":
            ticks = [(float(at), f"{at:.3g}") for at in np.linspace(low, high, 5)]
        ticks = [(below, without), *ticks]
    made = {"label": name, "values": numbers.tolist()}
    if ticks:
        made |= {"tickvals": [at for at, _ in ticks], "ticktext": [text for _, text in ticks]}
    return made
