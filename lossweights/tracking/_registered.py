"""A trained model in MLflow's registry, and which of its versions is the champion."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossweights.base.errors import TrackingError
from lossweights.loss.weight_set import WeightSet
from lossweights.results.folder import tracking_uri
from lossweights.tracking._models import CHAMPION, PICK, Models, save_model
from lossweights.tracking._opened import opened

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
    with opened(root, uri or tracking_uri(root)) as client:
        versions = client.search_model_versions(f"name = '{sweep}'")
        pick = weights.origin.get("pick")
        fit = [each for each in versions if each.tags.get(PICK) == pick]
        if not versions:
            return ""
        if not fit:
            return (
                f"The alias {CHAMPION} stays: no version of the registered model {sweep} has the "
                f"tag {PICK} = {pick}."
            )
        version = max(fit, key=lambda each: int(each.version)).version
        client.set_registered_model_alias(sweep, CHAMPION, version)
        return f"models:/{sweep}@{CHAMPION} is version {version} now."


def _run_of(client: MlflowClient, sweep: str) -> Any:
    """The run that stands for a sweep: the latest, if a name was used again."""
    experiment = client.get_experiment_by_name(sweep)
    wanted = f"tags.`lossweights.kind` = 'sweep' and tags.`lossweights.sweep` = '{sweep}'"
    found = []
    if experiment is not None:
        ids = [experiment.experiment_id]
        found = client.search_runs(ids, wanted, order_by=["start_time DESC"], max_results=1)
    if not found:
        raise TrackingError(
            f"Expected a run of the sweep {sweep!r} in MLflow. Found none. Record it first: "
            f"`lossweights sync {sweep}`."
        )
    return found[0]
