"""What is trained for a trial: the sampled weights over their scales, and what else was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossweights.results.folder import Asked
from lossweights.search.choices import with_units
from lossweights.search.space import Space
from lossweights.training import Member


def member_of(asked: Asked, space: Space, manifest: Mapping[str, Any], seed: int) -> Member:
    """The member of a trial.

    Args:
        asked: The trial.
        space: What is sampled.
        manifest: What is swept: with the scales of the terms, and the units of their options.
        seed: Seed of every training.
    """
    scales, units = manifest.get("scales") or {}, manifest.get("units") or {}
    weights = {k: w / scales.get(k, 1.0) for k, w in space.weights(asked.parameters).items()}
    return Member(weights, seed, chosen=with_units(space.chosen(asked.parameters), units))
