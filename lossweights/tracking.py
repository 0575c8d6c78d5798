"""MLflow, and nothing else of it anywhere: a sweep is a parent run, each trial a child run.

The tracker writes from a thread of its own, so that a slow or dead server costs training nothing.
What it could not write is still in the sweep folder's result files; ``lossweights sync`` gives them
to a tracker again, which writes what is missing and nothing twice.

Metrics of a child run, with the epoch as step (0 is before training):

    magnitude_train/<term>, magnitude_val/<term>   unweighted means
    weighted_train/<term>, weighted_val/<term>     times the effective weight
    share_train/<term>, share_val/<term>           part of the weighted total
    <metric>                                       weight-independent, on validation data
    decrease/<term>                                decrease share of the whole run, once
"""

from __future__ import annotations

import logging
import math
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossweights.dominance import Verdict, judge_results, shares
from lossweights.folder import Finished, tracking_uri
from lossweights.records import Outcome, TrialResult

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger("lossweights")

# MLflow's own words for how a run ended; a pruned trial is no failure.
_STATUS = {
    Outcome.COMPLETE: "FINISHED",
    Outcome.PRUNED: "KILLED",
    Outcome.DIVERGED: "FAILED",
    Outcome.FAILED: "FAILED",
}
_LARGEST = 1e300  # MLflow clips infinities to 1.8e308, which wrecks every chart


@dataclass(frozen=True)
class Ending:
    """How a sweep ended, for its parent run: MLflow's status, a note, and what goes with it."""

    status: str
    note: str
    artifacts: Sequence[Path] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


class Tracker:
    """Records one sweep in MLflow, from a thread of its own.

    Args:
        root: Folder with ``mlflow.db`` and ``artifacts/``.
        sweep: Name of the sweep, which is also the name of the MLflow experiment.
        uri: Another tracking address, or ``None`` for the store below the root.
    """

    def __init__(self, root: Path, sweep: str, uri: str | None = None) -> None:
        self.uri = uri or tracking_uri(root)
        self.experiment_id: str | None = None
        self.parent_id: str | None = None
        self.unwritten: list[int] = []
        self._root, self._sweep = root, sweep
        self._runs: dict[int, tuple[str, bool]] = {}  # run id, and whether it is complete
        self._client: MlflowClient | None = None
        self._error: str | None = None
        self._work: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="lossweights-tracker", daemon=True)

    def start(self, params: Mapping[str, Any]) -> None:
        """Begin: open the store, the experiment and the parent run, in the thread."""
        self._thread.start()
        self._work.put(lambda: self._begin(dict(params)))

    def trial_ended(self, finished: Finished) -> None:
        """Record a finished trial, unless it is recorded already; returns at once."""
        self._work.put(lambda: self._write_trial(finished, int(time.time() * 1000)))

    def finish(self, ending: Ending) -> None:
        """Write what is waiting, then end the parent run; waits for it."""
        self._work.put(lambda: self._end(ending))
        self._work.put(None)
        self._thread.join()
        if self._error is not None:
            log.warning(
                "MLflow could not be written (%s); %d trials are missing there. Nothing is lost: "
                "`lossweights sync %s` writes them.", self._error, len(self.unwritten), self._sweep
            )  # fmt: skip

    @property
    def error(self) -> str | None:
        """Why MLflow could not be written, or ``None`` while all is well."""
        return self._error

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except Exception as error:  # tracking never stops a sweep, whatever MLflow raises
                if self._error is None:
                    self._error = f"{type(error).__name__}: {error}".splitlines()[0]
                    log.debug("tracking failed", exc_info=True)

    def _begin(self, params: dict[str, Any]) -> None:
        with _quiet_mlflow():
            from mlflow import MlflowClient

            self._root.mkdir(parents=True, exist_ok=True)
            self._client = MlflowClient(tracking_uri=self.uri)
            experiment = self._client.get_experiment_by_name(self._sweep)
            if experiment is None:
                location = (self._root.resolve() / "artifacts" / self._sweep).as_uri()
                # The kind opens the UI at training runs, not at traces of language models.
                kind = {"mlflow.experimentKind": "custom_model_development"}
                self.experiment_id = self._client.create_experiment(self._sweep, location, kind)
            elif experiment.lifecycle_stage == "deleted":
                raise RuntimeError(
                    f"the MLflow experiment {self._sweep!r} was deleted; bring it back with "
                    f"`mlflow experiments restore --experiment-id {experiment.experiment_id}`"
                )
            else:
                self.experiment_id = experiment.experiment_id
        self._find_runs()
        if self.parent_id is None:
            run = self._client.create_run(
                self.experiment_id,
                run_name=self._sweep,
                tags=self._tags("sweep"),
            )
            self.parent_id = run.info.run_id
            self._client.log_batch(self.parent_id, params=_params(params))
        else:
            self._client.update_run(self.parent_id, status="RUNNING")

    def _find_runs(self) -> None:
        """Find what an earlier process recorded, so that writing it again adds nothing."""
        assert self._client is not None
        condition = f"tags.`lossweights.sweep` = '{self._sweep}'"
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [self.experiment_id], condition, max_results=1000, page_token=token
            )
            for run in page:
                number = run.data.tags.get("lossweights.trial")
                if number is None:
                    self.parent_id = run.info.run_id
                else:
                    self._runs[int(number)] = (run.info.run_id, run.info.status != "RUNNING")
            token = page.token
            if not token:
                return

    def _tags(self, kind: str) -> dict[str, str]:
        return {"lossweights.sweep": self._sweep, "lossweights.kind": kind}

    def _write_trial(self, finished: Finished, ended: int) -> None:
        number, result = finished.asked.number, finished.result
        verdict = judge_results({number: result}).get(number)
        self.unwritten.append(number)
        if self._client is None or self.parent_id is None:
            return
        run_id, complete = self._runs.get(number, (None, False))
        if complete:
            self.unwritten.remove(number)
            return
        if run_id is None:
            tags = {
                **self._tags(finished.asked.kind),
                "mlflow.parentRunId": self.parent_id,
                "lossweights.trial": str(number),
            }
            run = self._client.create_run(
                self.experiment_id,
                start_time=ended - int(1000 * result.seconds),
                run_name=f"trial {number:04d}",
                tags=tags,
            )
            run_id = run.info.run_id
            self._runs[number] = (run_id, False)
        from mlflow.entities import Metric, RunTag

        points = [Metric(key, value, ended, step) for key, value, step in _points(result, verdict)]
        tags = {
            "lossweights.state": result.outcome.name,
            "lossweights.dominant": _dominant(verdict),
            "mlflow.note.content": verdict.sentence if verdict else result.reason,
        }
        self._client.log_batch(
            run_id,
            metrics=points,
            params=_params(_trial_params(finished)),
            tags=[RunTag(key, value) for key, value in tags.items()],
        )
        self._client.set_terminated(run_id, _STATUS[result.outcome], ended)
        self._runs[number] = (run_id, True)
        self.unwritten.remove(number)

    def _end(self, ending: Ending) -> None:
        if self._client is None or self.parent_id is None:
            return
        for key, value in {**ending.tags, "mlflow.note.content": ending.note}.items():
            self._client.set_tag(self.parent_id, key, value)
        for key, number in ending.metrics.items():
            if _loggable(number):
                self._client.log_metric(self.parent_id, key, number)
        for path in ending.artifacts:
            self._client.log_artifact(self.parent_id, str(path))
        self._client.set_terminated(self.parent_id, ending.status)


