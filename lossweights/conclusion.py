"""The end of a sweep: verdict, weight sets, report, winner, and what MLflow says of it."""

from __future__ import annotations

from pathlib import Path

from lossweights._files import dump_json, write_atomic
from lossweights.data import Data
from lossweights.folder import sweep_folder, write_importance, write_test
from lossweights.records import Outcome
from lossweights.report import write_report
from lossweights.result import SweepResult, model_path
from lossweights.store.importance import importances
from lossweights.tracking import Ending
from lossweights.training import FitTrainer
from lossweights.winner import train_winner


def conclude(result: SweepResult, root: Path, trainer: FitTrainer, data: Data) -> Ending:
    """Write all that a sweep leaves when its trials have ended.

    Args:
        result: The result, with all trials.
        root: Folder of the sweeps.
        trainer: Trains the winner once more.
        data: The data; those for testing are looked at here alone.
    """
    folder = sweep_folder(root, result.name)
    write_importance(folder, _importance(result))
    result = SweepResult.read(result.name, root)
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
    if not result.has_best:
        return {}
    complete = result.trials[result.trials["outcome"] == Outcome.COMPLETE.name]
    metrics = result.finished[result.best_number()].result.metrics
    return importances(
        {name: complete[f"relative/{name}"].tolist() for name in result.terms},
        {name: complete[name].tolist() for name in metrics},
    )
