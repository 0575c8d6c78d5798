"""The trained model that a weight set refers to: a file that the sweep wrote, known by its hash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from lossweights.base.errors import WeightSetError
from lossweights.base.names import check_name

_PARAMETERS = ".weights.h5"


def trained_model(
    weights: Any,
    build_model: Callable[[], keras.Model] | None,
    custom_objects: Mapping[str, Any] | None,
) -> keras.Model:
    """The trained model of a set; see `lossweights.loss.weight_set.WeightSet.model`."""
    path = model_file(weights)
    if not path.name.endswith(_PARAMETERS):
        return keras.models.load_model(
            path, custom_objects=dict(custom_objects or {}), compile=False, safe_mode=True
        )
    if build_model is None:
        raise WeightSetError(
            f"Expected a way to build the model, of which Keras could save the parameters alone. "
            f"Found none. Give the sweep's own: weights.model(build_model); they are in {path}."
        )
    model = build_model()
    model.load_weights(path)
    return model


def model_file(weights: Any) -> Path:
    """The file of the trained model.

    Raises:
        WeightSetError: The set refers to none, it is not there, or it is another file by now.
    """
    said, name = weights.provenance.model, weights.name or "one"
    if not said:
        raise WeightSetError(
            f"Expected a weight set with a trained model. Found {name} without: a sweep keeps the "
            f"model of what it promotes itself. Take that by its pick, such as 'knee', or train "
            f"this one: weights.compile(model)."
        )
    file = check_name(said["file"], "model file")
    places = _places(weights, file)
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise WeightSetError(
            f"Expected the model {file} of the weight set {name}. Found it in none of "
            f"{[str(place.parent) for place in places]}. Bring it there, beside the weight set."
        )
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != said["sha256"]:
        raise WeightSetError(
            f"Expected the model that the sweep saved in {path}. Found another file: its checksum "
            f"is not that of the weight set. Bring the file back, or draw the sweep's conclusions "
            f"again with `lossweights resume`."
        )
    return path


def _places(weights: Any, file: str) -> list[Path]:
    """Where it may lie: beside the set, or in the folder of its sweep there."""
    home = weights.home or Path()
    sweep = weights.origin.get("sweep")
    beside = [home / check_name(sweep, "sweep") / file] if isinstance(sweep, str) else []
    return [home / file, *beside]
