"""The end of a sweep: verdict, weight sets, report, winner, and what MLflow says of it."""

from __future__ import annotations

import hashlib
import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import NDArray

from lossweights.base.commands import command
from lossweights.base.files import is_full, write_atomic
from lossweights.base.strict_json import dump_json
from lossweights.data import Data
from lossweights.dominance.sweep_verdict import SweepVerdict
from lossweights.records import Outcome
from lossweights.report.page import write_report
from lossweights.results.folder import read_manifest, sweep_folder, write_importance
from lossweights.results.result import SweepResult
from lossweights.results.weights import model_path
from lossweights.results.winner import WinnerRecord, write_winner
from lossweights.search.choices import shown
from lossweights.search.importance import importances
from lossweights.sweep._exhibits import write_figures, write_model, write_tables
from lossweights.sweep._winner import Winner, make_winner
from lossweights.tracking import Ending
from lossweights.training import Trainers, TrainingSetup

log = logging.getLogger("lossweights")

T = TypeVar("T")


def conclude_sweep(
    result: SweepResult,
    root: Path,
    trainers: Trainers,
    data: Data,
    *,
    recorded: bool = False,
    parameters: Sequence[NDArray[Any]] | None = None,
    tell: Callable[[SweepResult], None] = lambda result: None,
) -> Ending:
    """Write all that a sweep leaves when its trials have ended.

    Weight sets come first, then what else a person is told, then what takes long to draw. Whatever
    fails costs that conclusion alone: it is named in the log and in the ending, and resuming the
    sweep draws it again.

    Args:
        result: The result, with all trials.
        root: Folder of the sweeps.
        trainers: Make the winner.
        data: The data.
        recorded: Whether MLflow gets it.
        parameters: What the first pick ended with, if that was held.
        tell: Called with the result as soon as all is written that a person is told.

    Raises:
        StoreError, OSError: The disk takes no more.
    """
    folder = sweep_folder(root, result.name)
    drawing = _Drawing()
    sets = drawing.draw("weight sets", lambda: list(result.save_picks(root).values()))
    files = sets or []

    importance = drawing.draw("importance", lambda: _importance(result)) or {}
    drawing.draw("importance", lambda: write_importance(folder, importance))
    result = replace(result, importance=importance)
    verdict = result.sweep_verdict
    drawing.failed.update(verdict.failed)
    files += drawing.draw("verdict", lambda: [_write_verdict(verdict, folder)]) or []
    ended = result
    saved = drawing.draw("winner", lambda: _save_winner(ended, root, trainers, data, parameters))
    model, remark = None, ""
    if saved is not None:
        winner, result = saved
        files += [winner.path] if winner.path else []
        model, remark = winner.model, winner.remark
    if remark:
        log.warning("%s", remark)
    known = result
    drawing.draw("summary", lambda: tell(known))  # whoever reads it may have closed the pipe
    files += (
        drawing.draw("report", lambda: [write_report(result, folder / "report.html", root=root)])
        or []
    )
    saved_model = None
    if recorded:
        files += drawing.draw("tables", lambda: [write_tables(result, folder)]) or []
        files += drawing.draw("figures", lambda: [write_figures(result, folder)]) or []
        if model is not None:
            saved_model = drawing.draw("model", lambda: write_model(model, data, result, folder))
    metrics = drawing.draw("pick", lambda: _best_metrics(result)) or {}
    if result.proof.failed:
        drawing.failed["confirmation"] = result.proof.failed
    sentence = drawing.draw("sentence", lambda: result.sentence) or ""
    confirmed = f"{sentence} " if result.proof.promotion is not None else ""
    note = f"{confirmed}{verdict.paragraph} {remark}".rstrip()
    return Ending(
        status="FINISHED" if result.has_best else "FAILED",
        note=drawing.added_to(note, result.name, root),
        artifacts=files,
        metrics=metrics,
        tags={
            "lossweights.verdict": verdict.sentence,
            "lossweights.sentence": sentence,
            "lossweights.trainer": _trainers(result),
            "lossweights.promoted": "" if result.learned_nothing else result.first_pick,
        },
        model=saved_model,
    )


def _best_metrics(result: SweepResult) -> dict[str, float]:
    """What each pick measured, ``best/<pick>/<metric>``; ``best/<metric>`` for the promoted one."""
    if not result.has_best:
        return {}
    found = {f"best/{name}": v for name, v in result.best(result.first_pick).metrics.items()}
    for pick in result.standard_picks:
        plain = re.sub(r"[^\w.\- ]", "-", pick)  # of a key MLflow takes little else
        metrics = result.best(pick).metrics
        found.update({f"best/{plain}/{name}": value for name, value in metrics.items()})
    return found


def _trainers(result: SweepResult) -> str:
    """What trained the trials, which is no column of theirs: it is the same for nearly all."""
    used = [finished.result.trainer for finished in result.finished.values()]
    return ", ".join(dict.fromkeys(filter(None, used)))


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
        except (Exception, SystemExit) as error:  # the winner is trained by code of the user's
            if is_full(error):
                raise  # nothing else can be written either
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


def _save_winner(
    result: SweepResult,
    root: Path,
    trainers: Trainers,
    data: Data,
    parameters: Sequence[NDArray[Any]] | None,
) -> tuple[Winner, SweepResult] | None:
    """Save the model of the first pick, if any trial is complete; the result names it then."""
    if not result.has_best:
        return None
    pick, name = result.first_pick, result.name
    kept, path = result.kept(pick)[0], model_path(root, name, pick)
    number = kept.trial
    label = pick if number is None else f"trial {number}"
    training, at_once = kept.result, _at_once(root, name)
    objectives = result.objectives
    winner = make_winner(trainers, data, training, label, path, objectives, at_once, parameters)
    saved = (
        {} if winner.path is None else {"file": winner.path.name, "sha256": _sha256(winner.path)}
    )
    record = WinnerRecord(winner.val, winner.remark, pick, number, saved)
    write_winner(sweep_folder(root, name), record)
    with_winner = result.with_winner(record)
    with_winner.save_picks(root)  # so that they name the model
    return winner, with_winner


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _at_once(root: Path, name: str) -> int:
    """How many members were trained at once, as the manifest has it."""
    choice = read_manifest(root, name).get("choice")
    made = TrainingSetup.from_json(choice.get("made")) if isinstance(choice, Mapping) else None
    return (made and made.members) or 1


def _importance(result: SweepResult) -> dict[str, dict[str, float]]:
    """How much each weight and choice matters for each metric, over the completed trials."""
    ended = [finished.result for finished in result.finished.values()]
    complete = [r for r in ended if r.outcome is Outcome.COMPLETE]
    if not complete:
        return {}
    beside = [name for name in shown(complete[0].chosen) if all(name in r.chosen for r in complete)]
    return importances(
        {
            **{name: [r.weights[name] for r in complete] for name in complete[0].weights},
            **{name: [r.chosen[name] for r in complete] for name in beside},
        },
        {name: [r.metrics.get(name, math.nan) for r in complete] for name in complete[0].metrics},
    )
