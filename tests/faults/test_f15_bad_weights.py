"""F15, F16, F17: weights that are none, losses in a list, objectives that the weights enter."""

import json
import math
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest

import lossweights as lw
from lossweights.base.errors import LossweightsError, ObjectiveError, TermError
from lossweights.search.space import Space

from .tiny import tiny_sweep

pytestmark = pytest.mark.faults

BAD = {
    "negative": {"mse": -1.0, "mae": 1.0},
    "all zero": {"mse": 0.0, "mae": 0.0},
    "nan": {"mse": math.nan, "mae": 1.0},
    "inf": {"mse": math.inf, "mae": 1.0},
    "minus inf": {"mse": -math.inf, "mae": 1.0},
    "too large": {"mse": 1e308, "mae": 1.0},
    "bool": {"mse": True, "mae": 1.0},
    "text": {"mse": "1", "mae": 1.0},
    "missing": {"mse": 1.0},
    "extra": {"mse": 1.0, "mae": 1.0, "huber": 1.0},
}


def into_loss(weights):
    """Through the loss's constructor."""
    lw.CombinedLoss(terms={"mse": "mse", "mae": "mae"}, weights=weights)


def into_set_weights(weights):
    """Through the loss's setter."""
    lw.CombinedLoss(terms={"mse": "mse", "mae": "mae"}).set_weights(weights)


def into_weight_set(weights):
    """Through a weight set and its loss."""
    terms = {"mse": {"class": "MeanSquaredError"}, "mae": {"class": "MeanAbsoluteError"}}
    lw.WeightSet(weights, name="set", terms=terms).loss()


def into_baselines(weights):
    """Through the baselines of a sweep."""
    space = {"mse": lw.Uniform(0.0, 10.0), "mae": lw.Uniform(0.0, 10.0)}
    Space(["mse", "mae"], space).parameters_of(weights)


def into_space(weights):
    """Through the space of a sweep, fixed there."""
    Space(["mse", "mae"], {name: lw.Fixed(weight) for name, weight in weights.items()})


def into_file(weights):
    """Through a weight-set file."""
    good = lw.WeightSet({"mse": 1.0, "mae": 1.0}, name="set").to_json()
    value = {**json.loads(good), "weights": weights}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "set.json"
        path.write_text(json.dumps(value))
        lw.WeightSet.read(path)


DOORS = [into_loss, into_set_weights, into_weight_set, into_baselines, into_space, into_file]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("what", BAD)
def test_f15_bad_weights_are_refused_at_every_door(door, what):
    """One table, every way in: refused with what was expected and what was found."""
    with pytest.raises((LossweightsError, ValueError)) as raised:
        door(BAD[what])
    assert "xpected" in str(raised.value)


@pytest.mark.parametrize("door", DOORS[:4])
def test_f15_a_single_zero_switches_a_term_off(door):
    """An ablation is a fair question."""
    door({"mse": 0.0, "mae": 1.0})


def test_f16_keras_trains_on_the_first_loss_of_a_list():
    """Why we never hand it one. When this fails, Keras has mended it: look at CombinedLoss."""
    x, y = np.ones((4, 1)), np.full((4, 1), 5.0)
    terms, weights = {"mse": "mse", "mae": "mae"}, {"mse": 1.0, "mae": 100.0}

    def total(loss, loss_weights=None):
        inputs = keras.Input((1,))
        layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
        model = keras.Model(inputs, layer(inputs))
        model.compile("sgd", loss=loss, loss_weights=loss_weights)
        return model.evaluate(x, y, verbose=0, return_dict=True)["loss"]

    assert total(["mse", "mae"], [1.0, 100.0]) == pytest.approx(25.0)
    assert total(lw.CombinedLoss(terms=terms, weights=weights)) == pytest.approx(525.0)


def test_f16_a_list_of_losses_is_refused():
    """As a term, with the way to write it."""
    with pytest.raises(TermError, match=r"terms=\{'mse': 'mse', 'mae': 'mae'\}"):
        lw.CombinedLoss(terms={"both": ["mse", "mae"]})
    with pytest.raises(TermError):
        tiny_sweep(terms=["mse", "mae"])


@pytest.mark.parametrize("name", ["loss", "val_loss", "total", "total_loss", "weighted_loss"])
def test_f17_objectives_do_not_depend_on_the_weights(name):
    """Smaller weights would win: refused at construction, with that reason."""
    sweep = tiny_sweep()
    with pytest.raises(ObjectiveError, match="smallest weights would win"):
        lw.Sweep(
            name="tiny",
            build_model=sweep.problem.build_model,
            load_data=sweep.load_data,
            terms={"mse": "mse", "mae": "mae"},
            space={"mse": 1.0, "mae": lw.LogUniform(0.1, 1.0)},
            metrics={"rmse": lw.metrics.RMSE()},
            objectives={name: "minimize"},
        )
