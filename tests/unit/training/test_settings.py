"""What Keras and TensorFlow are set to is told in full, and can be set again as it was told."""

import json

import keras
import pytest
import tensorflow as tf

from lossweights.training.settings import apply_settings, settings


@pytest.fixture(autouse=True)
def _as_before():
    """Every test leaves the settings as they were."""
    before = settings()
    yield
    apply_settings(before)
    assert settings() == before


@pytest.mark.parametrize(
    ("name", "value", "change"),
    [
        ("floatx", "float64", lambda: keras.config.set_floatx("float64")),
        (
            "dtype_policy",
            "mixed_bfloat16",
            lambda: keras.mixed_precision.set_global_policy("mixed_bfloat16"),
        ),
        (
            "image_data_format",
            "channels_first",
            lambda: keras.config.set_image_data_format("channels_first"),
        ),
        ("epsilon", 1e-3, lambda: keras.config.set_epsilon(1e-3)),
        ("max_epochs", 3, lambda: keras.config.set_max_epochs(3)),
        ("max_steps_per_epoch", 2, lambda: keras.config.set_max_steps_per_epoch(2)),
        ("run_functions_eagerly", True, lambda: tf.config.run_functions_eagerly(True)),
        (
            "tensor_float_32",
            False,
            lambda: tf.config.experimental.enable_tensor_float_32_execution(False),
        ),
    ],
)
def test_each_setting_is_told_and_set_again(name, value, change):
    """As another process hears of it, in JSON."""
    before = settings()
    change()
    told = json.loads(json.dumps(settings()))
    assert told == {**before, name: value}
    apply_settings(before)
    assert settings() == before
    apply_settings(told)
    assert settings() == told


def test_a_policy_that_differs_from_layer_to_layer_is_told_in_full():
    """Its name alone would not say which layer has which."""
    policy = keras.dtype_policies.DTypePolicyMap(default_policy="float32")
    policy["head"] = keras.DTypePolicy("bfloat16")
    before = settings()
    keras.config.set_dtype_policy(policy)
    told = json.loads(json.dumps(settings()))
    apply_settings(before)
    apply_settings(told)
    assert settings() == told
    assert keras.config.dtype_policy()["head"].name == "bfloat16"
