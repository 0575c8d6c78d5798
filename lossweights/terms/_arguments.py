"""Arguments of terms: one check and one message for each kind of number."""

import math
from typing import Any, TypeGuard

from lossweights.base.errors import TermError
from lossweights.base.numbers import as_number


def positive(argument: str, value: object, advice: str) -> float:
    """``value`` as a float above 0.

    Raises:
        TermError: It is not a finite number above 0; the message ends with the ``advice``.
    """
    if is_number(value) and value > 0:
        return float(value)
    raise TermError(
        f"Expected `{argument}` to be a finite number above 0. Found {argument}={value!r}. {advice}"
    )


def fraction(argument: str, value: object, advice: str) -> float:
    """``value`` as a float between 0 and 1, both excluded.

    Raises:
        TermError: It is not; the message ends with the ``advice``.
    """
    if is_number(value) and 0 < value < 1:
        return float(value)
    raise TermError(
        f"Expected `{argument}` to be a number between 0 and 1, both excluded. "
        f"Found {argument}={value!r}. {advice}"
    )


def is_number(value: object) -> TypeGuard[Any]:
    """Whether ``value`` is a finite real number, of Python or NumPy; truth values are none."""
    return math.isfinite(as_number(value))
