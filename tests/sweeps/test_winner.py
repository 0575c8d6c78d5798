"""The saved winner is the trial that was picked, in every trainer, whatever its layers are."""

import json

import keras
import numpy as np
import pytest
from keras import layers

import lossweights as lw
from lossweights.report.summary import print_summary
from lossweights.results.result import SweepResult
from lossweights.results.weights import model_path

from .tiny import arguments

pytestmark = pytest.mark.usefixtures("without_report")

FEATURES, STEPS = 3, 2


def load_data():
    """A noisy series in three parts."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(60, STEPS, FEATURES)).astype("float32")
    y = x.mean(axis=1) @ [[1.0], [-2.0], [0.5]] + 1 + 0.1 * rng.normal(size=(60, 1))
    return lw.Data(train=(x[:36], y[:36]), val=(x[36:48], y[36:48]), test=(x[48:], y[48:]))


def recurrent():
    """Masks of two kinds, drawn anew in each batch; without a loop, which takes long to compile."""
    rnn = layers.SimpleRNN(4, dropout=0.3, recurrent_dropout=0.2, unroll=True)
    return keras.Sequential([keras.Input((STEPS, FEATURES)), rnn, layers.Dense(1)])


@keras.saving.register_keras_serializable(package="test_winner")
class Counting(layers.Layer):
    """Counts its calls, measurements too, and adds to its outputs what it has counted."""

    def build(self, _):
        """One number that no gradient reaches."""
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")

    def call(self, x):
        """The mean over time, and a hundredth of the number of calls before."""
        before = keras.ops.convert_to_tensor(self.calls) * 0.01
        self.calls.assign_add(1.0)
        return keras.ops.mean(x, axis=1) + before


def counting():
    """A model with such a layer."""
    return keras.Sequential([keras.Input((STEPS, FEATURES)), Counting(), layers.Dense(1)])


class Scaled(layers.Layer):
    """A layer that Keras does not know by name, with an argument and a parameter."""

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, _):
        """One parameter."""
        self.gain = self.add_weight(shape=(), initializer="ones", name="gain")

    def call(self, x):
        """The mean over time, scaled."""
        return keras.ops.mean(x, axis=1) * self.gain * self.factor

    def get_config(self):
        """Its argument."""
        return {**super().get_config(), "factor": self.factor}


class Opaque(Scaled):
    """A layer that cannot be described: what it returns is no JSON."""

    def get_config(self):
        """With something that Keras cannot write."""
        return {**super().get_config(), "lock": {1: object()}}


class Undescribed(Scaled):
    """A layer that raises where it is described."""

    def get_config(self):
        """As a layer raises that was never meant to be saved."""
        raise TypeError("cannot pickle '_thread.lock' object")


def with_layer(layer):
    """A model with such a layer."""
    return keras.Sequential([keras.Input((STEPS, FEATURES)), layer(2.0), layers.Dense(1)])


def scaled():
    """An unregistered layer."""
    return with_layer(Scaled)


def opaque():
    """What Keras cannot write."""
    return with_layer(Opaque)


def undescribed():
    """What raises instead."""
    return with_layer(Undescribed)


def anew():
    """Another start each time, whatever the seed."""
    start = keras.initializers.Constant(np.random.default_rng().normal(size=(FEATURES, 1)))
    mean = layers.GlobalAveragePooling1D()
    return keras.Sequential(
        [keras.Input((STEPS, FEATURES)), mean, layers.Dense(1, kernel_initializer=start)]
    )


def run(root, build_model, trainer, **changes):
    """Run a sweep of four trials of a model."""
    return gone_on_with(root, build_model, trainer, resume=False, **changes)


def gone_on_with(root, build_model, trainer, *, resume=True, **changes):
    """Go on with such a sweep, of which nothing is left to train."""
    given = {"build_model": build_model, "load_data": load_data, **changes}
    sweep = lw.Sweep(**arguments(**given))
    options = {"tracking": False, "quiet": True, "workers": 0, "confirm": 0, "resume": resume}
    return sweep.run(4, root=root, trainer=trainer, **options)


def assert_is_its_trial(model, result):
    """A model has the number of the trial that was picked, on the data that it was picked by."""
    val = load_data().val
    found = float(np.sqrt(np.mean((keras.ops.convert_to_numpy(model(val.x)) - val.y) ** 2)))
    assert found == pytest.approx(result.best("knee").metrics["rmse"], rel=1e-5)


TRAINERS = ("fit", "serial", "stacked")


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    """A sweep with masks drawn in each batch by each trainer: its result and its root."""
    roots = {trainer: tmp_path_factory.mktemp(trainer) / "mlruns" for trainer in TRAINERS}
    return {name: (run(root, recurrent, name), root) for name, root in roots.items()}


@pytest.mark.parametrize("trainer", TRAINERS)
def test_row_1_the_winner_under_dropout_has_the_number_of_its_trial(masked, trainer):
    """What is measured moves no random generator: the saved model is the trial that was picked."""
    result, root = masked[trainer]
    assert {finished.result.trainer for finished in result.finished.values()} == {trainer}
    assert result.remark == ""
    assert_is_its_trial(keras.models.load_model(model_path(root, "tiny")), result)


@pytest.mark.parametrize("trainer", TRAINERS[1:])
def test_row_1_trainers_pick_alike_under_dropout(masked, trainer):
    """Every trial is the same, and so is the pick."""
    found, wanted = masked[trainer][0], masked["fit"][0]
    assert found.best_number("knee") == wanted.best_number("knee")
    for metric in ("rmse", "shortfall"):
        np.testing.assert_allclose(found.trials[metric], wanted.trials[metric], 1e-5, 1e-7)


@pytest.mark.parametrize("trainer", TRAINERS)
def test_row_1_the_winner_whose_layers_assign_state_has_it_too(root, trainer):
    """A layer that assigns its state wherever it is called, in measurements too."""
    result = run(root, counting, trainer)
    assert result.remark == ""
    assert_is_its_trial(keras.models.load_model(model_path(root, "tiny")), result)


def test_row_1_a_winner_with_other_numbers_is_told(root, capsys, caplog):
    """In the log, in the result, in its record, in the ending and in what is printed; no error.

    What the trial itself ended with has its numbers, whatever it started with. In a sweep that is
    gone on with nobody holds that, and it is trained again.
    """
    result = run(root, anew, "fit", seeds=1)
    assert result.remark == ""
    assert_is_its_trial(keras.models.load_model(model_path(root, "tiny")), result)
    result = gone_on_with(root, anew, "fit", seeds=1)
    said = "The saved winner is not what trial "
    assert result.remark.startswith(said)
    wanted, folder = result.best("knee").metrics["rmse"], root / "studies" / "tiny"
    assert f"instead of {wanted:.6g}" in result.remark
    assert caplog.text.count(said) == 1
    known = json.loads((folder / "winner.json").read_text())
    assert known["remark"] == result.remark == SweepResult.read("tiny", root).remark
    assert f"rmse {known['val']['rmse']:.6g} instead of" in result.remark
    assert result.remark in json.loads((folder / "ending.json").read_text())["note"]
    print_summary(result, root)
    assert result.remark in capsys.readouterr().out
    val = load_data().val
    model = keras.models.load_model(model_path(root, "tiny"))
    found = float(np.sqrt(np.mean((keras.ops.convert_to_numpy(model(val.x)) - val.y) ** 2)))
    assert found == pytest.approx(known["val"]["rmse"], rel=1e-5)


def test_row_1_one_seed_of_several_is_that_of_the_winner(root):
    """The numbers of the trial are means; those of its first seed are compared."""
    result = run(root, counting, "fit", seeds=2)
    assert result.remark == ""


def test_row_10_a_layer_that_keras_does_not_know_is_saved(root):
    """By the user's own build_model; whoever loads the file names the class."""
    result = run(root, scaled, "serial")
    assert result.remark == ""
    path = model_path(root, "tiny")
    assert_is_its_trial(keras.models.load_model(path, custom_objects={"Scaled": Scaled}), result)


@pytest.mark.parametrize("build_model", [opaque, undescribed])
def test_row_10_a_model_that_cannot_be_written_leaves_its_parameters(root, build_model):
    """It is said, with the way to load them, and costs nothing else of the sweep."""
    result = run(root, build_model, "fit")
    path = model_path(root, "tiny")
    assert not path.exists()
    assert "TypeError" in result.remark
    assert "load_weights('knee.weights.h5')" in result.remark
    model = build_model()
    model.load_weights(path.with_name("knee.weights.h5"))
    assert_is_its_trial(model, result)
