"""What a sweep chooses beside the weights: whether terms are on, and numbers of the recipe.

Each choice has a name that no weight has, with a slash in it, under which it stands in trials,
tables, MLflow and files: ``on/TERM``, ``hyper/NUMBER``, ``term/TERM/NUMBER``, ``term/TERM``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lossweights.base.sampled import HYPER, UNIT, Value
from lossweights.search.distributions import Fixed, Numbers

ON, TERM = "on/", "term/"
IS_ON, IS_OFF = "on", "off"


@dataclass(frozen=True)
class OneOf:
    """One of several names.

    Attributes:
        names: The names.
    """

    names: tuple[str, ...]


@dataclass(frozen=True)
class Choices:
    """What is chosen beside the numbers of the weights.

    Attributes:
        parts: What each is chosen from, by name.
        usual: What each is where nothing is said of it: the value of baselines, and of what every
            search begins with.

    >>> both = switches(["under"])
    >>> both.usual, both.is_off("under", {"on/under": "off"}), both.is_off("under", {})
    ({'on/under': 'on'}, True, False)
    """

    parts: Mapping[str, Numbers | OneOf] = field(default_factory=dict)
    usual: Mapping[str, Value] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.parts)

    def with_others(self, others: Choices) -> Choices:
        """These and others."""
        return Choices({**self.parts, **others.parts}, {**self.usual, **others.usual})

    @property
    def optional(self) -> list[str]:
        """The terms that may be off."""
        return [name.removeprefix(ON) for name in self.parts if name.startswith(ON)]

    def is_off(self, term: str, parameters: Mapping[str, Value]) -> bool:
        """Whether a term is off at parameter values."""
        return f"{ON}{term}" in self.parts and parameters.get(f"{ON}{term}") == IS_OFF

    def switched_off(self, terms: Collection[str]) -> dict[str, Value]:
        """The values that switch terms off."""
        return {f"{ON}{term}": IS_OFF for term in terms}

    def describe(self) -> dict[str, Any]:
        """What is chosen from, as plain JSON values, by name."""
        return {name: described(part) for name, part in self.parts.items()}


NO_CHOICES = Choices()


def with_units(
    chosen: Mapping[str, Value], units: Mapping[str, Mapping[str, float]]
) -> dict[str, Value]:
    """What a member reads: what was chosen, and the units of the options among it.

    Args:
        chosen: What was chosen beside weights.
        units: For each term that is a choice, the unit of each option.

    >>> with_units({"term/region": "dice"}, {"region": {"dice": 0.5, "tversky": 1.0}})
    {'term/region': 'dice', 'unit/region': 0.5}
    """
    own = {
        f"{UNIT}{term}": each[str(chosen[f"{TERM}{term}"])]
        for term, each in units.items()
        if f"{TERM}{term}" in chosen
    }
    return {**chosen, **own}


def switches(terms: Sequence[str]) -> Choices:
    """Terms that are on or off."""
    names = [f"{ON}{term}" for term in terms]
    return Choices(dict.fromkeys(names, OneOf((IS_ON, IS_OFF))), dict.fromkeys(names, IS_ON))


def is_chosen(name: str) -> bool:
    """Whether a column of a table, or a field of an origin, is what was chosen beside weights.

    >>> is_chosen("hyper/learning_rate"), is_chosen("weight/mse")
    (True, False)
    """
    return name.startswith((HYPER, TERM))


def shown(chosen: Mapping[str, Value]) -> dict[str, Value]:
    """What of a member's choices is shown: all but units, and numbers of options it has not.

    >>> shown({"term/region": "dice", "term/region/tversky/alpha": 0.3, "unit/region": 0.5})
    {'term/region': 'dice'}
    """
    return {n: value for n, value in chosen.items() if is_chosen(n) and _counts(n, chosen)}


def _counts(name: str, chosen: Mapping[str, Value]) -> bool:
    """Whether a number is none of an option that was not chosen, which nothing reads."""
    term, _, rest = name.removeprefix(TERM).partition("/")
    which = chosen.get(f"{TERM}{term}") if name.startswith(TERM) and "/" in rest else None
    return which is None or rest.startswith(f"{which}/")


def in_force(chosen: Mapping[str, Value]) -> dict[str, Value]:
    """What of a member's choices made a difference: no number of an option that was not taken.

    >>> in_force({"term/region": "dice", "term/region/tversky/alpha": 0.3, "hyper/beta_1": 0.9})
    {'term/region': 'dice', 'hyper/beta_1': 0.9}
    """

    def was_taken(name: str) -> bool:
        parts = name.split("/")
        above = (("/".join(parts[:at]), parts[at]) for at in range(1, len(parts)))
        return all(chosen.get(choice, option) == option for choice, option in above)

    return {name: value for name, value in shown(chosen).items() if was_taken(name)}


def described(part: Fixed | Numbers | OneOf) -> dict[str, Any]:
    """A distribution as plain JSON values."""
    kind = {"kind": type(part).__name__}
    if isinstance(part, OneOf):
        return {**kind, "names": list(part.names)}
    return {**kind, **{name: float(value) for name, value in vars(part).items()}}


def usual_number(given: float | None, part: Numbers) -> float:
    """A number that was given, if it can be sampled, or else the middle of what can.

    >>> from lossweights.search.distributions import LogUniform
    >>> usual_number(0.001, LogUniform(1e-4, 1e-2)), round(usual_number(3.0, LogUniform(1, 4)), 6)
    (0.001, 3.0)
    """
    return given if given is not None and part.low <= given <= part.high else part.at(0.5)
