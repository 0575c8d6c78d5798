"""Weights and metrics of all trials side by side: brush an axis to choose trials."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lossweights.figures.scene import Scene
from lossweights.figures.style import axis, label, scale


def draw_parallel(scene: Scene) -> go.Figure:
    """One line a completed trial through its varied weights and its metrics, coloured by the first
    objective. Axes are logarithmic where their values spread far; trials of weight 0 are left out.
    """
    rows = parallel_rows(scene)
    figure = go.Figure()
    if rows.empty:
        return figure
    first = next(iter(scene.objectives))
    axes = [(f"weight of {label(t)}", rows[f"relative/{t}"], "log") for t in scene.varied]
    axes += [(label(m), rows[m], scale(rows[m])) for m in scene.metrics if rows[m].notna().all()]
    figure.add_parcoords(
        customdata=rows["number"].tolist(),
        dimensions=[_dimension(*axis) for axis in axes],
        line={"color": rows[first].rank().tolist(), "colorscale": "Cividis", "showscale": False},
        labelangle=0,
    )
    return figure.update_layout(margin={"t": 60, "b": 24, "l": 60, "r": 60}, height=360)


def parallel_rows(scene: Scene) -> pd.DataFrame:
    """The trials that have a line."""
    rows = scene.complete
    for term in scene.varied:
        rows = rows[rows[f"relative/{term}"] > 0]
    return rows


def _dimension(name: str, values: pd.Series, kind: str) -> dict[str, Any]:
    if kind != "log":
        return {"label": name, "values": values.tolist()}
    ticks = axis("log", values)
    low, high = float(values.min()) * 0.999, float(values.max()) * 1.001
    shown = [
        (tick, text)
        for tick, text in zip(ticks["tickvals"], ticks["ticktext"], strict=True)
        if low <= tick <= high  # another would make the axis longer than its neighbours
    ]
    return {
        "label": name,
        "values": np.log10(values.to_numpy(dtype=float)).tolist(),
        "tickvals": [float(np.log10(tick)) for tick, _ in shown],
        "ticktext": [text for _, text in shown],
    }
