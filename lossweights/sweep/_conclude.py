"""The end of a sweep: verdict, weight sets, report, winner, and what MLflow says of it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from lossweights.base.commands import command
from lossweights.base.errors import StoreError
from lossweights.base.files import write_atomic
from lossweights.base.strict_json import dump_json
from lossweights.data import Data
from lossweights.dominance.sweep_verdict import SweepVerdict
from lossweights.records import Outcome
from lossweights.report.page import write_report
from lossweights.results.folder import sweep_folder, write_importance, write_test
from lossweights.results.result import SweepResult
from lossweights.results.weights import model_path
from lossweights.search.importance import importances
from lossweights.sweep._winner import Winner, train_winner
from lossweights.tracking import Ending
from lossweights.training import FitTrainer

log = logging.getLogger("lossweights")

T = TypeVar("T")


def conclude_sweep(result: SweepResult, root: Path, trainer: FitTrainer, data: Data) -> Ending:
    """Write all that a sweep leaves when its trials have ended.

    Weight sets come first. After them whatever fails costs that conclusion alone: it is named in
    the log and in the ending, and resuming the sweep draws it again.

    Args:
        result: The result, with all trials.
        root: Folder of the sweeps.
        trainer: Trains the winner once more.
        data: The data; those for testing are looked at here alone.

    Raises:
        StoreError, OSError: The disk takes no more.
    """
    folder = sweep_folder(root, result.name)
    files = list(result.save_picks(root).values())
    drawing = _Drawing()

    importance = drawing.draw("importance", lambda: _importance(result)) or {}
    drawing.draw("importance", lambda: write_importance(folder, importance))
    result = replace(result, importance=importance)
    verdict = result.sweep_verdict
    drawing.failed.update(verdict.failed)
    files += drawing.draw("verdict", lambda: [_write_verdict(verdict, folder)]) or []
    files += drawing.draw("report", lambda: [write_report(result, folder / "report.html")]) or []
    winner = drawing.draw("winner", lambda: _train_best(result, root, trainer, data))
    measured: dict[str, float] = {}
    if winner is not None:
        files += [winner.path] if winner.path else []
        measured = {f"test/{name}": value for name, value in winner.test.items()}
    tags = {"lossweights.verdict": verdict.sentence}
    if not result.has_best:
        note = drawing.added_to(verdict.paragraph, result.name, root)
        return Ending("FAILED", note, files, tags=tags)
    best = result.finished[result.best_number("knee")].result.metrics
    return Ending(
        status="FINISHED",
        note=drawing.added_to(verdict.paragraph, result.name, root),
        artifacts=files,
        metrics={**{f"best/{name}": value for name, value in best.items()}, **measured},
        tags=tags,
    )


class _Drawing:
    """Draws conclusions, each for itself.

    Attributes:
        failed: Those that could not be drawn, by name, and why.
    """

    def __init__(self) -> None:
        self.failed: dict[str, str] = {}

    def draw(self, what: str, make: Callable[[], T]) -> T | None:
        """A conclusion, or ``None`` if it could not be drawn."""
        try:
            return make()
        except (StoreError, OSError):
            raise  # where nothing can be written, nothing else can be either
        except Exception as error:
            log.warning("the %s could not be drawn: %s", what, error)
            log.debug("why", exc_info=True)
            self.failed[what] = f"{type(error).__name__}: {error}"
            return None

    def added_to(self, note: str, name: str, root: Path) -> str:
        """A note, and what is missing of the conclusions behind it."""
        if not self.failed:
            return note
        missing = "; ".join(f"{what} ({why})" for what, why in self.failed.items())
        return f"{note} Not drawn: {missing}. Draw again: {command('resume', name, root)}"


def _write_verdict(verdict: SweepVerdict, folder: Path) -> Path:
    path = folder / "verdict.json"
    write_atomic(path, dump_json(verdict.to_json()))
    return path


def _train_best(result: SweepResult, root: Path, trainer: FitTrainer, data: Data) -> Winner | None:
    """The knee trained once more and tested; ``None`` if no trial is complete."""
    if not result.has_best:
        return None
    best = result.best_number("knee")
    winner = train_winner(trainer, data, result.finished[best], model_path(root, result.name))
    write_test(sweep_folder(root, result.name), best, winner.test)
    return winner


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
