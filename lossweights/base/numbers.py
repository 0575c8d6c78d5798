"""Numbers that are checked, with one message for each kind."""

from __future__ import annotations

import math

from lossweights.base.errors import RecipeError


def whole_number(what: str, value: object, lowest: int, highest: float = math.inf) -> int:
    """The value itself, if it is a whole number within bounds; truth values are none.

    Args:
        what: What it is called in the message.
        value: The number.
        lowest: The least that it may be.
        highest: The most that it may be.

    Raises:
        RecipeError: It is something else.

    >>> whole_number("epochs", 20, 1)
    20
    """
    if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest:
        return value
    bounds = f"of at least {lowest}" if highest == math.inf else f"from {lowest} to {highest}"
    raise RecipeError(f"Expected {what} as a whole number {bounds}. Found {value!r}.")
