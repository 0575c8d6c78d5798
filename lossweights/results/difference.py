"""What differs between two weight sets, as rows that a person or a program reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lossweights.loss.weight_set import WeightSet

_SIDES = ("weights", "relative", "scales", "chosen", "terms", "metrics", "origin")


class Difference(NamedTuple):
    """One thing that two sets say differently; ``None`` is what a set does not say.

    Attributes:
        what: What it is, such as ``weights.mse`` or ``recipe.optimizer.learning_rate``.
        one: What the first set says.
        other: What the second one says.
    """

    what: str
    one: Any
    other: Any

    @property
    def change(self) -> str:
        """By how much a number changes, as a factor or from or to 0; empty for what is none."""
        if not (_is_number(self.one) and _is_number(self.other)) or not self.one:
            return ""
        return f"x {self.other / self.one:.4g}"


def differences(one: WeightSet, other: WeightSet) -> list[Difference]:
    """All that differs, weights first; empty if the sets say the same.

    >>> a, b = WeightSet({"mse": 1.0, "under": 0.5}), WeightSet({"mse": 1.0, "under": 0.25})
    >>> [tuple(each) for each in differences(a, b) if each.what.startswith("weights")]
    [('weights.under', 0.5, 0.25)]
    """
    left, right = dict(_said(one)), dict(_said(other))
    return [
        Difference(what, left.get(what), right.get(what))
        for what in {**left, **right}
        if left.get(what) != right.get(what) or (what in left) != (what in right)
    ]


def _said(weights: WeightSet) -> Iterator[tuple[str, Any]]:
    for side in _SIDES:
        yield from _flat(getattr(weights, side), side)
    for part, value in weights.provenance.to_json().items():
        yield from _flat(value, part)


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}")
    elif value is not None:
        yield path, list(value) if isinstance(value, tuple) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
