"""Which trainer trains what: the fastest that is right, and `fit` for what only Keras can do."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from lossweights.data import Data
from lossweights.training import TRAINERS, SerialTrainer, StackedTrainer
from lossweights.training._auto import FEW_TRIALS, choose_trainer
from lossweights.training._candidates import Candidates
from lossweights.training._stackable import NotStackable

from . import models
from .parity import assert_same, data, problem, train


class OwnStep(models.Subclassed):
    """A model with a training step of its own."""

    def train_step(self, batch):
        """Keras' own, but who could tell?"""
        return super().train_step(batch)


class OwnLoss(models.Subclassed):
    """A model that computes its loss in its own way."""

    def compute_loss(self, *args, **options):
        """Twice the loss."""
        return 2 * super().compute_loss(*args, **options)


class Counter(layers.Layer):
    """A layer that counts its calls where Keras does not see it; the effect is slight."""

    def __init__(self):
        super().__init__()
        self.calls = tf.Variable(0.0, trainable=False)

    def call(self, x):
        """The inputs, a little larger with every call."""
        self.calls.assign_add(1.0)
        return x * (1 + 1e-6 * self.calls)


class GlobalNoise(layers.Layer):
    """A layer that draws from TensorFlow's global generator; the effect is slight."""

    def call(self, x):
        """The inputs with noise."""
        return x + 1e-6 * tf.random.normal(tf.shape(x))


class UnseededNoise(layers.Layer):
    """A layer that draws from Keras' global generator; the effect is slight."""

    def call(self, x):
        """The inputs with noise."""
        return x + 1e-6 * keras.random.normal(ops.shape(x))


class PythonLayer(layers.Layer):
    """A layer that leaves the graph."""

    def call(self, x):
        """The inputs."""
        y = tf.numpy_function(np.copy, [x], tf.float32)
        y.set_shape(x.shape)
        return y


class Scaled(keras.optimizers.SGD):
    """An optimizer of the user's own."""

    def update_step(self, gradient, variable, learning_rate):
        """The step of SGD along the gradient over its norm, over all of the variable."""
        gradient = gradient / (ops.norm(gradient) + 1e-7)
        super().update_step(gradient, variable, learning_rate)


def with_layer(kind):
    """Builds a model with a layer of this kind."""
    return lambda: models.sequential((models.FEATURES,), layers.Dense(8), kind())


def mixed():
    """A model that computes in half precision."""
    policy = keras.DTypePolicy("mixed_bfloat16")
    return models.sequential((models.FEATURES,), layers.Dense(8, dtype=policy))


# What only `model.fit` trains rightly, and what is said of it.
ONLY_FIT = {
    "train_step": (OwnStep, {}, "train_step of its own"),
    "compute_loss": (OwnLoss, {}, "compute_loss of its own"),
    "mixed precision": (mixed, {}, "computes in bfloat16"),
    "own optimizer": (models.dense, {"optimizer": Scaled(0.1)}, "optimizer Scaled"),
    "muon": (models.dense, {"optimizer": keras.optimizers.Lamb()}, "optimizer Lamb"),
    "moving average": (
        models.dense, {"optimizer": keras.optimizers.SGD(use_ema=True)}, "uses use_ema"
    ),
    "counter": (with_layer(Counter), {}, "AssignAddVariableOp"),
    "global noise": (with_layer(GlobalNoise), {}, "RandomStandardNormal"),
    "unseeded noise": (with_layer(UnseededNoise), {}, "a variable that is not its own"),
    "python": (with_layer(PythonLayer), {}, "PyFunc"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("build_model", "options", "reason"), ONLY_FIT.values(), ids=ONLY_FIT.keys()
)
def test_what_only_fit_can_train_is_trained_by_fit(build_model, options, reason):
    """Stacks and serial graphs refuse it and say why; the choice says so too, and takes `fit`."""
    made, given = problem(build_model, **options), data()
    for make in (lambda *parts: StackedTrainer(*parts, size=4), SerialTrainer):
        with pytest.raises(NotStackable, match=reason) as raised:
            make(made, given)
        assert "trainer='fit'" in str(raised.value)
    chosen = choose_trainer(Candidates(made, given))
    assert (chosen.name, chosen.members, chosen.rates) == ("fit", 1, None)
    assert reason in chosen.why
    assert "\n" not in chosen.why


def test_a_masked_sequence_is_trained_one_after_another():
    """A loop over time with masks cannot be vectorised; one member at a time it can."""
    made, given = problem(models.masked_gru), data(models.masked_gru)
    with pytest.raises(NotStackable):
        StackedTrainer(made, given, size=4)
    assert choose_trainer(Candidates(made, given)).name == "serial"


def test_dense_layers_are_stacked():
    """Several members of a dense net are trained at once."""
    chosen = choose_trainer(Candidates(problem(), data()), trials=8)
    assert (chosen.name, chosen.members) == ("stacked", 8)
    assert chosen.why == "its layers can be stacked"


def over_images():
    """Trainers of convolutions whose patches are larger than what a processor's cache holds."""

    def build_model():
        return models.sequential(
            (32, 32, 8), layers.Conv2D(8, 3, padding="same"), layers.GlobalAveragePooling2D()
        )

    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(64, 32, 32, 8)), rng.normal(size=(64, 2)))
    return Candidates(problem(build_model, batch_size=64), Data(rows, rows))


