"""Progress on a terminal: a bar, what is best so far and what drives, and a small front."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from lossweights.driver._small_front import HEIGHT, draw_front
from lossweights.driver._standing import Standing

LONGEST_BAR, SHORTEST_BAR = 40, 4
SPARE_LINES = 8  # of the terminal, beside the plot, or there is none


class TerminalView:
    """Shows a standing at the bottom of a terminal until it is closed.

    It is laid out anew each time it is drawn, for the width that the terminal has then.

    Args:
        console: The terminal.
    """

    def __init__(self, console: Console) -> None:
        self._standing, self._closing = Standing(), False
        self._live = Live(self, console=console, refresh_per_second=4)

    def open(self, standing: Standing) -> None:
        """Begin to show."""
        self._standing = standing
        self._live.start()

    def show(self, standing: Standing) -> None:
        """Show another standing from the next drawing on."""
        self._standing = standing

    def close(self) -> None:
        """Leave bar and words on the terminal, and give it back."""
        self._closing = True
        self._live.stop()

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[Table | Text | Segment]:
        now, width = self._standing, options.max_width
        count, left = f"{now.done}/{now.total}", now.left and f"time left {now.left}"
        words = [each for each in (f"{now.what}s", count, left) if each]
        room = width - sum(map(len, words)) - len(words)
        if room < SHORTEST_BAR:
            yield Text(" ".join(words))
        else:
            bar = ProgressBar(max(now.total, 1), now.done, width=min(room, LONGEST_BAR))
            grid = Table.grid(padding=(0, 1))
            grid.add_row(words[0], bar, *words[1:])
            yield grid
        for line in filter(None, (now.best, now.driven)):
            yield Text(line)  # which wraps
        if not self._closing and console.height >= HEIGHT + SPARE_LINES:
            plot = draw_front(now.points, now.axes, width, ascii_only=options.ascii_only)
            for line in plot:
                yield Text(line, style="dim", no_wrap=True, overflow="crop")
