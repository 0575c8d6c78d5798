"""What the front of a sweep may hide, since weighted sums do not reach all of it."""

from __future__ import annotations

import pandas as pd

from lossweights.records import Outcome
from lossweights.results.result import SweepResult
from lossweights.search.front_shape import hidden_stretch
from lossweights.search.selection import costs


def front_note(result: SweepResult) -> str:
    """A sentence on the stretch of the front that may hide something; empty if none looks so."""
    if not result.has_best:
        return ""
    trials = result.trials[result.trials["outcome"] == Outcome.COMPLETE.name]
    weights = trials[[f"relative/{term}" for term in result.terms]].to_numpy(dtype=float)
    found = hidden_stretch(costs(trials, result.objectives), weights)
    if found is None:
        return ""
    ends = " and ".join(_trial(trials.iloc[row], result) for row in (found.first, found.last))
    if found.kind == "jump":
        return (
            f"The front may hide something: between {ends} no trial was found, although nearly the "
            f"same weights lead to either side. A weighted sum cannot reach where a front is "
            f"straight or bulges away from the ideal."
        )
    return (
        f"The front may hide something: between {ends} it bulges away from the ideal. A weighted "
        f"sum reaches such a part by chance at best."
    )


def _trial(row: pd.Series, result: SweepResult) -> str:
    values = ", ".join(f"{name} {row[name]:.4g}" for name in result.objectives)
    return f"trial {row['number']} ({values})"
