"""What ``lossweights list`` and ``lossweights best`` print for a person."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from lossweights.dominance.verdict import Verdict, percent
from lossweights.loss.weight_set import WeightSet
from lossweights.report.summary import driven_by, own_choice, verdict_of
from lossweights.report.terminal import copyable, page, print_table, prose
from lossweights.results.difference import Difference
from lossweights.results.paste import line_to_paste
from lossweights.results.result import SweepResult
from lossweights.search.choices import in_force


def print_list(entries: Iterable[Mapping[str, Any]]) -> None:
    """Print a row for each sweep, as `lossweights.cli._json.list_entry` says it."""
    table = Table("sweep", "trials", "complete", "objectives", "promoted", "verdict")
    for entry in entries:
        aims = ", ".join(f"{goal} {metric}" for metric, goal in entry["objectives"].items())
        counts = (str(entry["trials"]), str(entry["complete"]))
        said = entry["promoted"] or {"pick": "", "by_hand": False}
        promoted = f"{said['pick']}{' (by hand)' if said['by_hand'] else ''}"
        table.add_row(entry["name"], *counts, aims, promoted, entry["verdict"])
    print_table(page(), table)


def print_best(result: SweepResult, weights: WeightSet, root: Path) -> None:
    """Print a pick: its trial and metrics, a row for each term, and the line to paste.

    Args:
        result: The sweep.
        weights: What `SweepResult.best` gave, or what is promoted.
        root: Folder of the sweep.
    """
    console = page()
    kept = result.kept_of(weights)
    verdict = verdict_of(result, kept)
    baseline = f"baseline {weights.origin['pick']}"
    what = baseline if kept.trial is None else f"trial {kept.trial}"
    measured = ", ".join(f"{name} {value:.4g}" for name, value in weights.metrics.items())
    prose(console, f"{weights.name}: {what}, {measured}")
    if history := weights.provenance.promotions:
        said = f"Promoted by hand on {history[-1]['at'][:10]}: {history[-1]['why']}"
        prose(console, f"{said} ({own_choice(result)})")
    prose(console, f"Driven by: {driven_by(verdict)}")
    chosen = in_force(weights.chosen)
    if chosen:
        told = (f"{n} {v if isinstance(v, str) else f'{v:.4g}'}" for n, v in chosen.items())
        prose(console, f"Chosen: {', '.join(told)}")
    print_table(console, _table(verdict, weights))
    copyable(console, line_to_paste(weights, root))


def print_differences(found: Iterable[Difference], one: str, other: str) -> None:
    """Print a row for each thing that two weight sets say differently."""
    table = Table("what", one, other, "change")
    for each in found:
        sides = ("" if v is None else _shown(v) for v in (each.one, each.other))
        table.add_row(each.what, *sides, each.change)
    print_table(page(), table)


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _table(verdict: Verdict, weights: WeightSet) -> Table:
    """A row for each term: what multiplies it, the same relative to the data, its parts."""
    table = Table("term")
    columns = ["weight", *(["relative"] if weights.scales else []), "share", "decrease"]
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for term, weight in weights.weights.items():
        relative = [f"{weights.relative[term]:.4g}"] if weights.scales else []
        parts = (verdict.share.get(term, math.nan), verdict.decrease.get(term, math.nan))
        shown = ["" if math.isnan(part) else percent(part) for part in parts]
        table.add_row(term, f"{weight:.4g}", *relative, *shown)
    return table
