"""Where a weight set comes from, as plain values that a file can hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from lossweights.base.errors import WeightError

DATA_SETS = ("val", "test")
_MODEL = {"file", "sha256"}
_ESTIMATE = {"mean", "low", "high", "seeds"}


@dataclass(frozen=True)
class Provenance:
    """What is known of the training behind a weight set; every part may be empty.

    Attributes:
        measured: By data set, ``"val"`` and ``"test"``, and metric: its ``mean``, from how many
            ``seeds``, and ``low`` and ``high``, the ends of its interval of 95 %, where there are
            several. From the confirmation if the set was confirmed, else from its trial.
        confirmation: The ``look`` and the ``seeds`` of the confirmation, and what it ``promoted``.
        drove: The ``driver`` of the training or ``None``, and by term its ``share`` of the weighted
            loss at the end and its part of the ``decrease``.
        seeds: Seeds that the trial was trained from.
        recipe: Optimizer with all that it was set to, epochs, batch size, early stopping.
        data: Digest of the data.
        versions: Versions of Python and of the packages that trained.
        promotions: What was promoted before and by whom wished: ``at``, ``pick``, ``why`` of each.
        model: The trained model beside the file: its ``file`` and its ``sha256``.

    Raises:
        WeightError: A part is not of this kind.
    """

    measured: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    confirmation: Mapping[str, Any] = field(default_factory=dict)
    drove: Mapping[str, Any] = field(default_factory=dict)
    seeds: Sequence[int] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    data: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    promotions: Sequence[Mapping[str, str]] = ()
    model: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not (_is_plain(value) and _KINDS[each.name](value)):
                raise WeightError(
                    f"Expected {_WANTED[each.name]} as {each.name!r} of where weights come from. "
                    f"Found {value!r:.200}. Leave it out, or give it so."
                )
            object.__setattr__(self, each.name, _frozen(value))

    def to_json(self) -> dict[str, Any]:
        """The parts that are known, as plain JSON values."""
        known = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: thawed(value) for name, value in known.items() if value}

    @classmethod
    def from_json(cls, value: Any) -> Provenance:
        """What `to_json` wrote.

        Raises:
            ValueError: It is something else.
        """
        known = {each.name for each in fields(cls)}
        if not isinstance(value, Mapping) or not set(value) <= known:
            raise ValueError(f"expected an object with keys among {sorted(known)} as provenance")
        return cls(**value)


def thawed(value: Any) -> Any:
    """A value with plain dicts and lists in the place of frozen ones."""
    if isinstance(value, Mapping):
        return {key: thawed(item) for key, item in value.items()}
    return [thawed(item) for item in value] if isinstance(value, tuple | list) else value


def _frozen(value: Any) -> Any:
    """A value that nobody can change."""
    if isinstance(value, Mapping):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    return tuple(_frozen(item) for item in value) if isinstance(value, tuple | list) else value


def _is_plain(value: Any) -> bool:
    """Whether strict JSON can hold a value."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | bool) or _is_number(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _are(value: Any, sound: Callable[[Any], bool]) -> bool:
    """Whether a value is an object, all of whose values are sound."""
    return isinstance(value, Mapping) and all(map(sound, value.values()))


def _are_listed(value: Any, sound: Callable[[Any], bool]) -> bool:
    return isinstance(value, tuple | list) and all(map(sound, value))


def _is_estimate(value: Any) -> bool:
    return _are(value, _is_number) and {"mean"} <= set(value) <= _ESTIMATE


def _is_confirmation(value: Any) -> bool:
    if not isinstance(value, Mapping) or not set(value) <= {"look", "seeds", "promoted"}:
        return False
    return (
        _is_count(value.get("look", 0))
        and _are_listed(value.get("seeds", ()), _is_count)
        and isinstance(value.get("promoted", ""), str)
    )


def _is_drive(value: Any) -> bool:
    if not isinstance(value, Mapping) or not set(value) <= {"driver", "share", "decrease"}:
        return False
    parts = (value.get("share", {}), value.get("decrease", {}))
    return isinstance(value.get("driver"), str | None) and all(_are(p, _is_number) for p in parts)


def _is_promotion(value: Any) -> bool:
    return _are(value, lambda text: isinstance(text, str)) and {"at", "pick", "why"} == set(value)


def _is_recipe(value: Any) -> bool:
    """Whether a value is a recipe: settings by name, of which some have settings of their own."""
    return _are(
        value,
        lambda said: (
            not isinstance(said, tuple | list)
            and (not isinstance(said, Mapping) or _are(said, lambda v: not isinstance(v, Mapping)))
        ),
    )


_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "measured": lambda value: (
        _are(value, lambda of: _are(of, _is_estimate)) and set(value) <= set(DATA_SETS)
    ),
    "confirmation": _is_confirmation,
    "drove": _is_drive,
    "seeds": lambda value: _are_listed(value, _is_count),
    "recipe": _is_recipe,
    "data": lambda value: isinstance(value, str),
    "versions": lambda value: _are(value, lambda version: isinstance(version, str)),
    "promotions": lambda value: _are_listed(value, _is_promotion),
    "model": lambda value: (
        _are(value, lambda text: isinstance(text, str)) and set(value) in (set(), _MODEL)
    ),
}
_WANTED = {
    "measured": "estimates, {'mean': 1.5, 'seeds': 5}, by metric and data set",
    "confirmation": "'look', 'seeds' and 'promoted'",
    "drove": "'driver', and 'share' and 'decrease' by term,",
    "seeds": "whole numbers",
    "recipe": "settings by name",
    "data": "a text",
    "versions": "texts by package",
    "promotions": "texts 'at', 'pick' and 'why' of each",
    "model": "texts 'file' and 'sha256'",
}
