"""What each term took off the loss: decrease shares, one bar a trial."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from lossweights.figures.scene import Scene
from lossweights.figures.style import colours, dress, label

_MOST = 24  # bars that one can tell apart


def draw_drive(scene: Scene) -> go.Figure:
    """Decrease share of each term in the trials of the front, evenly chosen if there are many."""
    figure = go.Figure()
    spread = np.linspace(0, max(len(scene.front) - 1, 0), _MOST).round()
    numbers = [int(scene.front[int(at)]) for at in dict.fromkeys(spread)] if scene.front else []
    if not numbers:
        return dress(figure)
    rows = scene.rows(numbers)
    named = scene.named()
    texts = [str(n) + (f" ({label(named[n])})" if n in named else "") for n in numbers]
    for part, colour in colours(scene.terms).items():
        if f"decrease/{part}" in rows:
            figure.add_bar(
                x=texts,
                y=[None if v != v else v for v in rows[f"decrease/{part}"].tolist()],
                customdata=numbers,
                name=label(part),
                marker={"color": colour},
            )
    figure.update_yaxes(tickformat=".0%", title_text="part of the decrease")
    figure.update_xaxes(
        type="category", title_text=f"trials of the front, by {label(next(iter(scene.objectives)))}"
    )
    return dress(figure, barmode="relative")
