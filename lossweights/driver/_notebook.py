"""Progress in a notebook: one bar that changes in its place, and no line more."""

from __future__ import annotations

import html
from typing import Any

from lossweights.driver._standing import Standing


class NotebookView:
    """Shows a standing in the cell that runs, as HTML; no widgets need to be installed."""

    def __init__(self) -> None:
        self._handle: Any = None

    def open(self, standing: Standing) -> None:
        """Begin to show."""
        from IPython.display import HTML, display

        self._handle = display(HTML(as_html(standing)), display_id=True)

    def show(self, standing: Standing) -> None:
        """Show another standing."""
        from IPython.display import HTML

        if self._handle is not None:
            self._handle.update(HTML(as_html(standing)))

    def close(self) -> None:
        """Nothing is left to do: the cell keeps the last standing."""


def as_html(standing: Standing) -> str:
    """A bar with its words.

    >>> as_html(Standing(done=1, total=4, best="best rmse 3"))
    '<progress value="1" max="4"></progress> 1/4 trials, best rmse 3'
    """
    left = standing.left and f"time left {standing.left}"
    counted = f"{standing.done}/{standing.total} {standing.what}s"
    words = ", ".join(filter(None, [counted, left, standing.best, standing.driven]))
    bar = f'<progress value="{standing.done}" max="{max(standing.total, 1)}"></progress>'
    return f"{bar} {html.escape(words)}"
