"""Losses that a model adds by itself are a part of the loss like any other, told as ``model``."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import lossweights as lw
from lossweights.base.errors import InvalidName
from lossweights.data import Data
from lossweights.dominance.judge import judge_results
from lossweights.terms import as_term
from lossweights.training import FitTrainer, Member, SerialTrainer, StackedTrainer
from lossweights.training.problem import Problem

RNG = np.random.default_rng(3)
X = RNG.normal(size=(64, 3)).astype("float32")
Y = (X @ [[1.0], [-2.0], [0.5]] + RNG.normal(0, 0.1, (64, 1))).astype("float32")
PENALTY = 2.0


class AddsLoss(layers.Layer):
    """Adds a number for each row of a batch, their mean, or one in training alone."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def call(self, inputs, training=False):
        """The inputs as they are."""
        if self.kind == "sum":
            self.add_loss(ops.sum(ops.square(inputs)))
        elif self.kind == "mean":
            self.add_loss(ops.mean(ops.square(inputs)))
        elif training:
            self.add_loss(2.0 * ops.mean(ops.square(inputs)))
        return inputs


def regularized():
    """A linear model whose kernel begins large and is penalised."""
    return keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(1, kernel_initializer=keras.initializers.Constant(5.0),
                         kernel_regularizer=keras.regularizers.L2(PENALTY)),
        ]
    )  # fmt: skip


def watched(model, loss, epochs=4, **options):
    """A monitor that has watched a training in batches of 16."""
    model.compile(keras.optimizers.SGD(0.05), loss=loss)
    monitor = lw.TermMonitor(loss, probe=(X, Y), budget=None, **options)
    model.fit(X, Y, batch_size=16, epochs=epochs, verbose=0, callbacks=[monitor])
    return monitor


def test_a_penalty_of_the_kernel_has_its_share_of_the_decrease():
    """Magnitude, share and part of the decrease are those of the penalty in closed form."""
    model, loss = regularized(), lw.CombinedLoss({"mse": "mse"})
    monitor = watched(model, loss)
    kernel = np.asarray(model.layers[0].kernel)
    before, after = PENALTY * 3 * 25.0, PENALTY * float((kernel**2).sum())
    table = monitor.history
    assert table["magnitude/model"].iloc[0] == pytest.approx(before, rel=1e-5)
    assert table["magnitude/model"].iloc[-1] == pytest.approx(after, rel=1e-5)
    mse = table["magnitude/mse"]
    whole = before - after + mse.iloc[0] - mse.iloc[-1]
    verdict = monitor.verdict
    assert verdict.decrease["model"] == pytest.approx((before - after) / whole, rel=1e-5)
    assert str(verdict).startswith("model drove training (")
    assert verdict.share["model"] == pytest.approx(after / (after + mse.iloc[-1]), rel=1e-5)
    assert "regularisers" in verdict.paragraph
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(after + mse.iloc[-1], rel=1e-4)


@pytest.mark.parametrize(("kind", "factor"), [("sum", 16.0), ("mean", 1 / 3), ("training", 2 / 3)])
def test_what_a_layer_adds_is_that_of_a_training_batch(kind, factor):
    """A sum over 16 rows of a batch, a mean over their elements, a loss in training alone."""
    model = keras.Sequential([keras.Input((3,)), AddsLoss(kind), layers.Dense(1)])
    monitor = watched(model, lw.CombinedLoss({"mse": "mse"}), epochs=2)
    each = factor * float((X**2).sum(axis=1).mean())  # the inputs never change
    assert monitor.history["magnitude/model"].tolist() == pytest.approx([each] * 3, rel=1e-4)
    assert monitor.verdict.decrease["model"] == pytest.approx(0, abs=1e-4)


def test_gradients_of_a_penalty_are_measured():
    """The length of the gradient of ``c |w|^2`` is ``2 c |w|``; the parts of a step sum to one."""
    model, loss = regularized(), lw.CombinedLoss({"mse": "mse", "mae": "mae"})
    monitor = watched(model, loss, epochs=1)
    first = monitor.history.iloc[0]
    assert first["gradnorm/model"] == pytest.approx(2 * PENALTY * np.sqrt(75.0), rel=1e-4)
    parts = [first[f"contribution/{name}"] for name in ("mse", "mae", "model")]
    assert sum(parts) == pytest.approx(1, rel=1e-5)


def test_a_training_is_not_changed_by_the_monitor():
    """With sums over batches, losses in training alone and penalties: to the last bit."""

    def build():
        keras.utils.set_random_seed(1)
        return keras.Sequential(
            [
                keras.Input((3,)),
                AddsLoss("training"),
                layers.Dropout(0.2),
                layers.Dense(4, activity_regularizer="l2", kernel_regularizer="l1"),
                layers.BatchNormalization(),
                layers.Dense(1),
            ]
        )

    model, loss = build(), lw.CombinedLoss({"mse": "mse"})
    watched(model, loss)
    plain = build()
    plain.compile(keras.optimizers.SGD(0.05), loss=lw.CombinedLoss({"mse": "mse"}))
    plain.fit(X, Y, batch_size=16, epochs=4, verbose=0)
    for mine, theirs in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("trainer", [FitTrainer, SerialTrainer, StackedTrainer])
def test_every_trainer_tells_the_penalty(trainer):
    """Its magnitude is in all reports, and the verdict on the trial says that it drove."""
    problem = Problem(
        build_model=regularized, terms={"mse": as_term("mse", "mse")}, epochs=3, batch_size=16,
        metrics={"rmse": lw.metrics.RMSE()}, optimizer=keras.optimizers.SGD(0.05),
    )  # fmt: skip
    made = trainer(problem, Data(train=(X, Y), val=(X, Y)))
    results = made.train([Member({"mse": w}, 0) for w in (0.5, 1.0)], lambda *_: True)
    for result in results:
        first = result.reports[0]
        assert first.train["model"] == pytest.approx(PENALTY * 75, rel=1e-5)
        assert first.val["model"] == first.train["model"]
        assert result.parts == {**result.weights, "model": 1.0}
    verdicts = judge_results(dict(enumerate(results)), baseline={"mse": float(Y.var())})
    assert [verdict.driver for verdict in verdicts.values()] == ["model", "model"]


def test_no_term_may_have_the_name():
    """A term called ``model`` is refused, for its numbers could not be told apart."""
    with pytest.raises(InvalidName, match="'model'"):
        lw.CombinedLoss({"model": "mse"})
