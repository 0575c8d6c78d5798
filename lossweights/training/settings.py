"""What Keras and TensorFlow are set to for a whole process, and that decides numbers.

A script may set it below ``if __name__ == "__main__":``, which no worker runs. So a worker is told,
and it is part of what a sweep is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf


def settings() -> dict[str, Any]:
    """The settings of this process as plain JSON values, by name.

    >>> settings()["floatx"], settings()["dtype_policy"]
    ('float32', 'float32')
    """
    return {name: get() for name, (get, _) in _SETTINGS.items()}


def apply_settings(wanted: Mapping[str, Any]) -> None:
    """Set this process as `settings` has told of another one.

    >>> apply_settings(settings())
    """
    here = settings()
    for name, (_, apply) in _SETTINGS.items():
        if name in wanted and wanted[name] != here[name]:
            apply(wanted[name])


def _policy() -> Any:
    """The dtype policy by its name; one that differs from layer to layer in full."""
    policy = keras.config.dtype_policy()
    if isinstance(policy, keras.dtype_policies.DTypePolicyMap):
        return keras.dtype_policies.serialize(policy)
    return policy.name


def _set_policy(policy: Any) -> None:
    keras.config.set_dtype_policy(keras.dtype_policies.get(policy))


# In this order: a policy that nobody has set follows from floatx.
_SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {
    "floatx": (keras.config.floatx, keras.config.set_floatx),
    "dtype_policy": (_policy, _set_policy),
    "image_data_format": (keras.config.image_data_format, keras.config.set_image_data_format),
    "epsilon": (keras.config.epsilon, keras.config.set_epsilon),
    "max_epochs": (keras.config.max_epochs, keras.config.set_max_epochs),
    "max_steps_per_epoch": (
        keras.config.max_steps_per_epoch,
        keras.config.set_max_steps_per_epoch,
    ),
    "run_functions_eagerly": (
        tf.config.functions_run_eagerly,
        tf.config.run_functions_eagerly,
    ),
    "tensor_float_32": (
        tf.config.experimental.tensor_float_32_execution_enabled,
        tf.config.experimental.enable_tensor_float_32_execution,
    ),
}
