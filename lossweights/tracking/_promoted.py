"""What MLflow shows of a promotion by hand: tags and numbers of the sweep's run, and the set."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from lossweights.loss.weight_set import WeightSet
from lossweights.results.promotion import is_by_hand

PROMOTED = "lossweights.promoted"  # tag of a sweep's run: the pick that is promoted
BY = "lossweights.promoted_by"  # tag beside it: HAND, or else the sweep itself
HAND = "hand"
FILE = "promoted.json"  # artifact: the set that a person promoted, which has any pick


def tags_of(weights: WeightSet) -> dict[str, str]:
    """The tags of a run whose sweep promotes a set."""
    by = HAND if is_by_hand(weights.provenance.promotions) else "sweep"
    return {PROMOTED: str(weights.origin.get("pick", "")), BY: by}


def metrics_of(weights: WeightSet) -> dict[str, float]:
    """What the promoted set measured on validation data, as the run's table shows it."""
    return {f"best/{name}": value for name, value in weights.metrics.items()}


def log_set(store: Any, weights: WeightSet) -> None:
    """Keep a promoted set, with its history, among the artifacts of a run.

    Args:
        store: MLflow's repository of artifacts.
        weights: The set.
    """
    with tempfile.TemporaryDirectory() as folder:
        store.log_artifact(str(weights.save(Path(folder) / FILE)))
