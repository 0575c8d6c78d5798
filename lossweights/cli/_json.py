"""What ``--json`` prints, beside what objects tell of themselves; see docs/command_line.md."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import typer

from lossweights.report.links import find_links
from lossweights.results.promotion import promoted_now
from lossweights.results.result import SweepResult

FORMAT, VERSION = "lossweights/report", 1


def list_entry(result: SweepResult) -> dict[str, Any]:
    """A sweep in the list of all."""
    outcomes, promoted = _outcomes(result), promoted_now(result.root, result.name)
    return {
        "name": result.name,
        "trials": len(result.finished),
        "complete": outcomes.get("COMPLETE", 0),
        "objectives": dict(result.objectives),
        "promoted": None if promoted is None else asdict(promoted),
        "verdict": result.verdict,
    }


def report_entry(result: SweepResult, root: Path, report: Path) -> dict[str, Any]:
    """The summary of a sweep.

    Args:
        result: The sweep.
        root: Folder of the sweep.
        report: The page that was written.
    """
    names, aims = list(result.terms), list(result.objectives)
    trials = result.plot.scene.picks
    return {
        "format": FORMAT,
        "version": VERSION,
        **list_entry(result),
        "outcomes": _outcomes(result),
        "dominance": result.sweep_verdict.to_json(),
        "front": [_row(row, names, aims) for row in result.pareto.to_dict("records")],
        "picks": {pick: trials.get(pick) for pick in result.standard_picks},
        "notes": result.notes,
        "sentence": result.sentence,
        "report": str(report),
        "links": find_links(root, result.name),
    }


def proof_entry(result: SweepResult) -> dict[str, Any]:
    """What the last confirmation of a sweep says."""
    proof = result.proof
    look, promotion = proof.look, proof.promotion
    return {
        "format": "lossweights/confirmation",
        "version": 1,
        "name": result.name,
        "look": 0 if look is None else look.number,
        "seeds": [] if look is None else list(look.seeds),
        "data": None if look is None else look.data,
        "promoted": None if promotion is None else promotion.promoted.name,
        "sentence": result.sentence,
        "notes": proof.notes,
        "confirmation": _records(result.confirmation),
        "worth": _records(result.worth),
        "curse": _records(result.curse),
    }


def tell_proof(result: SweepResult, _root: Path) -> None:
    """Print what the last confirmation of a sweep says."""
    typer.echo(json.dumps(proof_entry(result), indent=2, allow_nan=False))


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, what is no number as ``None``."""
    return [
        {
            str(key): value if isinstance(value, str) else _number(value)
            for key, value in row.items()
        }
        for row in table.to_dict("records")
    ]


def _outcomes(result: SweepResult) -> dict[str, int]:
    return dict(Counter(each.result.outcome.name for each in result.finished.values()))


def _row(row: dict[Any, Any], terms: list[str], objectives: list[str]) -> dict[str, Any]:
    """A trial of the front."""
    driver = row["driver"]
    return {
        "trial": int(row["number"]),
        "driver": driver if isinstance(driver, str) else None,
        "objectives": {name: _number(row[name]) for name in objectives},
        **{
            key: {term: _number(row.get(f"{key}/{term}")) for term in terms}
            for key in ("weight", "relative", "share", "decrease")
        },
    }


def _number(value: Any) -> float | None:
    """A number as JSON may hold it; ``None`` for what was not measured."""
    return float(value) if value is not None and math.isfinite(value) else None
