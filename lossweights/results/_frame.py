"""All that a sweep trained as one table: trials, and baselines beside them, with their picks."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lossweights.results._picks import trials_of_picks


def whole_table(result: Any) -> pd.DataFrame:
    """See `SweepResult.to_frame`."""
    trials, baselines = result.trials.copy(), result.baselines.copy()
    if not baselines.empty:
        baselines = baselines.rename(columns={"name": "baseline"}).drop(columns="method")
        baselines["kind"] = "baseline"
        rows = [*trials.to_dict("records"), *baselines.to_dict("records")]
        trials = pd.DataFrame(rows)
    named: dict[object, list[str]] = {}
    for pick, number in trials_of_picks(result).items():
        named.setdefault(number, []).append(pick)
    if "number" not in trials:
        return trials
    trials["number"] = trials["number"].astype("Int64")
    picks = [", ".join(named.get(number, ())) for number in trials["number"]]
    trials.insert(0, "picks", picks)
    return trials
