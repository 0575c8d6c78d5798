"""Every trainer gives the numbers of `model.fit`, for every kind of layer and optimizer."""

import keras
import numpy as np
import pytest

from lossweights.training import FitTrainer, Member, SerialTrainer, StackedTrainer

from . import models
from .parity import MEMBERS, SEED, assert_parity, assert_same, data, problem, train

TRAINERS = {"stacked": lambda *given: StackedTrainer(*given, size=4), "serial": SerialTrainer}
# Loops over time take long to trace; the others are near to what is tested always.
SLOW = (
    "lstm", "bidirectional", "gru", "masked_gru", "activations", "group_normalization",
    "unit_normalization", "noise", "separable_conv1d", "conv3d",
    "amsgrad", "adadelta", "adamax", "nadam", "decay",
)  # fmt: skip


def sparing(name, *values):
    """A case for `pytest.mark.parametrize` that is left to the slow tests if it is one."""
    marks = [pytest.mark.slow] if name.rpartition("-")[2] in SLOW else []
    return pytest.param(*values, id=name, marks=marks)


def cases():
    """Each trainer with the layers that it is for."""
    for trainer, layers in (("stacked", models.STACKED), ("serial", models.SERIAL)):
        for layer, build_model in layers.items():
            yield sparing(f"{trainer}-{layer}", TRAINERS[trainer], build_model)


@pytest.mark.parametrize(("make", "build_model"), list(cases()))
def test_every_layer_is_trained_as_by_fit(make, build_model):
    """A member has the magnitudes, metrics and gradients of a training alone by `model.fit`."""
    assert_parity(make, build_model)


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.02),
    "momentum": lambda: keras.optimizers.SGD(0.01, momentum=0.9),
    "nesterov": lambda: keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(0.01, beta_1=0.8, beta_2=0.99),
    "amsgrad": lambda: keras.optimizers.Adam(0.01, amsgrad=True),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adagrad": lambda: keras.optimizers.Adagrad(0.05),
    "adadelta": lambda: keras.optimizers.Adadelta(1.0),
    "adamax": lambda: keras.optimizers.Adamax(0.01),
    "nadam": lambda: keras.optimizers.Nadam(0.01),
    "lion": lambda: keras.optimizers.Lion(0.001),
    "schedule": lambda: keras.optimizers.Adam(
        keras.optimizers.schedules.ExponentialDecay(0.05, 3, 0.5, staircase=True)
    ),
    "decay": lambda: keras.optimizers.SGD(0.02, momentum=0.5, weight_decay=0.1),
    "clipvalue": lambda: keras.optimizers.Adam(0.01, clipvalue=0.05),
    "clipnorm": lambda: keras.optimizers.SGD(0.05, clipnorm=0.1),
    "global_clipnorm": lambda: keras.optimizers.SGD(0.05, global_clipnorm=0.1),
    "adam_clipnorm": lambda: keras.optimizers.Adam(0.01, global_clipnorm=0.1),
}


@pytest.mark.parametrize("name", [sparing(name, name) for name in OPTIMIZERS])
def test_every_optimizer_updates_each_member_as_if_alone(name):
    """Momentum, decay, schedules and clipping act on a member as in a training of its own."""
    assert_parity(TRAINERS["stacked"], optimizer=OPTIMIZERS[name]())


@pytest.mark.parametrize("name", ["momentum", "adagrad", "clipnorm", "global_clipnorm"])
def test_sparse_gradients_are_those_of_keras(name):
    """Keras squares and clips the gradients of looked-up rows before it adds them up."""
    assert_parity(TRAINERS["stacked"], models.embedding, optimizer=OPTIMIZERS[name]())


@pytest.mark.parametrize("trainer", TRAINERS)
def test_sample_weights_count_as_in_fit(trainer):
    """Weights of samples act on training, magnitudes and metrics."""
    assert_parity(TRAINERS[trainer], weighted=True)


@pytest.mark.parametrize("batch_size", [64, 20, 1])
def test_batches_of_any_size_are_those_of_fit(batch_size):
    """One batch larger than the data, batches that divide them, and batches of one row."""
    assert_parity(TRAINERS["stacked"], batch_size=batch_size, epochs=2)


def test_double_precision_is_kept():
    """In float64 parameters agree to 1e-11: what is left in float32 is rounding."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        made, given = problem(models.attention, optimizer="adamw"), data(models.attention)
        fit, stacked = FitTrainer(made, given), StackedTrainer(made, given, size=4)
        train(stacked)
        for position, member in enumerate(MEMBERS):
            train(fit, [member])
            pairs = zip(fit.parameters(0), stacked.parameters(position), strict=True)
            for expected, found in pairs:
                assert found.dtype == np.float64
                np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("build_model", [models.dense, models.dropout, models.batch_normalization])
def test_seeds_may_differ_within_a_call(build_model):
    """Members of several seeds start, shuffle and draw random numbers each as their own seed."""
    members = [Member(m.weights, seed) for seed in (SEED, 7) for m in MEMBERS[:2]]
    assert_parity(TRAINERS["stacked"], build_model, members=members[::-1])


def test_more_members_than_places_train_in_several_stacks():
    """Seven members in stacks of four are trained as one by one, and told in their order."""
    members = [Member({"mse": 1.0, "log_cosh": w}, SEED) for w in range(7)]
    assert_parity(TRAINERS["stacked"], members=members, epochs=2)


def test_parameters_are_those_of_fit():
    """A model with the parameters handed back predicts what the model that was fitted does."""
    made, given = problem(models.batch_normalization), data(models.batch_normalization)
    fit, stacked = FitTrainer(made, given), StackedTrainer(made, given, size=4)
    train(stacked)
    train(fit, MEMBERS[2:])
    model = made.make_model(seed=99)
    model.set_weights(stacked.parameters(2))
    x = given.val.x
    np.testing.assert_allclose(model(x), fit.model(x), rtol=1e-4, atol=1e-6)
    with pytest.raises(LookupError, match="one of"):
        stacked.parameters(3)


def test_a_stack_of_one_is_a_stack():
    """Size 1 needs no vectorisation, and gives the same."""
    made, given = problem(), data()
    assert_same(train(StackedTrainer(made, given, size=1)), train(FitTrainer(made, given)))
