"""The figure of one watched training: size, drive and pull of each term, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lossweights.base.palette import OKABE_ITO
from lossweights.dominance.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

_ROW_HEIGHT = 260  # pixels


def draw(history: pd.DataFrame, terms: Sequence[str], verdict: Verdict) -> Any:
    """A plotly figure of a monitor's history, its verdict as the title.

    Args:
        history: The table of a monitor, one row a measurement, epochs as index.
        terms: The terms to draw, in the order of their colours.
        verdict: What the title says.

    Returns:
        A ``plotly.graph_objects.Figure``.
    """
    from plotly.subplots import make_subplots

    panels = [
        ("Weighted magnitude: what is left", "weighted", None),
        ("Decrease share so far: what drives", "decrease", ".0%"),
        ("Contribution by gradients: what drives now", "contribution", ".0%"),
    ]
    shown = [p for p in panels if f"{p[1]}/{terms[0]}" in history]
    figure = make_subplots(
        rows=len(shown), cols=1, shared_xaxes=True, subplot_titles=[title for title, _, _ in shown]
    )
    for row, (_, key, form) in enumerate(shown, 1):
        for i, term in enumerate(terms):
            column = history[f"{key}/{term}"].dropna()
            figure.add_scatter(
                x=column.index,
                y=column,
                mode="lines+markers",
                name=term,
                legendgroup=term,
                showlegend=row == 1,
                line={"color": OKABE_ITO[i % len(OKABE_ITO)]},
                row=row,
                col=1,
            )
        figure.update_yaxes(tickformat=form, row=row, col=1)
    figure.update_xaxes(title_text="epoch", row=len(shown), col=1)
    return figure.update_layout(
        title={"text": verdict.sentence, "font": {"size": 14}}, height=_ROW_HEIGHT * len(shown) + 80
    )
