"""A trained model in MLflow's registry, and which of its versions is the champion."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossweights.base.errors import TrackingError
from lossweights.loss.weight_set import WeightSet
from lossweights.results.folder import tracking_uri
from lossweights.tracking._finale import store_of
from lossweights.tracking._models import (
    CHAMPION,
    PICK,
    WEIGHT,
    Models,
    models_of,
    save_model,
    weight_params,
)
from lossweights.tracking._opened import opened
from lossweights.tracking._promoted import log_set, metrics_of, tags_of

if TYPE_CHECKING:
    from mlflow import MlflowClient


def register_model(sweep: str, weights: WeightSet, model: Any, root: Path, uri: str | None) -> str:
    """Register a trained model under the name of its sweep, as a version that knows its pick.

    It is kept with the run of the sweep.

    Args:
        sweep: Name of the sweep, and of the registered model.
        weights: The weight set that it was trained with.
        model: The Keras model.
        root: Folder of the sweeps.
        uri: Address of MLflow; by default the store below the root.

    Returns:
        A sentence on the version.

    Raises:
        TrackingError: MLflow has no run of the sweep, or cannot be written.
    """
    address = uri or tracking_uri(root)
    with opened(root, address) as client, tempfile.TemporaryDirectory() as folder:
        run = _run_of(client, sweep).info
        models = Models(client, address, root, sweep, run.experiment_id, run.run_id)
        version = models.log(save_model(model, Path(folder) / "model", weights), register=True)
    return f"models:/{sweep}/{version} is {weights.name}."


def record_promotion(sweep: str, weights: WeightSet, root: Path, uri: str | None) -> str:
    """Have MLflow show what a sweep promotes: in the sweep's run, and by the alias ``champion``.

    Args:
        sweep: Name of the sweep, and of the registered model.
        weights: The set that was promoted.
        root: Folder of the sweeps.
        uri: Address of MLflow; by default the store below the root.

    Returns:
        A sentence on the alias, empty where no model of the sweep's name is registered.

    Raises:
        TrackingError: MLflow cannot be read or written.
    """
    if uri is None and not (root / "mlflow.db").exists():
        return ""
    address = uri or tracking_uri(root)
    with opened(root, address) as client:
        if (run := _latest_run(client, sweep)) is not None:
            number = run.info.run_id
            for key, text in tags_of(weights).items():
                client.set_tag(number, key, text)
            for key, value in metrics_of(weights).items():
                client.log_metric(number, key, value)
            log_set(store_of(client, address, number), weights)
        return _move_champion(client, sweep, weights)


def _move_champion(client: MlflowClient, sweep: str, weights: WeightSet) -> str:
    """Have the alias name the version of a registered model that has a weight set, if any does."""
    versions = client.search_model_versions(f"name = '{sweep}'")
    pick = weights.origin.get("pick")
    fit = [each for each in versions if each.tags.get(PICK) == pick]
    weighed = _weights_by_place(client, sweep)  # for the pick may be another trial by now
    wanted = weight_params(weights)
    fit = [each for each in fit if weighed.get(each.source, wanted) == wanted]
    if not versions:
        return ""
    if not fit:
        return (
            f"The alias {CHAMPION} stays: no version of the registered model {sweep} has the "
            f"tag {PICK} = {pick} and these weights."
        )
    version = max(fit, key=lambda each: int(each.version)).version
    client.set_registered_model_alias(sweep, CHAMPION, version)
    return f"models:/{sweep}@{CHAMPION} is version {version} now."


def _weights_by_place(client: MlflowClient, sweep: str) -> dict[str, dict[str, str]]:
    """The weights of the sweep's logged models, as their params have them, by where they lie."""
    run = _latest_run(client, sweep)
    if run is None:
        return {}
    models = models_of(client, run.info.experiment_id, {run.info.run_id})
    return {
        each.artifact_location: {k: v for k, v in each.params.items() if k.startswith(WEIGHT)}
        for each in models
    }


def _latest_run(client: MlflowClient, sweep: str) -> Any:
    """The run that stands for a sweep, the latest if a name was used again; ``None`` if none is."""
    experiment = client.get_experiment_by_name(sweep)
    wanted = f"tags.`lossweights.kind` = 'sweep' and tags.`lossweights.sweep` = '{sweep}'"
    found = []
    if experiment is not None:
        ids = [experiment.experiment_id]
        found = client.search_runs(ids, wanted, order_by=["start_time DESC"], max_results=1)
    return found[0] if found else None


def _run_of(client: MlflowClient, sweep: str) -> Any:
    found = _latest_run(client, sweep)
    if found is None:
        raise TrackingError(
            f"Expected a run of the sweep {sweep!r} in MLflow. Found none. Record it first: "
            f"`lossweights sync {sweep}`."
        )
    return found
