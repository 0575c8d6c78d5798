"""The weight set of a run or of a registered model, as MLflow has it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossweights.base.errors import LossweightsError, SweepNotFound, TrackingError
from lossweights.loss.weight_set import WeightSet
from lossweights.results.folder import tracking_uri
from lossweights.results.weights import pick_file
from lossweights.tracking._address import without_password
from lossweights.tracking._moved import settle_moved
from lossweights.tracking._place import VARIABLE
from lossweights.tracking._settings import mlflow_settings, quiet_loggers

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = "champion"
_PROMOTED = "lossweights.promoted"  # tag of a sweep's run: the pick that it promotes
_PICK = "lossweights.pick"  # tag of a model's version: the pick that it is
_WEIGHT = "weight/"


def tracked_set(reference: str, root: Path, uri: str | None = None) -> WeightSet:
    """The weight set that ``runs:/ID`` or ``models:/NAME@ALIAS`` means.

    Args:
        reference: ``runs:/ID`` of a sweep's run or of a trial's, ``runs:/ID/knee.json`` for another
            file of the sweep; ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION``.
        root: Folder of the sweeps.
        uri: Address of MLflow; by default that of the environment, or the store below the root.

    Raises:
        SweepNotFound: There is no such run or model, or it has no weight set.
        WeightSetError: The file is damaged.
        TrackingError: MLflow cannot be read.
    """
    with _client(root, uri) as client:
        kind, _, rest = reference.partition(":/")
        if kind == "models":
            run, pick = _of_model(client, rest.strip("/"), reference)
            return _of_run(client, run, "", pick, reference)
        run, _, file = rest.strip("/").partition("/")
        return _of_run(client, run, file, None, reference)


def move_champion(sweep: str, weights: WeightSet, root: Path, uri: str | None) -> str:
    """Have the alias ``champion`` name the version of a registered model that has a weight set.

    Args:
        sweep: Name of the sweep, and of the registered model.
        weights: The set that was promoted.
        root: Folder of the sweeps.
        uri: Address of MLflow; by default the store below the root.

    Returns:
        A sentence on what was done, empty where no such model is registered.

    Raises:
        TrackingError: MLflow cannot be read or written.
    """
    if uri is None and not (root / "mlflow.db").exists():
        return ""
    with _client(root, uri or tracking_uri(root)) as client:
        versions = client.search_model_versions(f"name = '{sweep}'")
        pick = weights.origin.get("pick")
        fit = [each for each in versions if each.tags.get(_PICK) == pick]
        if not versions:
            return ""
        if not fit:
            return (
                f"The alias {CHAMPION} stays: no version of the registered model {sweep} has the "
                f"tag {_PICK} = {pick}."
            )
        version = max(fit, key=lambda each: int(each.version)).version
        client.set_registered_model_alias(sweep, CHAMPION, version)
        return f"models:/{sweep}@{CHAMPION} is version {version} now."


@contextmanager
def _client(root: Path, uri: str | None) -> Iterator[MlflowClient]:
    address = uri or os.environ.get(VARIABLE) or tracking_uri(root)
    if address == tracking_uri(root):
        if not (root / "mlflow.db").exists():
            raise SweepNotFound(
                f"Expected MLflow's database {root / 'mlflow.db'}. Found none. Give its root, or "
                f"the address of a server: lw.load(..., tracking_uri=...)."
            )
        settle_moved(root)
    with mlflow_settings(), quiet_loggers():
        from mlflow import MlflowClient

        try:
            yield MlflowClient(tracking_uri=address)
        except LossweightsError:
            raise
        except Exception as error:  # whatever MLflow and what is below it raise
            first = f"{type(error).__name__}: {error}".splitlines()[0]
            raise TrackingError(
                f"Expected to read MLflow at {without_password(address)}. Found: {first}. Check "
                f"the reference and the address."
            ) from error


def _of_model(client: MlflowClient, name: str, reference: str) -> tuple[str, str | None]:
    """The run and the pick of a version of a registered model."""
    model, at, alias = name.partition("@")
    if at:
        version = client.get_model_version_by_alias(model, alias)
    else:
        model, _, number = name.partition("/")
        version = client.get_model_version(model, number)
    if not version.run_id:
        raise SweepNotFound(
            f"Expected the model {reference} to come from a run. Found none. Register the model of "
            f"a sweep's run."
        )
    return version.run_id, version.tags.get(_PICK)


def _of_run(
    client: MlflowClient, run_id: str, file: str, pick: str | None, reference: str
) -> WeightSet:
    run = client.get_run(run_id)
    parent = run.data.tags.get("mlflow.parentRunId")
    if parent is not None and not file:
        return _of_trial(run, _of_run(client, parent, "", None, reference))
    found = {each.path: each.file_size or 0 for each in client.list_artifacts(run_id)}
    promoted = pick or run.data.tags.get(_PROMOTED) or "knee"
    wanted = file or pick_file(promoted)
    if wanted not in found or not wanted.endswith(".json"):
        sets = sorted(path for path in found if path.endswith(".json"))
        raise SweepNotFound(
            f"Expected the weight set {wanted} in {reference}. Found {sets or 'none'}. Name one: "
            f"runs:/{run_id}/FILE."
        )
    with tempfile.TemporaryDirectory() as folder:
        path = client.download_artifacts(run_id, wanted, folder)
        return replace(WeightSet.read(path), home=None, recorded=True)


def _of_trial(run: Any, of_sweep: WeightSet) -> WeightSet:
    """The set of a trial's run: its own weights, with the terms and scales of the sweep."""
    params: Mapping[str, str] = run.data.params
    weights = {name: float(params[f"{_WEIGHT}{name}"]) for name in of_sweep.weights}
    sweep = run.data.tags.get("lossweights.sweep", "")
    origin: dict[str, Any] = {"sweep": sweep, "run": run.info.run_id}
    with suppress(KeyError, ValueError):
        origin["trial"] = int(run.data.tags["lossweights.trial"])
        origin["seed"] = int(params["seed"])
    return WeightSet(
        weights,
        name=f"{sweep}@run:{run.info.run_name}",
        scales=of_sweep.scales,
        terms=of_sweep.terms,
        origin=origin,
        recorded=True,
    )
