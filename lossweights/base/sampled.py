"""The mark of what a sweep samples in the place of a value."""

from __future__ import annotations

from typing import TypeAlias

Value: TypeAlias = float | str  # of a choice: a number, or the name of what was chosen


class Sampled:
    """A value that each trial of a sweep has for itself; `lossweights.search.distributions`."""


def value_of(raw: object) -> Value:
    """A value as a file or a message holds it.

    >>> value_of(2), value_of("dice")
    (2.0, 'dice')
    """
    return raw if isinstance(raw, str) else float(raw)  # type: ignore[arg-type]
