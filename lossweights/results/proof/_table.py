"""The table of a confirmation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from lossweights.results.contest import Contestant
from lossweights.results.proof._best import chances
from lossweights.results.proof._compare import difference
from lossweights.results.proof._intervals import Estimate, estimate
from lossweights.results.proof._look import Look

COLUMNS = (
    *("contestant", "metric", "data", "mean", "low", "high"),
    *("difference", "difference_low", "difference_high", "best"),
)


def confirmation_table(look: Look, directions: Mapping[str, str | None]) -> pd.DataFrame:
    """One row a contestant, metric and data set: `lossweights.results.proof` says what is in it."""
    rows = [
        row
        for data in ("test", "val")
        for metric in look.metrics(data)
        for row in _rows(look, metric, directions.get(metric), data)
    ]
    order = {each.name: place for place, each in enumerate(look.contestants)}
    rows.sort(key=lambda row: order[row["contestant"]])  # stable: test data and objectives first
    return pd.DataFrame(rows, columns=list(COLUMNS))


def interval(look: Look, name: str, metric: str, data: str) -> Estimate:
    """The mean of a contestant's metric over the seeds, with its interval."""
    return estimate(list(look.values(name, metric, data).values()))


def best_baseline(look: Look, metric: str, direction: str, data: str) -> Contestant | None:
    """The baseline with the best mean, of those that most seeds are there of.

    A baseline that diverged from some seeds is compared only if all did, or else what is left of
    it might be its lucky ones.
    """
    found = {
        each.name: interval(look, each.name, metric, data)
        for each in look.contestants
        if each.role == "baseline"
    }
    most = max((of.n for of in found.values()), default=0)
    sign = -1.0 if direction == "maximize" else 1.0
    left = [name for name, of in found.items() if of.n == most > 0]
    return look.named(min(left, key=lambda name: sign * found[name].mean)) if left else None


def _rows(look: Look, metric: str, direction: str | None, data: str) -> list[dict[str, Any]]:
    best = None if direction is None else best_baseline(look, metric, direction, data)
    chance = {} if direction is None else _chances(look, metric, direction, data)
    rows = []
    for each in look.contestants:
        of = interval(look, each.name, metric, data)
        nothing = Estimate(math.nan)
        off = difference(look, each.name, best.name, metric, data)[0] if best else nothing
        found = (*(of.mean, of.low, of.high), *(off.mean, off.low, off.high))
        values = (each.name, metric, data, *found, chance.get(each.name, math.nan))
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def _chances(look: Look, metric: str, direction: str, data: str) -> dict[str, float]:
    """The probability of being best, of those that did not diverge; over the seeds all these have.

    What failed otherwise, such as by a killed worker, costs its seed and nobody else.
    """
    found = {c.name: look.values(c.name, metric, data) for c in look.contestants}
    sound = {name: of for name, of in found.items() if of and not look.diverged(name)}
    shared = [seed for seed in look.seeds if all(seed in of for of in sound.values())]
    sign = -1.0 if direction == "maximize" else 1.0
    costs = [[sign * of[seed] for of in sound.values()] for seed in shared]
    return dict(zip(sound, chances(costs), strict=True)) if sound and costs else {}
