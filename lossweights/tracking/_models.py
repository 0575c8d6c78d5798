"""The winner as MLflow's models are: a logged model of the parent run, and a registered one."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lossweights.base.commands import command
from lossweights.loss.weight_set import WeightSet
from lossweights.results.promotion import set_by_hand
from lossweights.results.weights import WARNING
from lossweights.tracking._address import is_database
from lossweights.tracking._settings import quiet_loggers

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger("lossweights")

ROWS = 3  # of the input example
NUMBERS = 30_000  # that it may have in all; it is JSON
WEIGHTS = "weights.json"
CHAMPION = "champion"  # the alias of the version that a sweep promotes
OURS = "lossweights.sweep"  # tag of a registered model that sweeps made
PICK = "lossweights.pick"  # tag of a model and of its version: the pick that it is
WEIGHT = "weight/"  # before the name of a term in params
_DIGEST = "lossweights.digest"  # tag of a logged model: that of its weight set


def save_model(model: Any, folder: Path, weights: WeightSet, inputs: Any = None) -> Path:
    """Save a model as MLflow does, with signature, input example and weight set.

    ``mlflow.keras.load_model(folder)`` gives the Keras model, ``mlflow.pyfunc.load_model`` one that
    checks its input. Neither a run nor any setting of MLflow is touched.

    Args:
        model: The Keras model.
        folder: A folder that does not exist yet.
        weights: The weight set that it was trained with.
        inputs: What it reads: an array, or a dict, list or tuple of arrays, of any number of rows;
            by default one row of zeros.

    Returns:
        The folder.
    """
    import keras

    with quiet_loggers(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow 3.17 warns of its own type hints, once imported
        import mlflow.keras

        signature, example = _described(model, _zeros(model) if inputs is None else inputs)
        folder.mkdir(parents=True)  # MLflow 3.17 puts the example there before it makes it
        mlflow.keras.save_model(
            model,
            str(folder),
            signature=signature,
            input_example=example,
            pip_requirements=[f"keras=={keras.__version__}", _backend()],  # inferring loads it anew
            metadata={"lossweights": dict(weights.weights)},
        )
    weights.save(folder / WEIGHTS)
    return folder


def _described(model: Any, inputs: Any) -> tuple[Any, Any]:
    """Signature and example of the input, or neither where MLflow has no words for the input."""
    from mlflow.models import infer_signature

    try:
        example = _named(_rows(inputs), model)
        return infer_signature(example, _named_outputs(model, example)), example
    except Exception as error:  # such as nested inputs, or lists to a model that names none
        log.debug("the winner is saved without a signature: %s", error)
        return None, None


def _zeros(model: Any) -> Any:
    arrays = [np.zeros([size or 1 for size in each.shape], each.dtype) for each in model.inputs]
    return arrays[0] if len(arrays) == 1 else arrays


def _rows(inputs: Any) -> Any:
    from keras import tree

    width = sum(int(np.prod(np.shape(array)[1:])) for array in tree.flatten(inputs))
    rows = max(1, min(ROWS, NUMBERS // max(width, 1)))
    return tree.map_structure(lambda array: np.asarray(array[:rows]), inputs)


def _named(values: Any, model: Any) -> Any:
    """Several arrays by the names of the model's inputs: a signature knows no lists."""
    if not isinstance(values, list | tuple):
        return values
    return {each.name: array for each, array in zip(model.inputs, values, strict=True)}


def _named_outputs(model: Any, example: Any) -> Any:
    found = model.predict(example, verbose=0)
    if not isinstance(found, list | tuple):
        return found
    return dict(zip(model.output_names, found, strict=True))


def _backend() -> str:
    from importlib.metadata import version

    return f"tensorflow=={version('tensorflow')}"


