"""Durations as people write them: 90, 90s, 30m, 2h, 1h30m."""

from __future__ import annotations

import math
import re

from lossweights.base.errors import RecipeError
from lossweights.base.numbers import as_number

_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_NUMBER = r"(\d+(?:\.\d+)?)"
_WRITTEN = re.compile("".join(f"(?:{_NUMBER}{unit})?" for unit in ("d", "h", "m", "s?")))


def seconds_of(what: str, value: object) -> float:
    """A duration in seconds, from a number of them or from words.

    Args:
        what: What it is called in the message.
        value: Seconds, or a text such as ``"2h"``, ``"30m"`` or ``"1h30m"``.

    Raises:
        RecipeError: It is none, or not above 0.

    >>> seconds_of("time_limit", "1h30m"), seconds_of("time_limit", 90), seconds_of("x", "2d")
    (5400.0, 90.0, 172800.0)
    """
    seconds = as_number(value)
    if isinstance(value, str) and (found := _WRITTEN.fullmatch(value.strip().lower())):
        parts = zip(found.groups(), _SECONDS.values(), strict=True)
        seconds = sum(float(number) * unit for number, unit in parts if number)
    if not 0 < seconds < math.inf:
        raise RecipeError(
            f"Expected {what} as seconds above 0, or as a text such as '2h', '30m' or '1h30m'. "
            f"Found {value!r}."
        )
    return float(seconds)
