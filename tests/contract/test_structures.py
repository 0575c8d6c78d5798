"""Inputs and outputs in lists and dicts are the same to every trainer."""

import keras
import numpy as np
import pytest
from keras import layers

import lossweights as lw
from lossweights.data import Data
from lossweights.training import Adaptive, FitTrainer, Member, SerialTrainer, StackedTrainer

from .parity import SEED, assert_same, problem, train

TRAINERS = {"stacked": lambda *given: StackedTrainer(*given, size=4), "serial": SerialTrainer}
RNG = np.random.default_rng(2)
A, B = RNG.normal(size=(40, 3)), RNG.normal(size=(40, 2))
Y, Z = np.tanh(A[:, :1] + B[:, :1]), np.abs(A[:, 1:] - B)


def two_inputs(form):
    """Builds a model that takes its two inputs in this form."""

    def build_model():
        a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
        hidden = layers.Concatenate()([layers.Dense(6, activation="tanh")(a), b])
        return keras.Model(form(a, b), layers.Dense(1)(hidden))

    return build_model


def two_outputs(form):
    """Builds a model that gives its two outputs in this form."""

    def build_model():
        x = keras.Input((3,))
        hidden = layers.Dense(6, activation="tanh")(x)
        y, z = layers.Dense(1, name="y")(hidden), layers.Dense(2, name="z")(hidden)
        return keras.Model(x, form(y, z))

    return build_model


FORMS = {
    "list": lambda a, b: [a, b],
    "dict": lambda a, b: {"a": a, "b": b},
}


@pytest.mark.parametrize(
    ("trainer", "form"), [("stacked", "list"), ("stacked", "dict"), ("serial", "dict")]
)
def test_several_inputs(trainer, form):
    """Inputs in a list or a dict reach the layers that they are for."""
    form = FORMS[form]
    made = problem(two_inputs(form))
    given = Data((form(A, B), Y), (form(A[:9], B[:9]), Y[:9]))
    assert_same(train(TRAINERS[trainer](made, given)), train(FitTrainer(made, given)))


OUTPUT_TERMS = {
    "y_mse": lw.terms.on("y", "mse"),
    "z_log_cosh": lw.terms.on("z", "log_cosh"),
    "z_mse": lw.terms.on("z", "mse"),
}
OUTPUT_METRICS = {
    "rmse": lw.metrics.on("y", lw.metrics.RMSE()),
    "mae": lw.metrics.on("z", lw.metrics.MAE()),
}
OUTPUT_MEMBERS = [
    Member({"y_mse": 1.0, "z_log_cosh": w, "z_mse": 0.5}, SEED) for w in (0.0, 0.7, 3.0)
]
OUTPUTS = {"list": lambda y, z: [y, z], "dict": lambda y, z: {"y": y, "z": z}}


@pytest.mark.parametrize(
    ("form", "weighted"), [("list", False), ("dict", True)], ids=["list", "dict weighted"]
)
@pytest.mark.parametrize("trainer", TRAINERS)
def test_several_outputs(trainer, form, weighted):
    """Terms and metrics on outputs see their own output and target; one weight counts for all."""
    form = OUTPUTS[form]
    made = problem(two_outputs(form), OUTPUT_TERMS, metrics=OUTPUT_METRICS)
    weight = [RNG.uniform(0.1, 2, 40)] if weighted else []
    given = Data((A, form(Y, Z), *weight), (A[:9], form(Y[:9], Z[:9])))
    found = train(TRAINERS[trainer](made, given), OUTPUT_MEMBERS)
    assert_same(found, train(FitTrainer(made, given), OUTPUT_MEMBERS))


def test_adaptive_weights_of_several_outputs():
    """Gradients at all outputs, and test metrics by output, as in `fit`."""
    made = problem(two_outputs(OUTPUTS["dict"]), OUTPUT_TERMS, metrics=OUTPUT_METRICS)
    part = (A, OUTPUTS["dict"](Y, Z))
    given = Data(part, part, part)
    units = {"y_mse": 1.0, "z_log_cosh": 2.0, "z_mse": 0.5}
    members = [
        Member(dict.fromkeys(OUTPUT_TERMS, 1.0), SEED, Adaptive(method, units), tested=True)
        for method in (lw.adaptive.EnCodec(), lw.adaptive.GradNorm())
    ]
    found = train(StackedTrainer(made, given, size=2), members)
    expected = train(FitTrainer(made, given), members)
    assert_same(found, expected)
    for one, other in zip(found, expected, strict=True):
        assert one.test == pytest.approx(other.test, rel=1e-4)
        last = one.reports[-1].weights
        assert last == pytest.approx(other.reports[-1].weights, rel=1e-4)
        assert last != one.reports[0].weights
