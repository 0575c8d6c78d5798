"""Which trainer trains what: the fastest that is right, and `fit` for what only Keras can do."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from lossweights import trainers
from lossweights.data import Data
from lossweights.trainers import STACKS_TO_TRAIN, TRIALS_A_WORKER, Trainers
from lossweights.training import SerialTrainer, StackedTrainer, choose_trainer
from lossweights.training.stackable import NotStackable

from . import models
from .parity import data, problem


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
    trainer, why = choose_trainer(made, given)
    assert trainer.name == "fit"
    assert reason in why
    assert "\n" not in why


def test_a_masked_sequence_is_trained_one_after_another():
    """A loop over time with masks cannot be vectorised; one member at a time it can."""
    made, given = problem(models.masked_gru), data(models.masked_gru)
    with pytest.raises(NotStackable):
        StackedTrainer(made, given, size=4)
    trainer, _ = choose_trainer(made, given)
    assert trainer.name == "serial"


def test_dense_layers_are_stacked():
    """Several members of a dense net are trained at once."""
    trainer, why = choose_trainer(problem(), data())
    assert isinstance(trainer, StackedTrainer)
    assert trainer.capacity > 1
    assert why == "its layers can be stacked"


def test_convolutions_over_images_train_one_after_another():
    """Filters of several members would need patches far larger than the images."""

    def build_model():
        return models.sequential(
            (32, 32, 8), layers.Conv2D(8, 3, padding="same"), layers.GlobalAveragePooling2D()
        )

    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(64, 32, 32, 8)), rng.normal(size=(64, 2)))
    trainer, why = choose_trainer(problem(build_model, batch_size=64), Data(rows, rows))
    assert isinstance(trainer, SerialTrainer)
    assert why == "it has convolutions over images"


def test_convolutions_over_time_are_timed():
    """Where looking at a model does not tell, a few steps of both do."""
    trainer, why = choose_trainer(problem(models.conv1d), data(models.conv1d))
    assert trainer.name in ("stacked", "serial")
    other = {"stacked": "serial", "serial": "stacked"}[trainer.name]
    assert why.startswith("a step of a member measured")
    assert why.endswith(f"times faster than {other}")


@pytest.fixture
def machine(monkeypatch):
    """Sets the cores and the free memory, in bytes, that there seem to be."""

    def seems(cores, memory=1 << 40):
        monkeypatch.setattr(trainers, "available_cores", lambda: cores)
        monkeypatch.setattr(trainers, "free_bytes", lambda: memory)

    return seems


def test_a_few_stacks_are_trained_in_this_process_and_many_by_a_worker_a_core(machine):
    """From so many stacks on the workers are worth their start; the line says who trains."""
    machine(cores=4)
    made = Trainers(problem(), data())
    capacity = made.make("stacked").capacity
    many = STACKS_TO_TRAIN * capacity
    few = made.choose("auto", many - 1)
    assert few == trainers.Choice("stacked", 0, "its layers can be stacked", capacity)
    assert made.choose("auto", many) == trainers.Choice("stacked", 4, few.why, capacity)
    assert made.choose("stacked", many) == trainers.Choice("stacked", 4, "", capacity)


def test_every_seed_counts_as_a_training(machine):
    """Twice the seeds pay for the workers with half the trials."""
    machine(cores=2)
    made = Trainers(problem(), data(), seeds=2)
    many = STACKS_TO_TRAIN * made._make("stacked").capacity // 2
    assert [made.choose("stacked", trials).workers for trials in (many - 1, many)] == [0, 2]


def test_single_members_get_workers_too(machine):
    """One after another keeps one core busy."""
    machine(cores=2)
    made = Trainers(problem(), data())
    many = TRIALS_A_WORKER * 2
    assert [made.choose("fit", trials).workers for trials in (many - 1, many)] == [0, 2]


@pytest.mark.parametrize(
    ("cores", "memory", "workers"), [(1, 1 << 40, 0), (8, 7 << 29, 3), (8, 1 << 30, 0)]
)
def test_no_more_workers_than_cores_and_memory_have_room_for(machine, cores, memory, workers):
    """A worker is a TensorFlow of its own, with the data."""
    machine(cores, memory)
    assert Trainers(problem(), data()).choose("serial", 10_000).workers == workers


def test_every_worker_holds_the_data(machine, monkeypatch):
    """Three gigabytes of them, and memory for two workers with as much."""
    machine(cores=8, memory=15 << 30)
    given = data()
    assert given.nbytes == sum(a.nbytes for s in (given.train, given.val) for a in (s.x, s.y))
    monkeypatch.setattr(Data, "nbytes", 3 << 30)
    assert Trainers(problem(), given).choose("serial", 10_000).workers == 2


def test_beside_a_gpu_there_are_no_workers(machine, monkeypatch):
    """The first process would take all of its memory."""
    machine(cores=8)
    there = tf.config.list_physical_devices("CPU")
    monkeypatch.setattr(
        tf.config, "list_physical_devices", lambda kind=None: ["GPU:0"] if kind == "GPU" else there
    )
    assert Trainers(problem(), data()).choose("serial", 10_000).workers == 0


def test_a_trainer_that_is_named_is_not_built_where_there_is_nothing_to_choose():
    """Workers that were asked for build it themselves."""
    made = Trainers(problem(), data())
    assert made.choose("stacked", 0) == trainers.Choice("stacked")
    assert made._built == {}
