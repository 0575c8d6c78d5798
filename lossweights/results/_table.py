"""Trials as rows of the table of trials, and baselines beside them as rows of theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from lossweights.base.errors import PickError
from lossweights.dominance.verdict import Verdict
from lossweights.loss.adaptive import method_of
from lossweights.records import Outcome, TrialResult
from lossweights.results.contest import Contestant
from lossweights.results.folder import Finished
from lossweights.search.aims import Aims
from lossweights.search.choices import is_chosen, shown

RESERVED_COLUMNS = (
    *("number", "kind", "baseline", "outcome", "driver", "seed", "seconds", "reason", "violation"),
    *("name", "method"),
)


def trial_row(
    finished: Finished,
    verdict: Verdict | None,
    objectives: Iterable[str],
    scales: Mapping[str, float] | None,
    aims: Aims,
) -> dict[str, Any]:
    """The row of a trial; `lossweights.results.result.SweepResult.trials` names its columns.

    Args:
        finished: The trial.
        verdict: What drove it, if it was judged.
        objectives: Names of the objectives, which have a column in any case.
        scales: What sampled weights were divided by, or ``None``.
        aims: What the sweep aims at besides.
    """
    asked = finished.asked
    named = {"number": asked.number, "kind": asked.kind, "baseline": asked.baseline}
    return {**named, **_row(finished.result, verdict, objectives, scales, aims)}


def baseline_row(
    contestant: Contestant,
    result: TrialResult,
    verdict: Verdict | None,
    objectives: Iterable[str],
    scales: Mapping[str, float] | None,
    aims: Aims,
) -> dict[str, Any]:
    """The row of a baseline; `lossweights.results.result.SweepResult.baselines` names its columns.

    Args:
        contestant: The baseline.
        result: What came of it. Of weights that move those are shown that were in force last.
        verdict: What drove it, if it was judged.
        objectives: Names of the objectives, which have a column in any case.
        scales: What relative weights were divided by, or ``None``.
        aims: What the sweep aims at besides.
    """
    method = None if contestant.method is None else method_of(contestant.method).name
    shown = replace(result, weights=last_weights(result))
    row = _row(shown, verdict, objectives, scales, aims)
    return {"name": contestant.name, "method": method, **row}


def last_weights(result: TrialResult) -> Mapping[str, float]:
    """The effective weights that were in force before the kept parameters, or the fixed ones."""
    last = {**result.weights}
    for report in result.reports:
        if report.weights is not None and result.best_epoch in (None, report.epoch):
            last = {name: report.weights[name] for name in result.weights}
    return last


def _row(
    result: TrialResult,
    verdict: Verdict | None,
    objectives: Iterable[str],
    scales: Mapping[str, float] | None,
    aims: Aims,
) -> dict[str, Any]:
    """What both kinds of rows hold."""
    row: dict[str, Any] = {
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
        row[f"relative/{name}"] = weight * (scales or {}).get(name, 1.0)
    row.update({**dict.fromkeys(filter(is_chosen, result.chosen), np.nan), **shown(result.chosen)})
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