@dataclass(frozen=True)
class Models:
    """The models of one sweep.

    Attributes:
        client: MLflow.
        uri: Its address.
        root: Folder of the sweeps.
        sweep: Name of the sweep.
        experiment: Id of its experiment.
        run: Id of its parent run.
    """

    client: MlflowClient
    uri: str
    root: Path
    sweep: str
    experiment: str
    run: str

    def log(self, folder: Path, *, register: bool) -> str | None:
        """Log the model in a folder, and register it: in a database by itself, else if one says so.

        One that is warned of, since nothing was learned, is nobody's champion by itself. Nothing is
        done twice: a model counts as logged if one with its weight set is.

        Returns:
            The version that it has in the registry, if any.
        """
        weights = WeightSet.read(folder / WEIGHTS)
        digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
        number = self._logged(digest) or self._log(folder, weights, digest)
        model = self.client.get_logged_model(number)
        if register or (is_database(self.uri) and WARNING not in weights.origin):
            return self._register(model, weights, asked=register)
        return None

    def _logged(self, digest: str) -> str | None:
        found = self.client.search_logged_models(
            [self.experiment], filter_string=f"tags.`{_DIGEST}` = '{digest}'"
        )
        ready = [each for each in found if each.source_run_id == self.run and _is_ready(each)]
        return ready[0].model_id if ready else None

    def _log(self, folder: Path, weights: WeightSet, digest: str) -> str:
        from mlflow.entities import LoggedModelOutput

        model = self.client.create_logged_model(
            self.experiment,
            name=self.sweep.replace(".", "-"),  # MLflow takes no dot here
            source_run_id=self.run,
            tags={OURS: self.sweep, PICK: str(weights.origin.get("pick", ""))},
            params=weight_params(weights),
        )
        number = model.model_id
        try:
            self.client.log_model_artifacts(number, str(folder))
            self.client.set_logged_model_tags(number, {_DIGEST: digest})
            self.client.finalize_logged_model(number, "READY")
        except Exception:
            self.client.delete_logged_model(number)
            raise
        self.client.log_outputs(self.run, [LoggedModelOutput(number, step=0)])
        return str(number)

    def _register(self, model: Any, weights: WeightSet, *, asked: bool) -> str | None:
        if not self._has_name(asked=asked):
            return None
        versions = self.client.search_model_versions(f"name = '{self.sweep}'")
        # Its place, not "models:/...", for which MLflow asks wherever the user's own runs go.
        place = model.artifact_location
        number = next((each.version for each in versions if each.source == place), None)
        if number is not None:  # where the alias is now, somebody may have put it
            return str(number)
        number = self.client.create_model_version(
            self.sweep,
            place,
            run_id=self.run,
            model_id=model.model_id,
            tags={PICK: str(weights.origin.get("pick", ""))},
            description=weights.name,
            await_creation_for=0,
        ).version
        by_hand = set_by_hand(self.root, self.sweep)
        if by_hand is None or by_hand.weights == weights.weights:
            self.client.set_registered_model_alias(self.sweep, CHAMPION, number)
        return str(number)

    def _has_name(self, *, asked: bool) -> bool:
        """Whether the registry has the sweep's name for it; it is made if there is none."""
        found = self.client.search_registered_models(f"name = '{self.sweep}'")
        if not found:
            tags = {OURS: self.sweep}
            self.client.create_registered_model(self.sweep, tags=tags)
            return True
        if asked or OURS in found[0].tags:
            return True
        log.warning(
            "The winner is not registered: somebody else has registered a model as %r. To add a "
            "version to it: %s",
            self.sweep,
            command("sync", self.sweep, self.root, register=True),
        )
        return False


def weight_params(weights: WeightSet) -> dict[str, str]:
    """The weights of a set as the params of a logged model."""
    return {f"{WEIGHT}{name}": repr(weight) for name, weight in weights.weights.items()}


def _is_ready(model: Any) -> bool:
    return str(getattr(model.status, "value", model.status)) == "READY"


def models_of(client: MlflowClient, experiment: str, runs: Collection[str]) -> list[Any]:
    """The logged models of runs in an experiment."""
    found: list[Any] = []
    token: str | None = None
    while True:
        page = client.search_logged_models([experiment], page_token=token)
        found += [each for each in page if each.source_run_id in runs]
        token = page.token
        if not token:
            return found


def remove_models(client: MlflowClient, experiment: str, runs: Collection[str]) -> None:
    """Delete the logged models of runs in an experiment."""
    for model in models_of(client, experiment, runs):
        client.delete_logged_model(model.model_id)


def forget_name(client: MlflowClient, name: str) -> None:
    """Delete a registered model that sweeps made, if it has no version any more."""
    if client.search_model_versions(f"name = '{name}'"):
        return
    for model in client.search_registered_models(f"name = '{name}'"):
        if OURS in model.tags:
            client.delete_registered_model(name)
