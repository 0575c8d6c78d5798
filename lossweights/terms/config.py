"""Configurations of Keras objects: the arguments of a constructor as JSON has them, and back."""

import functools
from collections.abc import Mapping
from types import FunctionType
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


def written_function(function: Any) -> Any:
    """A function as Keras writes it; also what can be called and Keras cannot write, by name."""
    if isinstance(function, FunctionType | keras.losses.Loss) or hasattr(function, "get_config"):
        return keras.saving.serialize_keras_object(function)
    named = function.func if isinstance(function, functools.partial) else function
    name = getattr(named, "__name__", type(named).__name__)
    # As Keras writes a function that it finds nowhere: to be passed again as a custom object.
    return {"module": None, "class_name": "function", "config": name, "registered_name": name}


def _as_json(value: Any) -> Any:
    if isinstance(value, keras.losses.Loss | keras.metrics.Metric):
        return keras.saving.serialize_keras_object(value)
    if isinstance(value, Mapping):
        return written(value)
    return list(value) if isinstance(value, tuple) else value
