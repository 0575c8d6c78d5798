"""Removing what MLflow has of a sweep: runs, experiment, and versions of models made of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossweights.base.commands import command
from lossweights.base.errors import StoreError, TrackingError
from lossweights.base.files import inside
from lossweights.results.folder import tracking_uri
from lossweights.tracking._address import is_database, without_password
from lossweights.tracking._models import forget_name, models_of, remove_models
from lossweights.tracking._moved import settle_moved
from lossweights.tracking._settings import mlflow_settings, quiet_loggers
from lossweights.tracking._sqlite import erase_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

PAGE = 1000  # runs, at most, that MLflow gives at once
MODELS = "models"  # MLflow's folder for logged models in that of an experiment
IDS = 50  # run ids in one search for versions of models


@dataclass(frozen=True)
class _Found:
    """An experiment with runs of the sweep.

    Attributes:
        experiment: The experiment.
        ours: Ids of the runs of the sweep, also of those in MLflow's trash.
        shared: Whether it holds other runs too, also in the trash.
    """

    experiment: Experiment
    ours: Sequence[str]
    shared: bool


class Record:
    """What MLflow has of one sweep at one address; see `find_record`.

    Attributes:
        runs: How many runs there are that are not in MLflow's trash.
        versions: How many versions of registered models were made of them.
    """

    def __init__(self, root: Path, sweep: str, started: str, uri: str) -> None:
        self._root, self._sweep, self._started, self._uri = root, sweep, started, uri
        self._found: list[_Found] = []
        self._versions: list[Any] = []
        self.runs = 0
        with self._named("find"):
            if uri == tracking_uri(root):
                settle_moved(root)
            client = self._client()
            for experiment in self._experiments(client):
                runs = list(_runs_in(client, experiment.experiment_id))
                ours = self._ours_of(runs)
                self.runs += sum(run.info.lifecycle_stage == "active" for run in ours)
                ids = [run.info.run_id for run in ours]
                if ids:
                    self._found.append(_Found(experiment, ids, shared=len(ours) < len(runs)))
                self._versions += _versions_of(client, ids)

    @property
    def ids(self) -> frozenset[str]:
        """The ids of its runs, also of those in MLflow's trash."""
        return frozenset(run for found in self._found for run in found.ours)

    @property
    def versions(self) -> int:
        """How many versions of registered models were made of its runs."""
        return len(self._versions)

    @property
    def shown_uri(self) -> str:
        """The address as it may be shown."""
        return without_password(self._uri)

    def remove(self) -> None:
        """Remove it; what others have in the same experiment stays. Again does no harm.

        From the file below the root the runs are erased. Elsewhere they go to MLflow's trash, where
        ``mlflow gc`` erases them; the experiment gets another name first, so that its own is free.

        Raises:
            StoreError: An artifact cannot be removed; MLflow was not touched yet.
            TrackingError: MLflow cannot be written; says how to go on.
        """
        if is_database(self._uri):  # then artifacts are below the root
            self._remove_artifacts()
        with self._named("delete"):
            client = self._client()
            for version in self._versions:
                client.delete_model_version(version.name, version.version)
            if self._versions:
                forget_name(client, self._sweep)
            for found in self._found:
                self._remove(client, found)

    def _remove(self, client: MlflowClient, found: _Found) -> None:
        number, name = found.experiment.experiment_id, found.experiment.name
        was_deleted = found.experiment.lifecycle_stage == "deleted"
        if was_deleted:
            client.restore_experiment(number)  # MLflow renames no other
        remove_models(client, number, frozenset(found.ours))
        if found.shared:
            for run in found.ours:
                client.delete_run(run)
        if was_deleted or not found.shared:
            if name == self._sweep:
                client.rename_experiment(number, f"{self._removed}{number}")
            client.delete_experiment(number)
        if self._uri == tracking_uri(self._root):
            path = self._root.resolve() / "mlflow.db"
            erase_runs(path, found.ours, None if found.shared else number)

    def _remove_artifacts(self) -> None:
        folder = inside(self._root, "artifacts", self._sweep)
        try:
            for part in self._parts_of_artifacts():
                if (folder / part).exists():
                    shutil.rmtree(folder / part)
            with suppress(OSError):  # others' models are in it, or it is not there
                (folder / MODELS).rmdir()
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        except OSError as error:
            raise StoreError(
                f"Expected to delete the artifacts of the sweep {self._sweep!r}. Found: {error}. "
                f"All else of it is still here. Change their rights, then do it again."
            ) from error

    def _parts_of_artifacts(self) -> list[str]:
        """The folders of its runs and models below that of the experiment."""
        models = [
            f"{MODELS}/{model.model_id}"
            for found in self._found
            for model in models_of(self._client(), found.experiment.experiment_id, found.ours)
        ]
        return [*models, *self.ids]

    @property
    def _removed(self) -> str:
        return f"{self._sweep}-removed-"

    def _client(self) -> MlflowClient:
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)

    def _experiments(self, client: MlflowClient) -> list[Experiment]:
        """That of the sweep, and what an earlier removal renamed before it was cut off."""
        own = client.get_experiment_by_name(self._sweep)
        renamed = client.search_experiments(filter_string=f"name LIKE '{self._removed}%'")
        cut_off = [each for each in renamed if each.name == f"{self._removed}{each.experiment_id}"]
        return ([] if own is None else [own]) + cut_off

    def _ours_of(self, runs: Sequence[Run]) -> list[Run]:
        """The parent runs of the sweep, and their children that it has made."""
        mine = {"lossweights.sweep": self._sweep, "lossweights.started": self._started}
        parents = {run.info.run_id for run in runs if mine.items() <= run.data.tags.items()}
        return [
            run
            for run in runs
            if run.info.run_id in parents
            or (
                run.data.tags.get("mlflow.parentRunId") in parents
                and run.data.tags.get("lossweights.sweep") == self._sweep
            )
        ]

    @contextmanager
    def _named(self, what: str) -> Iterator[None]:
        """Whatever MLflow raises is told as one error, with the ways on."""
        try:
            with mlflow_settings(), quiet_loggers():
                yield
        except Exception as error:
            first = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(".")
            again = command("remove", self._sweep, self._root)
            raise TrackingError(
                f"Expected to {what} what MLflow at {self.shown_uri} has of the sweep "
                f"{self._sweep!r}. Found: {first}. Its folder and weight sets are still here, and "
                f"so is what MLflow did not delete. Once it answers, `{again}` again; or leave the "
                f"runs there: `{again} --no-tracking`."
            ) from error


def find_record(root: Path, sweep: str, started: str, uri: str | None = None) -> Record | None:
    """What MLflow has of a sweep, to be removed.

    Args:
        root: Folder of the sweeps.
        sweep: Name of the sweep.
        started: When it was created, as its manifest has it; runs of an earlier sweep of that name
            are not its own.
        uri: The address; ``None`` for the store below the root.

    Returns:
        The record, or ``None`` if there is no store below the root.

    Raises:
        TrackingError: MLflow cannot be read; says how to go on.
    """
    if uri is None and not (root / "mlflow.db").exists():
        return None
    return Record(root, sweep, started, uri or tracking_uri(root))


def _runs_in(client: MlflowClient, experiment: str) -> Iterator[Run]:
    from mlflow.entities import ViewType

    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment], run_view_type=ViewType.ALL, max_results=PAGE, page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def _versions_of(client: MlflowClient, runs: Sequence[str]) -> list[Any]:
    """The versions of registered models that were made of runs."""
    found: list[Any] = []
    for start in range(0, len(runs), IDS):
        ids = ", ".join(f"'{run}'" for run in runs[start : start + IDS])
        found += client.search_model_versions(f"run_id IN ({ids})")
    return found
