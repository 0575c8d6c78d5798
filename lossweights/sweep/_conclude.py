"""The end of a sweep: verdict, weight sets, report, winner, and what MLflow says of it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from lossweights.base.files import write_atomic
from lossweights.base.strict_json import dump_json
from lossweights.data import Data
from lossweights.records import Outcome
from lossweights.report.page import write_report
from lossweights.results.folder import sweep_folder, write_importance, write_test
from lossweights.results.result import SweepResult, model_path
from lossweights.search.importance import importances
from lossweights.sweep._winner import train_winner
from lossweights.tracking import Ending
from lossweights.training import FitTrainer


def conclude_sweep(result: SweepResult, root: Path, trainer: FitTrainer, data: Data) -> Ending:
    """Write all that a sweep leaves when its trials have ended.

    Args:
        result: The result, with all trials.
        root: Folder of the sweeps.
        trainer: Trains the winner once more.
        data: The data; those for testing are looked at here alone.
    """
    folder = sweep_folder(root, result.name)
    result = replace(result, importance=_importance(result))
    write_importance(folder, result.importance)
    verdict = result.sweep_verdict
    write_atomic(folder / "verdict.json", dump_json(verdict.to_json()))
    files = [
        *result.save_picks(root).values(),
        write_report(result, folder / "report.html"),
        folder / "verdict.json",
    ]
    tags = {"lossweights.verdict": verdict.sentence}
    if not result.has_best:
        return Ending("FAILED", f"No trial is complete. {verdict.paragraph}", files, tags=tags)
    best = result.best_number("knee")
    winner = train_winner(trainer, data, result.finished[best], model_path(root, result.name))
    write_test(folder, best, winner.test)
    measured = result.finished[best].result.metrics
    return Ending(
        status="FINISHED",
        note=verdict.paragraph,
        artifacts=[*files, *([winner.path] if winner.path else [])],
        metrics={
            **{f"best/{name}": value for name, value in measured.items()},
            **{f"test/{name}": value for name, value in winner.test.items()},
        },
        tags=tags,
    )


def _importance(result: SweepResult) -> dict[str, dict[str, float]]:
    """How much each weight matters for each metric, over the completed trials."""
    ended = [finished.result for finished in result.finished.values()]
    complete = [r for r in ended if r.outcome is Outcome.COMPLETE]
    if not complete:
        return {}
    return importances(
        {name: [r.weights[name] for r in complete] for name in complete[0].weights},
        {name: [r.metrics.get(name, math.nan) for r in complete] for name in complete[0].metrics},
    )
