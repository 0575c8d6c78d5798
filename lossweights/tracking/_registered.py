"""A trained model as MLflow serves it, and in MLflow's registry."""

from __future__ import annotations

import tempfile
import warnings
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lossweights.base.errors import TrackingError
from lossweights.loss.weight_set import WeightSet
from lossweights.results.folder import tracking_uri
from lossweights.tracking._opened import opened

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = "champion"  # the alias of the version that a sweep promotes
PICK = "lossweights.pick"  # tag of a model's version: the pick that it is
_REQUIREMENTS = ("keras", "tensorflow", "numpy")


def save_for_serving(model: Any, path: Path) -> None:
    """Write a trained model as ``mlflow models serve`` takes it; nothing of this package is in it.

    Args:
        model: The Keras model.
        path: A folder that is not there yet.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of itself, on import
        from mlflow import tensorflow as keras_flavor
        from mlflow.models import infer_signature

        inputs = [np.zeros([n or 1 for n in t.shape], dtype=t.dtype) for t in model.inputs]
        names = [tensor.name for tensor in model.inputs]
        fed = inputs[0] if len(inputs) == 1 else dict(zip(names, inputs, strict=True))
        keras_flavor.save_model(
            model,
            str(path),
            signature=infer_signature(fed, model.predict(fed, verbose=0)),
            pip_requirements=[f"{name}=={metadata.version(name)}" for name in _REQUIREMENTS],
        )


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
    with opened(root, uri or tracking_uri(root)) as client, tempfile.TemporaryDirectory() as folder:
        run = _run_of(client, sweep)
        pick = str(weights.origin["pick"])
        place = f"model-{pick.replace(':', '-')}"
        save_for_serving(model, Path(folder) / place)
        client.log_artifacts(run.info.run_id, str(Path(folder) / place), place)
        if not client.search_registered_models(f"name = '{sweep}'"):
            client.create_registered_model(sweep)
        version = client.create_model_version(
            sweep, f"{run.info.artifact_uri}/{place}", run.info.run_id, tags={PICK: pick}
        ).version
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
