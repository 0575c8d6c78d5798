"""A trial as a row of the table of trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lossweights.base.errors import PickError
from lossweights.dominance.verdict import Verdict
from lossweights.records import Outcome
from lossweights.results.folder import Finished
from lossweights.search.aims import Aims


def trial_row(
    finished: Finished,
    verdict: Verdict | None,
    objectives: Iterable[str],
    scales: Mapping[str, float],
    aims: Aims,
) -> dict[str, Any]:
    """The row of a trial; `lossweights.results.result.SweepResult.trials` names its columns.

    Args:
        finished: The trial.
        verdict: What drove it, if it was judged.
        objectives: Names of the objectives, which have a column in any case.
        scales: What sampled weights were divided by, empty if by nothing.
        aims: What the sweep aims at besides.
    """
    asked, result = finished.asked, finished.result
    row: dict[str, Any] = {
        "number": asked.number,
        "kind": asked.kind,
        "outcome": result.outcome.name,
        "driver": verdict.driver if verdict else None,
        "seed": result.seed,
        "seconds": result.seconds,
        "reason": result.reason,
    }
    complete = result.outcome is Outcome.COMPLETE
    metrics = result.metrics if complete else dict.fromkeys(result.metrics, np.nan)
    row.update({**dict.fromkeys(objectives, np.nan), **metrics})
    if aims.constraints:
        row["violation"] = aims.violation(result.metrics) if complete else np.nan
    row.update({f"stderr/{n}": v for n, v in result.standard_errors.items() if complete})
    for name, weight in result.weights.items():
        row[f"weight/{name}"] = weight
        row[f"relative/{name}"] = weight * scales.get(name, 1.0)
    for name in result.parts:
        row[f"share/{name}"] = verdict.share[name] if verdict else np.nan
        row[f"decrease/{name}"] = verdict.decrease[name] if verdict else np.nan
    return row


def complete_rows(trials: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows of the completed trials of a sweep.

    Raises:
        PickError: There is none.
    """
    complete = trials if trials.empty else trials[trials["outcome"] == Outcome.COMPLETE.name]
    if complete.empty:
        raise PickError(
            f"Expected a completed trial in the sweep {name!r}. Found none of {len(trials)}. "
            f"Train more trials first."
        )
    return complete
