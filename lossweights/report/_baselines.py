"""The baselines of a sweep, side by side: those that are trials, and those beside them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from lossweights.records import Outcome
from lossweights.results.result import SweepResult
from lossweights.search.choices import in_force, is_chosen

TITLE = "Baselines"
NOTE = (
    "What is used instead of a search. Those inside the space are trials; the others were trained "
    "beside them from the same seed, and are neither counted nor picked. Of weights that moved "
    "those of the end are shown."
)


def baseline_trials(result: SweepResult) -> pd.DataFrame:
    """The rows of the trials that are baselines."""
    trials = result.trials
    if trials.empty:
        return trials
    again = [number for number, finished in result.finished.items() if finished.again]
    return trials[trials["baseline"].notna() & ~trials["number"].isin(again)]


def baseline_rows(result: SweepResult) -> list[dict[str, str]]:
    """Every baseline as texts by column: name, trial, relative weights, objectives, its driver."""
    inside = [
        _row(result, row["baseline"], str(row["number"]), row)
        for row in baseline_trials(result).to_dict("records")
    ]
    outside = [_row(result, row["name"], "", row) for row in result.baselines.to_dict("records")]
    return inside + outside


def _row(result: SweepResult, name: str, trial: str, row: Mapping[Hashable, Any]) -> dict[str, str]:
    ended = row["outcome"] == Outcome.COMPLETE.name
    return {
        "baseline": name,
        "trial": trial,
        **{f"weight {term}": f"{row[f'relative/{term}']:.4g}" for term in result.terms},
        **chosen_cells(row),
        **{metric: with_error(row, metric) if ended else "" for metric in result.objectives},
        "driven by": _driver(row) if ended else str(row["outcome"]).lower(),
    }


def chosen_cells(row: Mapping[Hashable, Any]) -> dict[str, str]:
    """What was chosen beside weights as texts by column; empty where it plays no part."""
    chosen = {str(name): value for name, value in row.items() if is_chosen(str(name))}
    kept = in_force(chosen)
    return {name: _text(kept.get(name)) for name in chosen}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None or math.isnan(value) else f"{value:.4g}"


def with_error(row: Mapping[Hashable, Any], metric: str) -> str:
    """The value of a metric, with its standard error if the training had several seeds."""
    error = row.get(f"stderr/{metric}", math.nan)
    return f"{row[metric]:.4g}" + (f" ± {error:.2g}" if math.isfinite(error) else "")


def _driver(row: Mapping[Hashable, Any]) -> str:
    driver = row["driver"]
    if not isinstance(driver, str):
        return "no single term"
    return f"{driver} ({row[f'decrease/{driver}']:.0%})"
