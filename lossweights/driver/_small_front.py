"""A front of two objectives in a few lines of text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lossweights.driver._standing import Point

HEIGHT = 7  # lines of the plot
WIDEST = 60  # columns
FEWEST = 3  # points that are worth a plot
DECADE = 10.0  # from such a ratio of the largest to the smallest on an axis is logarithmic


def draw_front(
    points: Sequence[Point], axes: Mapping[str, str], width: int, *, ascii_only: bool = False
) -> list[str]:
    """The lines of a plot: those that nothing beats are large, all others small.

    Args:
        points: The two objectives of each complete trial.
        axes: Their names, each with ``"minimize"`` or ``"maximize"``.
        width: Columns that there are; in few of them nothing is drawn.
        ascii_only: Whether the terminal lacks other signs.

    >>> axes = {"a": "minimize", "b": "minimize"}
    >>> points = [(1, 4), (2, 2), (4, 1), (4, 4)]
    >>> for line in draw_front(points, axes, 30, ascii_only=True):
    ...     print(line)
    b
    4 |o                         .
      |
      |
      |
      |         o
      |
    1 |                          o
       1            a            4
    """
    if len(axes) != 2 or len(points) < FEWEST:
        return []
    (x_name, x_aim), (y_name, y_aim) = axes.items()
    xs, ys = zip(*points, strict=True)
    high, low = f"{max(ys):.4g}", f"{min(ys):.4g}"
    margin = max(len(high), len(low))
    columns = min(width, WIDEST) - margin - 2
    if columns < 2 * HEIGHT:
        return []
    small, large = (".", "o") if ascii_only else ("·", "●")
    grid = [[" "] * columns for _ in range(HEIGHT)]
    best = unbeaten(points, (x_aim, y_aim))
    at = list(zip(_places(xs, columns), _places(ys, HEIGHT), strict=True))
    for sign, wanted in ((small, False), (large, True)):  # the front over all others
        for (column, row), is_best in zip(at, best, strict=True):
            if is_best is wanted:
                grid[HEIGHT - 1 - row][column] = sign
    labels = [high, *[""] * (HEIGHT - 2), low]
    lines = [
        f"{label:>{margin}} |{''.join(row)}".rstrip()
        for label, row in zip(labels, grid, strict=True)
    ]
    ends = f"{min(xs):.4g}", f"{max(xs):.4g}"
    room = columns - len(ends[0]) - len(ends[1])
    name = x_name if len(x_name) + 2 <= room else ""
    below = f"{' ' * (margin + 2)}{ends[0]}{name:^{max(room, 1)}}{ends[1]}"
    return [y_name[:width], *lines, below]


def unbeaten(points: Sequence[Point], aims: tuple[str, str]) -> list[bool]:
    """Which points no other beats.

    >>> unbeaten([(1, 4), (2, 2), (4, 1), (4, 4)], ("minimize", "minimize"))
    [True, True, True, False]
    """
    signs = [-1.0 if aim == "maximize" else 1.0 for aim in aims]
    costs = [(signs[0] * x, signs[1] * y) for x, y in points]
    front: set[Point] = set()
    lowest = math.inf
    for x, y in sorted(set(costs)):
        if y < lowest:
            front.add((x, y))
            lowest = y
    return [cost in front for cost in costs]


def _places(values: Sequence[float], cells: int) -> list[int]:
    """Where on an axis of so many cells the values are."""
    if min(values) > 0 and max(values) / min(values) >= DECADE:
        values = [math.log(value) for value in values]
    low, span = min(values), max(values) - min(values)
    return [round((value - low) / span * (cells - 1)) if span else 0 for value in values]