def _trial_params(finished: Finished) -> dict[str, Any]:
    result = finished.result
    return {
        **{f"weight/{name}": weight for name, weight in result.weights.items()},
        **{f"sampled/{name}": value for name, value in finished.asked.parameters.items()},
        "seed": result.seed,
        "trainer": result.trainer,
    }


def _params(values: Mapping[str, Any]) -> list[Any]:
    from mlflow.entities import Param

    return [Param(key, str(value)) for key, value in values.items()]


def _points(result: TrialResult, verdict: Verdict | None) -> Iterator[tuple[str, float, int]]:
    """Every point of a trial as (key, value, step), without what is not finite."""
    names = list(result.weights)
    weights = [result.weights[name] for name in names]
    for report in result.reports:
        for split, magnitudes in (("train", report.train), ("val", report.val)):
            values = [magnitudes[name] for name in names]
            for name, value, weight, share in zip(
                names, values, weights, shares(weights, values), strict=True
            ):
                yield from _finite(f"magnitude_{split}/{name}", value, report.epoch)
                yield from _finite(f"weighted_{split}/{name}", weight * value, report.epoch)
                yield from _finite(f"share_{split}/{name}", float(share), report.epoch)
        for name, value in report.metrics.items():
            yield from _finite(name, value, report.epoch)
    if verdict is not None and result.reports:
        for name, value in verdict.decrease.items():
            yield from _finite(f"decrease/{name}", value, result.reports[-1].epoch)


def _finite(key: str, value: float, step: int) -> Iterator[tuple[str, float, int]]:
    if _loggable(value):
        yield key, float(value), step


def _loggable(value: float) -> bool:
    return math.isfinite(value) and abs(value) < _LARGEST


def _dominant(verdict: Verdict | None) -> str:
    if verdict is None or "undetermined" in verdict.words.values():
        return "undetermined"
    return verdict.driver or "balanced"


@contextmanager
def _quiet_mlflow() -> Iterator[None]:
    """Import MLflow and make its tables without the lines it logs about that on first use."""
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    alembic = logging.getLogger("alembic")
    level = alembic.level
    alembic.setLevel(logging.WARNING)
    try:
        yield
    finally:
        alembic.setLevel(level)
