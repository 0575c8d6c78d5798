"""The proof of a sweep as texts: what each contestant of its confirmation measured."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

from lossweights.results.promotion import promoted_now
from lossweights.results.proof import called
from lossweights.results.result import SweepResult

_MARK = " *"  # of what is promoted


def proof_title(result: SweepResult) -> str:
    """What the table of a confirmation shows; empty if there is none."""
    look = result.proof.look
    if look is None:
        return ""
    data = "test" if look.data == "test" else "validation"
    return (
        f"Confirmation on {data} data: means over {len(look.seeds)} fresh seeds, intervals of 95 %"
    )


def proof_caption(result: SweepResult) -> str:
    """What is marked in the table."""
    if not any(_MARK in row["contestant"] for row in proof_rows(result)):
        return ""
    now = promoted_now(result.root, result.name)
    if now is None or not now.by_hand:
        return "* promoted"
    return f"* what the sweep itself promotes; by hand {now.pick} is promoted"


def proof_rows(result: SweepResult, *, full: bool = False) -> list[dict[str, str]]:
    """A confirmation as texts by column, a row a contestant; empty without one.

    Args:
        result: The result of a sweep.
        full: Every metric with its difference to the best baseline and the chance of being best,
            instead of the means of the objectives.
    """
    look = result.proof.look
    if look is None:
        return []
    table = result.confirmation
    table = table[table["data"] == look.data]
    metrics = look.metrics(look.data) if full else list(result.objectives)
    promotion = result.proof.promotion
    promoted = None if promotion is None else promotion.promoted.name
    rows = []
    for each in look.contestants:
        of = table[table["contestant"] == each.name]
        values = {str(row["metric"]): row for row in of.to_dict("records")}
        row = {"contestant": called(each) + _MARK * (each.name == promoted)}
        if full:
            row["kind"] = each.role
        for metric in metrics:
            found = values.get(metric, {})
            row[metric] = _with_ends(found, "mean", "low", "high")
            if full and result.proof.directions.get(metric):
                ends = ("difference", "difference_low", "difference_high")
                row[f"{metric} against the best baseline"] = _with_ends(found, *ends)
                chance = found.get("best", math.nan)
                row[f"best in {metric}"] = f"{chance:.0%}" if math.isfinite(chance) else ""
        rows.append(row)
    return rows


def worth_rows(result: SweepResult) -> list[dict[str, str]]:
    """What each term is worth as texts by column; empty where nothing was left out."""
    look = result.proof.look
    table = result.worth
    rows = table[table["data"] == look.data].to_dict("records") if look else []
    return [
        {
            "term": str(row["term"]),
            "metric": str(row["metric"]),
            "worse without it by": _with_ends(row, "worse", "low", "high"),
        }
        for row in rows
    ]


def curse_rows(result: SweepResult) -> list[dict[str, str]]:
    """What the sweep said of its picks against what was confirmed, as texts by column."""
    return [
        {
            "pick": str(row["contestant"]),
            "metric": str(row["metric"]),
            "in the sweep": f"{row['sweep']:.4g}",
            "confirmed": _with_ends(row, "confirmed", "low", "high"),
            "flattered by": f"{row['flattered']:.1%}" if math.isfinite(row["flattered"]) else "",
        }
        for row in result.curse.to_dict("records")
        if math.isfinite(row["confirmed"])
    ]


def _with_ends(row: Mapping[Hashable, Any], mean: str, low: str, high: str) -> str:
    """A number with its interval."""
    if not math.isfinite(row.get(mean, math.nan)):
        return "none"
    digits = ".3g" if mean in ("difference", "worse") else ".4g"
    ends = f" ({row[low]:{digits}} to {row[high]:{digits}})" if math.isfinite(row[low]) else ""
    return f"{row[mean]:{digits}}{ends}"