def test_convolutions_over_images_train_one_after_another():
    """Filters of several members would need patches far larger than the images."""
    candidates = over_images()
    chosen = choose_trainer(candidates, trials=FEW_TRIALS)
    assert chosen.name in ("serial", "fit")
    assert chosen.rates.stacked == {}
    assert "one after another" in chosen.why
    few = choose_trainer(candidates, trials=FEW_TRIALS - 1)
    assert (few.name, few.rates, few.why) == ("serial", None, "it has convolutions over images")


@pytest.mark.parametrize(("card", "timed"), [(16 << 30, True), (64 << 20, False)])
def test_convolutions_over_images_are_timed_in_stacks_on_a_card(monkeypatch, card, timed):
    """As far as its memory has room for their patches; what is not timed is not stacked."""
    for module in ("_auto", "_sizes"):
        monkeypatch.setattr(f"lossweights.training.{module}.gpu_bytes", lambda: card)
    monkeypatch.setattr(
        "lossweights.training._auto.time_in_turns", lambda timed: dict.fromkeys(timed, 1.0)
    )
    candidates = over_images()
    chosen = choose_trainer(candidates, trials=FEW_TRIALS)
    assert bool(chosen.rates.stacked) == timed
    assert chosen.name == ("stacked" if timed else "serial")
    assert choose_trainer(candidates, trials=FEW_TRIALS - 1).name == "serial"


@pytest.mark.parametrize("trials", [FEW_TRIALS - 1, FEW_TRIALS])
def test_convolutions_over_small_images_are_stacked_only_if_that_was_measured(monkeypatch, trials):
    """Their patches are no larger than other activations."""
    monkeypatch.setattr(
        "lossweights.training._auto.time_in_turns", lambda timed: dict.fromkeys(timed, 1.0)
    )
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(64, 6, 6, 2)), rng.normal(size=(64, 2)))

    def build_model():
        return models.sequential((6, 6, 2), layers.Conv2D(2, 3), layers.GlobalAveragePooling2D())

    chosen = choose_trainer(Candidates(problem(build_model), Data(rows, rows)), trials=trials)
    assert chosen.name == ("serial" if trials < FEW_TRIALS else "stacked")


def test_convolutions_over_time_are_timed():
    """Where looking at a model does not tell, a few steps of each trainer do."""
    candidates = Candidates(problem(models.conv1d), data(models.conv1d))
    chosen = choose_trainer(candidates, trials=FEW_TRIALS)
    rates = chosen.rates
    assert sorted(rates.stacked) == [4, 8]  # half of the fewest at once, and these
    assert rates.serial > 0
    assert rates.fit > 0
    assert (chosen.name, chosen.members) == rates.best(8, 8)
    assert chosen.why == f"a training step takes each member {rates}"
    few = choose_trainer(candidates, trials=FEW_TRIALS - 1)
    assert (few.name, few.rates) == ("stacked", None)


def test_what_was_timed_trains_as_if_it_had_not_been():
    """Parameters, random states and optimizers are put back."""
    made, given = problem(models.dropout), data(models.dropout)
    timed, fresh = Candidates(made, given), Candidates(made, given)
    for name in TRAINERS:
        assert timed.get(name, 4).seconds_a_step(2) > 0
        found, expected = (train(trainers.get(name, 4)) for trainers in (timed, fresh))
        assert_same(found, expected, relative=0.0)
