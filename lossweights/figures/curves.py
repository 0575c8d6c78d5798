"""One training, epoch by epoch: the size of each term, and its part of the weighted loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from lossweights.dominance.shares import shares
from lossweights.figures.style import axis, colours, dress, label, scale


def draw_curves(
    epochs: Sequence[int],
    magnitudes: NDArray[np.float64],
    weights: Mapping[str, NDArray[np.float64]],
    terms: Sequence[str],
) -> go.Figure:
    """Weighted magnitudes and shares of the parts of one trial's loss.

    Args:
        epochs: The epochs that were measured.
        magnitudes: Unweighted magnitudes on the training probe, shape ``(epochs, parts)``.
        weights: What multiplied each part up to each epoch, shape ``(epochs,)`` each.
        terms: The terms, in the order of their colours.
    """
    in_force = np.stack(list(weights.values()), axis=1)
    weighted = magnitudes * in_force
    part_of = shares(in_force, magnitudes)
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True,
        subplot_titles=["Weighted magnitude: what is left", "Share of the weighted loss"],
    )  # fmt: skip
    for at, name in enumerate(weights):
        line = {"color": colours(terms).get(name)}
        for row, table in ((1, weighted), (2, part_of)):
            figure.add_scatter(
                x=list(epochs),
                y=table[:, at].tolist(),
                mode="lines",
                name=label(name),
                legendgroup=name,
                showlegend=row == 1,
                stackgroup="shares" if row == 2 and (part_of >= 0).all() else None,
                line=line,
                row=row,
                col=1,
            )
    sizes = weighted.ravel()
    figure.update_yaxes(**axis(scale(sizes), sizes), row=1, col=1)
    figure.update_yaxes(tickformat=".0%", row=2, col=1)
    figure.update_xaxes(title_text="epoch", row=2, col=1)
    return dress(figure, height=560).update_layout(legend_y=1.06)
