"""What a trial chose, put in its place: the weight set of a trial has no choices left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossweights.base.sampled import UNIT, Value


def settled(
    weights: Mapping[str, float],
    scales: Mapping[str, float] | None,
    terms: Mapping[str, Mapping[str, Any] | None],
    chosen: Mapping[str, Value],
) -> dict[str, Any]:
    """The weights, scales and terms of a weight set, by the names of its arguments.

    An option of a choice was multiplied by its unit in training: here its weight is, and its scale
    is its own.

    Args:
        weights: Effective weight of each term.
        scales: What sampled weights were divided by, or ``None``.
        terms: Descriptions of the terms, as the manifest of a sweep has them.
        chosen: What the trial chose beside weights.
    """
    units = {name: float(chosen.get(f"{UNIT}{name}", 1.0)) for name in weights}
    return {
        "weights": {name: weight * units[name] for name, weight in weights.items()},
        "scales": scales and {name: scale / units[name] for name, scale in scales.items()},
        "terms": {name: _settled(term, chosen) for name, term in terms.items()},
    }


def _settled(term: Mapping[str, Any] | None, chosen: Mapping[str, Value]) -> dict[str, Any] | None:
    if term is None:
        return None
    rest = dict(term)
    if "options" in rest:
        options, key = rest.pop("options"), rest.pop("chosen")
        del rest["class"]
        inner = _settled(options[chosen.get(key, next(iter(options)))], chosen)
        return None if inner is None else {**inner, **rest}
    for argument, key in rest.pop("sampled", {}).items():
        rest[argument] = chosen.get(key, rest[argument])
    return rest
