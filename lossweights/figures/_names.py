"""Where the names of points stand in a picture, so that they cover each other and points least."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

SIZE = (740.0, 430.0)  # of a picture in pixels, about; names are as large in any
_HEIGHT, _LETTER = 15.0, 6.7  # of a line of text, and the width of a letter of it
_AWAY = 8.0  # from the middle of a mark to its name
_POINT = 5.0  # half of a mark
_OVER_NAME, _OUTSIDE = 4.0, 20.0  # how much worse than to cover a mark: to cover a name, to be cut
_BESIDE = {"left": -1, "center": 0, "middle": 0, "right": 1, "top": 1, "bottom": -1}

Axis = tuple[str, Sequence[float] | None]
Box = tuple[float, float, float, float]  # left, bottom, right, top


class Names:
    """Finds room for names, one after the other.

    Args:
        x: The axis: its scale, ``"log"`` or ``"linear"``, and its range in units of the scale.
        y: The same of the other axis.
        points: Places of the marks that a name should not cover.
        size: Width and height of the picture in pixels, about.
    """

    PLACES = (
        *("bottom left", "top right", "middle right", "middle left", "bottom center"),
        *("top center", "bottom right", "top left"),
    )

    def __init__(
        self,
        x: Axis,
        y: Axis,
        points: Iterable[tuple[float, float]],
        size: tuple[float, float] = SIZE,
    ) -> None:
        self._axes = [(*axis, long) for axis, long in zip((x, y), size, strict=True)]
        self._whole = (0.0, 0.0, *size)
        self._marks = [
            (left - _POINT, low - _POINT, left + _POINT, low + _POINT)
            for left, low in map(self._at, points)
        ]
        self._names: list[Box] = []

    def place(self, x: float, y: float, text: str, first: str = PLACES[0]) -> str:
        """Where beside a point its name stands, as plotly says it.

        Args:
            x: The point.
            y: The point.
            text: Its name.
            first: The place that is taken if none is better.
        """
        boxes = {
            place: self._box(self._at((x, y)), text, place)
            for place in dict.fromkeys([first, *self.PLACES])
        }
        place = min(boxes, key=lambda each: self._covered(boxes[each]))
        self._names.append(boxes[place])
        return place

    def _at(self, point: tuple[float, float]) -> tuple[float, float]:
        """A point in pixels; the corner where it cannot be shown."""
        found = []
        for value, (kind, limits, size) in zip(point, self._axes, strict=True):
            if limits is None or not math.isfinite(value) or (kind == "log" and value <= 0):
                found.append(0.0)
                continue
            low, high = limits
            found.append(
                size * ((math.log10(value) if kind == "log" else value) - low) / (high - low)
            )
        return found[0], found[1]

    def _box(self, at: tuple[float, float], text: str, place: str) -> Box:
        up, along = place.split()
        wide = _LETTER * len(text)
        x = at[0] + _BESIDE[along] * (_AWAY + wide / 2)
        y = at[1] + _BESIDE[up] * (_AWAY + _HEIGHT / 2)
        return x - wide / 2, y - _HEIGHT / 2, x + wide / 2, y + _HEIGHT / 2

    def _covered(self, box: Box) -> float:
        whole = (box[2] - box[0]) * (box[3] - box[1])
        out = whole - _common([box], self._whole)
        covered = _common(self._marks, box) + _OVER_NAME * _common(self._names, box)
        return covered + _OUTSIDE * out


def _common(boxes: Iterable[Box], of: Box) -> float:
    """The area that boxes have in common with another one."""
    return sum(
        max(0.0, min(box[2], of[2]) - max(box[0], of[0]))
        * max(0.0, min(box[3], of[3]) - max(box[1], of[1]))
        for box in boxes
    )
