"""The winner's curse: what the sweep said of its picks against what confirmation says."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from lossweights.records import TrialResult
from lossweights.results.proof._look import Look
from lossweights.results.proof._table import interval

COLUMNS = ("contestant", "metric", "sweep", "confirmed", "low", "high", "flattered")


def curse_table(
    look: Look, trials: Mapping[int, TrialResult], objectives: Mapping[str, str]
) -> pd.DataFrame:
    """One row a pick and objective: `lossweights.results.proof` says what is in it."""
    rows = []
    for each in look.contestants:
        if each.role != "pick" or each.trial is None or each.trial not in trials:
            continue
        said = trials[each.trial].metrics
        for metric, direction in objectives.items():
            of = interval(look, each.name, metric, "val")
            was = said.get(metric, math.nan)
            sign = -1.0 if direction == "maximize" else 1.0
            part = sign * (of.mean - was) / abs(was) if was else math.nan
            rows.append((each.name, metric, was, of.mean, of.low, of.high, part))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def curse_sentence(table: pd.DataFrame, pick: str) -> str:
    """What was said of a pick and what is so, on the same validation data; empty if unknown."""
    shown = []
    for row in table[table["contestant"] == pick].to_dict("records"):
        if math.isfinite(row["confirmed"]) and math.isfinite(row["sweep"]):
            ends = f" ({row['low']:.4g} to {row['high']:.4g})"
            told = ends if math.isfinite(row["low"]) else ""
            shown.append(
                f"{row['metric']} {row['sweep']:.4g} in the sweep, {row['confirmed']:.4g}{told} "
                f"confirmed"
            )
    return f"Winner's curse of {pick} on validation data: {'; '.join(shown)}." if shown else ""
