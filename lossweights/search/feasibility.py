"""Constraints as Optuna writes them, for trials that are open in a storage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.trial import TrialState, create_trial


def constraint_attributes(numbers: Mapping[str, float]) -> dict[str, Any]:
    """The system attributes that hold the numbers of a trial's constraints.

    A `Trial` could set them, but making one asks the sampler for parameters. So a trial is made on
    paper, and what Optuna notes in it is copied: how it is called there is Optuna's own affair.

    Args:
        numbers: At most 0 where a constraint is satisfied, by its name.

    >>> len(constraint_attributes({"shortfall<=5": 0.2})), constraint_attributes({})
    (1, {})
    """
    if not numbers:
        return {}
    return dict(create_trial(state=TrialState.RUNNING, constraints=dict(numbers)).system_attrs)
