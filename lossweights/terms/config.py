"""Configurations of Keras objects: the arguments of a constructor as JSON has them, and back."""

from collections.abc import Mapping
from typing import Any

import keras


def written(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments for a configuration: losses and metrics as Keras writes objects, tuples as lists.

    >>> written({"axes": (1, 2), "tau": 0.5})
    {'axes': [1, 2], 'tau': 0.5}
    """
    return {name: _as_json(value) for name, value in arguments.items()}


def read(config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that a configuration was written from, its objects built again."""
    build = keras.saving.deserialize_keras_object
    return {name: build(v) if isinstance(v, dict) else v for name, v in config.items()}


def _as_json(value: Any) -> Any:
    if isinstance(value, keras.losses.Loss | keras.metrics.Metric):
        return keras.saving.serialize_keras_object(value)
    if isinstance(value, Mapping):
        return written(value)
    return list(value) if isinstance(value, tuple) else value
