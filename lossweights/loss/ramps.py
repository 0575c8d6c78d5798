"""How the weights of a set change over the epochs: said among what the sweep chose, as numbers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from lossweights.base.sampled import RAMP

log = logging.getLogger("lossweights")
_WHOLE = ("epochs", "after")


def as_chosen(ramps: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Ramps by term, as ``weights.chosen`` has them.

    >>> as_chosen({"under": {"start": 0.0, "epochs": 5}})
    {'ramp/under/start': 0.0, 'ramp/under/epochs': 5}
    """
    return {
        f"{RAMP}{term}/{name}": value
        for term, ramp in ramps.items()
        for name, value in ramp.items()
    }


def of_space(space: Any) -> dict[str, dict[str, float]]:
    """Ramps by term, from what a manifest says of a space; odd numbers are left out.

    >>> of_space({"ramp/under": {"start": 0.0, "epochs": 5}, "mse": {"kind": "Fixed"}})
    {'under': {'start': 0.0, 'epochs': 5}}
    """
    parts = space.items() if isinstance(space, Mapping) else ()
    return {
        str(name).removeprefix(RAMP): {
            key: value for key, value in part.items() if type(value) in (int, float)
        }
        for name, part in parts
        if str(name).startswith(RAMP) and isinstance(part, Mapping)
    }


def ramps_of(weights: Any) -> dict[str, dict[str, Any]]:
    """The ramps of a weight set by term; see `lossweights.loss.weight_set.WeightSet.ramps`."""
    found: dict[str, dict[str, Any]] = {}
    for key, value in weights.chosen.items():
        term, _, name = key.removeprefix(RAMP).rpartition("/")
        if key.startswith(RAMP) and weights.weights.get(term):
            found.setdefault(term, {})[name] = int(value) if name in _WHOLE else float(value)
    return found


def tell_of_ramps(weights: Any) -> None:
    """Log what else a training needs that is to be that of the sweep."""
    if ramps := ramps_of(weights):
        log.warning(
            "The weights of %s changed over the epochs of the sweep. To have them do so, train "
            "with model.fit(..., callbacks=[lw.adaptive.ramps(None, weights.ramps)]).",
            ", ".join(ramps),
        )
