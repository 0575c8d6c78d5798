"""MLflow, and nothing else of it anywhere: a sweep is a parent run, each training a child run.

Everything here may be done again, by this process or another, without adding anything twice: runs
are found by their tags before they are made, and points count once at one key, step and time.
"""

from __future__ import annotations

import logging
import shlex
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossweights.base.commands import program
from lossweights.dominance.judge import judge_results
from lossweights.records import Outcome
from lossweights.results.folder import tracking_uri
from lossweights.results.locks import waited_for_lock
from lossweights.tracking._about import About
from lossweights.tracking._address import is_database, without_password
from lossweights.tracking._ending import Ending
from lossweights.tracking._finale import end_parent
from lossweights.tracking._models import Models
from lossweights.tracking._moved import settle_moved
from lossweights.tracking._points import Point, end_tags, params_of, result_points
from lossweights.tracking._settings import quiet_loggers
from lossweights.tracking._sqlite import RunRecord, gather, hurried, write_runs
from lossweights.tracking._subject import OUTING, TRIAL, Ended, Key, Subject

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

# Of the parent run: tells a sweep from an earlier one of its name. Children have their parent.
STARTED = "lossweights.started"
TRIALS_AT_ONCE = 16  # in a transaction


@dataclass(frozen=True)
class _Run:
    """A child run: its id, its start in milliseconds, and whether all of it is written."""

    id: str
    start: int
    written: bool


