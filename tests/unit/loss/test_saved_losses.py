"""Losses and metrics that were saved by earlier versions, whose modules had other names."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from lossweights import CombinedLoss
from lossweights.terms import Dice, KerasLoss, OnChannels, Tversky, reading


def written(module, class_name, /, package="lossweights", **arguments):
    """An object as Keras wrote it into a model file."""
    return {
        "module": module,
        "class_name": class_name,
        "config": arguments,
        "registered_name": f"{package}>{class_name}",
    }


HOST = {"reduction": "sum_over_batch_size", "dtype": "float32"}
OLD_TERMS = {
    "mse": written(
        "lossweights.terms.foreign",
        "KerasLoss",
        name="mse",
        **HOST,
        loss="MeanSquaredError",
        arguments={},
    ),
    "dice": written("lossweights.terms.region", "Dice", name="dice", **HOST),
    "tversky": written(
        "lossweights.terms.region", "Tversky", name="tversky", **HOST, alpha=0.3, beta=0.7
    ),
    "masked": written(
        "lossweights.terms.on_mask",
        "OnMask",
        name="dice",
        **HOST,
        term=written("lossweights.terms.region", "Dice", name="dice", **HOST),
    ),
}
OLD_LOSS = written(
    "lossweights.loss",
    "CombinedLoss",
    name="combined_loss",
    **HOST,
    terms=OLD_TERMS,
    weights={"mse": 1.0, "dice": 0.5, "tversky": 0.2, "masked": 0.0},
    scales=None,
)


def test_a_loss_of_an_earlier_version():
    """Modules may have moved: the registered name finds each class, with all its arguments."""
    loss = keras.saving.deserialize_keras_object(OLD_LOSS)
    assert type(loss) is CombinedLoss
    assert loss.weights == {"mse": 1.0, "dice": 0.5, "tversky": 0.2, "masked": 0.0}
    kinds = {name: type(term) for name, term in loss.terms.items()}
    assert kinds == {"mse": KerasLoss, "dice": Dice, "tversky": Tversky, "masked": OnChannels}
    assert (loss.terms["tversky"].alpha, loss.terms["tversky"].beta) == (0.3, 0.7)


def test_the_configuration_is_still_the_same():
    """What an earlier version wrote is what this one writes, but for the names of modules."""

    def plain(value):
        if isinstance(value, dict):
            return {name: plain(item) for name, item in value.items() if name != "module"}
        return value

    loss = keras.saving.deserialize_keras_object(OLD_LOSS)
    found, old = plain(keras.saving.serialize_keras_object(loss)), plain(OLD_LOSS)
    renamed = old["config"]["terms"]["masked"]
    renamed |= {"class_name": "OnChannels", "registered_name": "lossweights>OnChannels"}
    assert found == old


def test_metrics_of_an_earlier_version():
    """A metric is found by its registered name, too."""
    old = written(
        "lossweights.metrics.segmentation",
        "IoU",
        package="lossweights.metrics",
        name="iou",
        dtype="float32",
        threshold=None,
        average="dataset",
    )
    metric = keras.saving.deserialize_keras_object(old)
    assert (metric.name, metric.threshold, metric.average) == ("iou", None, "dataset")
    assert metric.get_config() == old["config"]


def test_values_of_an_earlier_version():
    """The loss that was read computes what one made anew computes."""
    loss = keras.saving.deserialize_keras_object(OLD_LOSS)
    terms = {"mse": "mse", "dice": Dice(), "tversky": Tversky(0.3, 0.7), "masked": reading(Dice())}
    y, p = np.array([[0.0, 1.0, 1.0]]), np.array([[0.2, 0.9, 0.4]])
    assert float(loss(y, p)) == float(CombinedLoss(terms, loss.weights)(y, p))


@pytest.mark.parametrize("name", ["CombinedLoss", "WeightSet", "reference_scales", "terms"])
def test_any_name_may_come_first(name):
    """Each name can be the first that a program asks for, also as the one that loads Keras."""
    code = f"import lossweights as lw; assert lw.{name}; assert lw.CombinedLoss"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
