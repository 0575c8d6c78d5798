"""What a sweep samples in the place of a value: the mark of it, and a choice between things."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from lossweights.base.errors import SpaceError
from lossweights.base.names import check_name

Value: TypeAlias = float | str  # of a choice: a number, or the name of what was chosen

# Before the names under which choices stand in trials, tables, MLflow and files.
HYPER = "hyper/"  # a number of the optimizer, or what the model is made of
RAMP = "ramp/"  # a term: how its weight changes over the epochs, the same in all trials
UNIT = "unit/"  # a term: what its option is multiplied by, so that options are alike in size


class Sampled:
    """A value that each trial of a sweep has for itself."""


class SampledNumber(Sampled):
    """A number between two bounds; `lossweights.search.distributions` has them.

    Attributes:
        low: The least that it may be.
        high: The most that it may be.
    """

    low: float
    high: float

    def at(self, unit: float) -> float:
        """The number at a coordinate in [0, 1]."""
        raise NotImplementedError


@dataclass(frozen=True)
class Choice(Sampled):
    """One of several, under their names: each trial has one of them.

    Args:
        options: Two at least, by name. The first is the usual one, which baselines have.

    Raises:
        SpaceError: There are fewer.
        InvalidName: A name is not a plain one.

    >>> list(Choice({"dice": "dice", "tversky": "tversky"}).options)
    ['dice', 'tversky']
    """

    options: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not isinstance(self.options, Mapping) or len(self.options) < 2:
            raise SpaceError(
                f"Expected two options or more, by name. Found {self.options!r}. Write "
                f"lw.Choice({{'dice': lw.terms.Dice(), 'tversky': lw.terms.Tversky()}})."
            )
        object.__setattr__(
            self, "options", {check_name(name, "option"): o for name, o in self.options.items()}
        )


def value_of(raw: object) -> Value:
    """A value as a file or a message holds it.

    >>> value_of(2), value_of("dice")
    (2.0, 'dice')
    """
    return raw if isinstance(raw, str) else float(raw)  # type: ignore[arg-type]