class Runs:
    """The runs of one sweep. Opening makes what is missing; call it again after an error.

    Args:
        root: Folder with ``mlflow.db`` and ``artifacts/``.
        sweep: Name of the sweep, which is also the name of the MLflow experiment.
        started: When the sweep was created; it tells the sweep from an earlier one of its name.
        uri: The tracking address.
        about: What it is.
    """

    def __init__(
        self,
        root: Path,
        sweep: str,
        started: str,
        uri: str,
        about: About,
    ) -> None:
        self.experiment_id: str | None = None
        self.parent_id: str | None = None
        self._root, self._sweep, self._started, self._uri = root, sweep, started, uri
        self._about = about
        self._artifacts = ""  # where those of the experiment are
        self._runs: dict[Key, _Run] = {}
        self._opened: MlflowClient | None = None
        self._closing = ExitStack()

    @property
    def _client(self) -> MlflowClient:
        assert self._opened is not None, "open() comes first"
        return self._opened

    def open(self, params: Mapping[str, Any]) -> None:
        """Find or make experiment and parent run, and find the child runs that there are."""
        with self._alone():
            if self._opened is None:
                self._opened = self._connected()
            self.experiment_id = self._experiment()
        self.parent_id = self._find_runs()
        if self.parent_id is None:
            own = {STARTED: self._started, "lossweights.kind": "sweep"}
            tags = {"lossweights.sweep": self._sweep, **own, **self._about.tags}
            run = self._client.create_run(self.experiment_id, run_name=self._sweep, tags=tags)
            self.parent_id = run.info.run_id
        else:
            self._client.update_run(self.parent_id, status="RUNNING")
        there = self._client.get_run(self.parent_id)
        known = there.data.params  # which MLflow never changes
        wanted = {**params, **self._about.params}
        missing = {key: value for key, value in wanted.items() if key not in known}
        if missing:
            self._client.log_batch(self.parent_id, params=_params(missing))
        if self._about.data is not None and not there.inputs.dataset_inputs:
            self._client.log_inputs(self.parent_id, [self._about.dataset(self._sweep)])

    def close(self) -> None:
        """Put back what opening changed in this process."""
        self._closing.close()

    def _connected(self) -> MlflowClient:
        self._closing.enter_context(quiet_loggers())
        from mlflow import MlflowClient

        if self._is_own_file:
            moved = settle_moved(self._root)
            if moved:
                log.warning(moved)
            self._closing.enter_context(hurried(self._file))
        # Whatever registry the user has set: nothing of a sweep goes there.
        return MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)

    @property
    def _file(self) -> Path:
        return self._root.resolve() / "mlflow.db"

    @property
    def _is_own_file(self) -> bool:
        """Whether it is the store below the root, which the result files can restore."""
        return self._uri == tracking_uri(self._root)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Of processes that open a database below one root at once, let one make its tables."""
        if not self._uri.startswith("sqlite:"):
            yield
            return
        with waited_for_lock(self._root / "mlflow.lock"):
            yield

    def _experiment(self) -> str:
        experiment = self._client.get_experiment_by_name(self._sweep)
        if experiment is None:
            # A server keeps artifacts where it was told to; beside a database they lie with us.
            below = (self._root.resolve() / "artifacts" / self._sweep).as_uri()
            location = below if is_database(self._uri) else None
            # The kind opens the UI at training runs, not at traces of language models.
            kind = {"mlflow.experimentKind": "custom_model_development"}
            self._artifacts = location or ""
            return str(self._client.create_experiment(self._sweep, location, kind))
        if experiment.lifecycle_stage == "deleted":
            where = f"MLFLOW_TRACKING_URI={shlex.quote(without_password(self._uri))}"
            restore = f"{program('mlflow')} experiments restore"
            raise RuntimeError(
                f"the MLflow experiment {self._sweep!r} was deleted; bring it back with "
                f"`{where} {restore} --experiment-id {experiment.experiment_id}`"
            )
        self._artifacts = experiment.artifact_location
        return str(experiment.experiment_id)

    def _find_runs(self) -> str | None:
        """Find the child runs that there are, and the id of the parent run.

        A second run for the same was made when the server's answer got lost: it is deleted.
        """
        self._runs = {}
        parents = self._search(
            f"tags.`lossweights.sweep` = '{self._sweep}' and tags.`{STARTED}` = '{self._started}'"
        )
        parent: str | None = None
        for run in parents:
            if _key(run.data.tags) is not None:  # earlier versions tagged children, too
                continue
            if parent is None:
                parent = run.info.run_id
            else:
                self._client.delete_run(run.info.run_id)
        if parent is None:
            return None
        for run in self._search(f"tags.`mlflow.parentRunId` = '{parent}'"):
            info, key = run.info, _key(run.data.tags)
            if key is None:  # somebody's own
                continue
            if key in self._runs:
                self._client.delete_run(info.run_id)
            else:
                self._runs[key] = _Run(info.run_id, info.start_time, info.status != "RUNNING")
        return parent

    def _search(self, condition: str) -> Iterator[Any]:
        """All runs of the experiment that satisfy a condition."""
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [self.experiment_id], condition, max_results=1000, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return

    def written(self, key: Key) -> bool:
        """Whether all of a training is recorded."""
        return key in self._runs and self._runs[key].written

    @property
    def at_once(self) -> int:
        """How many trainings that ended are best recorded at once, if so many wait."""
        return TRIALS_AT_ONCE if self._is_own_file else 1

    def begin(self, subject: Subject, points: Sequence[Point]) -> None:
        """Record points of a trial that is training."""
        if not self.written(subject.key):
            run = self._run_of(subject, points[0].time, self._begin_tags(subject))
            self._client.log_batch(run.id, metrics=_metrics(points))

    def write(self, trainings: Sequence[Ended], now: int) -> None:
        """Record trainings that ended, all of each; what is `written` before an error stays so.

        Args:
            trainings: The trainings.
            now: Milliseconds since 1970, for one whose times nobody kept.
        """
        due = [ended for ended in trainings if not self.written(ended.subject.key)]
        if not due:
            return
        records = [self._record(ended, now) for ended in due]
        is_plain = "?" not in self._artifacts  # else MLflow puts the run elsewhere than at its end
        done = self._is_own_file and is_plain and write_runs(self._file, records)
        for ended, record in zip(due, records, strict=True):
            if not done:
                record = self._log(ended.subject, record)
            self._runs[ended.subject.key] = _Run(record.id, record.start, written=True)

    def _record(self, training: Ended, now: int) -> RunRecord:
        """All of the run of a training; its id is new if it has not begun."""
        subject, result = training.subject, training.result
        verdict = judge_results({0: result}, self._about.baseline).get(0)
        duration = int(1000 * result.seconds)
        run = self._runs.get(subject.key)
        if run is None:
            started = training.times[0] if training.times else now - duration
            run = _Run(uuid.uuid4().hex, started, written=False)
        ended = max(training.times[-1] if training.times else run.start + duration, run.start)
        times = training.times or (ended,) * len(result.reports)
        assert self.experiment_id is not None, "open() comes first"
        return RunRecord(
            id=run.id,
            experiment_id=self.experiment_id,
            name=subject.name,
            artifact_uri=f"{self._artifacts.rstrip('/')}/{run.id}/artifacts",
            status=_STATUS[result.outcome],
            start=run.start,
            end=ended,
            params={key: str(value) for key, value in params_of(training, self._about).items()},
            tags={**self._begin_tags(subject), **end_tags(result, verdict)},
            points=result_points(result, verdict, times, self._about.objectives),
        )

    def _log(self, subject: Subject, record: RunRecord) -> RunRecord:
        """Record a training by MLflow's own means; the record with the id that it gives."""
        from mlflow.entities import RunTag

        is_new = subject.key not in self._runs  # a run that is made now is made with all its tags
        run = self._run_of(subject, record.start, record.tags)
        self._client.log_batch(
            run.id,
            metrics=_metrics(record.points),
            params=_params(record.params),
            tags=[] if is_new else [RunTag(key, value) for key, value in record.tags.items()],
        )
        self._client.set_terminated(run.id, record.status, record.end)
        return replace(record, id=run.id)

    def _begin_tags(self, subject: Subject) -> dict[str, str]:
        assert self.parent_id is not None, "open() comes first"
        return {
            "lossweights.sweep": self._sweep,
            "lossweights.kind": subject.kind,
            "mlflow.parentRunId": self.parent_id,
            **subject.tags,
        }

    def _run_of(self, subject: Subject, start: int, tags: Mapping[str, str]) -> _Run:
        """The run of a training; if there is none it is made, with these tags."""
        if subject.key not in self._runs:
            run = self._client.create_run(
                self.experiment_id, start_time=start, run_name=subject.name, tags=dict(tags)
            )
            self._runs[subject.key] = _Run(run.info.run_id, start, written=False)
        return self._runs[subject.key]

    def end(self, ending: Ending) -> None:
        """End the parent run."""
        assert self.experiment_id is not None, "open() comes first"
        assert self.parent_id is not None, "open() comes first"
        models = Models(
            self._client, self._uri, self._root, self._sweep, self.experiment_id, self.parent_id
        )
        end_parent(models, ending)
        if self._is_own_file:
            gather(self._file)


def _key(tags: Mapping[str, str]) -> Key | None:
    """What a run is of; ``None`` for the parent run."""
    return int(tags[TRIAL]) if TRIAL in tags else tags.get(OUTING)


def _metrics(points: Sequence[Point]) -> list[Any]:
    from mlflow.entities import Metric

    return [Metric(point.key, point.value, point.time, point.step) for point in points]


def _params(values: Mapping[str, Any]) -> list[Any]:
    from mlflow.entities import Param

    return [Param(key, str(value)) for key, value in values.items()]
