"""Numbers that are checked, with one message for each kind; NumPy's scalars are numbers too."""

from __future__ import annotations

import math
from numbers import Integral

from lossweights.base.errors import RecipeError

_NO_NUMBERS = ("bool", "complex", "time", "str", "object")  # in the names of array dtypes


def whole_number(what: str, value: object, lowest: int, highest: float = math.inf) -> int:
    """The value as an ``int``, if it is a whole number within bounds; truth values are none.

    Args:
        what: What it is called in the message.
        value: The number, of Python or NumPy.
        lowest: The least that it may be.
        highest: The most that it may be.

    Raises:
        RecipeError: It is something else.

    >>> whole_number("epochs", 20, 1)
    20
    """
    if not isinstance(value, bool) and isinstance(value, Integral):
        number = int(value)
        if lowest <= number <= highest:
            return number
    bounds = f"of at least {lowest}" if highest == math.inf else f"from {lowest} to {highest}"
    raise RecipeError(f"Expected {what} as a whole number {bounds}. Found {value!r}.")


def as_number(value: object) -> float:
    """The value as a ``float``, or NaN if it is no single real number.

    NumPy's scalars are numbers, and so are arrays and tensors without axes. Truth values, texts
    and complex numbers are none.

    >>> as_number(3), as_number("3"), as_number(True)
    (3.0, nan, nan)
    """
    kind = str(getattr(value, "dtype", ""))
    if isinstance(value, (bool, str, bytes)) or any(name in kind for name in _NO_NUMBERS):
        return math.nan
    try:
        if tuple(getattr(value, "shape", ())):
            return math.nan
        return float(value)  # type: ignore[arg-type]  # whatever can be one
    except (TypeError, ValueError, OverflowError):
        return math.nan


def plainly(number: float) -> str:
    """A number for a sentence: two digits that count, and all digits before the point.

    >>> [plainly(number) for number in (0.0123, 1.04, 13.49, 1234.5, -0.0, 1e-9)]
    ['0.012', '1', '13', '1234', '0', '1e-09']
    """
    if not math.isfinite(number) or abs(number) >= 1e6:
        return f"{number:.2g}"
    return f"{number:.0f}" if abs(number) >= 10 else f"{number + 0.0:.2g}"
