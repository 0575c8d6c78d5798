"""A weight of 0 switches a term off, however ill-defined the term is there."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import lossweights as lw
from lossweights.metrics import RMSE
from lossweights.records import Outcome
from lossweights.training import FitTrainer, Member, SerialTrainer, StackedTrainer
from lossweights.training.problem import Problem
from lossweights.watch.gradients import GradientProbe, calibration_residual

pytestmark = pytest.mark.science

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 3)).astype("float32")
Y = (X @ [[1.0], [2.0], [-1.0]] + 1.0).astype("float32")


def no_number(y_true, y_pred):
    """NaN everywhere, and so is its gradient."""
    return ops.sqrt(y_pred - ops.stop_gradient(y_pred) - 1.0)


def infinite(y_true, y_pred):
    """Infinite everywhere, with a gradient that is infinite or undefined."""
    return 1.0 / (y_pred - ops.stop_gradient(y_pred))


def steep(y_true, y_pred):
    """Zero, with an infinite gradient."""
    return ops.sqrt(ops.abs(y_pred - ops.stop_gradient(y_pred)))


ILL = {"NaN": no_number, "infinite": infinite, "infinite slope": steep}
OFF, ON = {"mse": 1.0, "log": 0.0}, {"mse": 1.0, "log": 1.0}


def build_model():
    """A small model that starts at the same values each time the seed is set."""
    return keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)]
    )


def fitted(loss, by_output=False):
    """Losses by epoch, and the parameters at the end."""
    keras.utils.set_random_seed(1)
    x = keras.Input((3,))
    model = keras.Model(
        x, {"out": keras.layers.Dense(1)(x)} if by_output else keras.layers.Dense(1)(x)
    )
    model.compile(keras.optimizers.SGD(0.05), loss=loss.by_output() if by_output else loss)
    y = {"out": Y} if by_output else Y
    history = model.fit(X, y, epochs=3, shuffle=False, verbose=0)
    return history.history["loss"], model.get_weights()


@pytest.mark.parametrize("ill", ILL.values(), ids=ILL)
def test_loss_and_gradient(ill):
    """Both are those of the other terms alone, with every kind of weight and mask."""
    loss = lw.CombinedLoss({"mse": "mse", "log": ill}, OFF)
    alone = lw.CombinedLoss({"mse": "mse"})
    for weight in (None, np.linspace(0, 1, 48, dtype="float32"), np.ones((48, 1), "float32")):
        for each in (loss, alone):
            p = tf.Variable(0.5 * Y)
            with tf.GradientTape() as tape:
                value = each(Y, p, weight)
            slope = tape.gradient(value, p).numpy()
            if each is loss:
                found = float(value), slope
        assert found[0] == float(value)
        np.testing.assert_array_equal(found[1], slope)


@pytest.mark.parametrize("ill", ILL.values(), ids=ILL)
@pytest.mark.parametrize("by_output", [False, True])
def test_fit(ill, by_output):
    """A training is that without the term, also where each output has a loss of its own."""
    place = (lambda term: lw.terms.on("out", term)) if by_output else (lambda term: term)
    terms = {"mse": place("mse"), "log": place(ill)}
    losses, parameters = fitted(lw.CombinedLoss(terms, OFF), by_output)
    expected, alone = fitted(lw.CombinedLoss({"mse": "mse"}))
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    for found, wanted in zip(parameters, alone, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_a_term_is_switched_off_and_on_without_a_new_trace():
    """`set_weights` to 0 counts from the next step on, in the graph that there is."""
    traces = []

    def counting(y_true, y_pred):
        traces.append(1)
        return no_number(y_true, y_pred)

    loss = lw.CombinedLoss({"mse": "mse", "log": counting}, OFF)
    model = build_model()
    model.compile(keras.optimizers.SGD(0.0), loss=loss)
    first = model.train_on_batch(X, Y)
    loss.set_weights({"mse": 2.0, "log": 0.0})
    assert model.train_on_batch(X, Y) == pytest.approx(2 * first)
    loss.set_weights({"mse": 0.0, "log": 1.0})
    assert math.isnan(model.evaluate(X, Y, verbose=0))
    assert len(traces) == 2  # of a step, and of evaluation


def test_magnitudes_are_told_as_undefined():
    """What is switched off is not 0: its magnitude stays what it is."""
    means = lw.CombinedLoss({"mse": "mse", "log": no_number}, OFF).components(Y, 0.5 * Y)
    assert math.isnan(float(means["log"]))
    assert float(means["mse"]) > 0


TRAINERS = {
    "fit": FitTrainer,
    "serial": SerialTrainer,
    "stacked": lambda *given: StackedTrainer(*given, size=4),
}


def trained(name, terms, members):
    """The results of members under a trainer."""
    problem = Problem(
        build_model=build_model,
        terms={key: lw.terms.as_term(term, key) for key, term in terms.items()},
        metrics={"rmse": RMSE()},
        optimizer=keras.optimizers.SGD(0.05),
        epochs=2,
        batch_size=16,
    )
    trainer = TRAINERS[name](problem, lw.Data(train=(X, Y), val=(X[:20], Y[:20])))
    return trainer.train([Member(weights, 3) for weights in members], lambda *_: True)


@pytest.mark.parametrize("name", TRAINERS)
def test_trainers(name):
    """Beside one that the term ruins, a member that has it off is trained as if without it."""
    off, on, again = trained(name, {"mse": "mse", "log": no_number}, [OFF, ON, OFF])
    (alone,) = trained("fit", {"mse": "mse"}, [{"mse": 1.0}])
    for member in (off, again):
        assert member.outcome is Outcome.COMPLETE, member.reason
        assert member.metrics["rmse"] == pytest.approx(alone.metrics["rmse"], rel=1e-5)
        last, wanted = member.reports[-1], alone.reports[-1]
        assert math.isnan(last.train["log"])
        assert last.train["mse"] == pytest.approx(wanted.train["mse"], rel=1e-5)
        assert last.gram["mse"]["mse"] == pytest.approx(wanted.gram["mse"]["mse"], rel=1e-3)
        assert last.calibration == pytest.approx(wanted.calibration, rel=1e-3, abs=1e-4)
    assert on.outcome is Outcome.DIVERGED
    assert on.reason.startswith("term log was not finite")


def load_data():
    """The data of a sweep."""
    return lw.Data(train=(X, Y), val=(X[:20], Y[:20]))


def test_a_sweep_of_the_other_terms(tmp_path):
    """A term that the space fixes at 0 may be undefined before, in and after all trainings."""
    sweep = lw.Sweep(
        name="off",
        build_model=build_model,
        load_data=load_data,
        terms={"mse": "mse", "under": lw.terms.Underestimation(), "log": no_number},
        space={"mse": lw.Fixed(1), "under": lw.LogUniform(0.1, 10.0), "log": lw.Fixed(np.int64(0))},
        metrics={"rmse": RMSE()},
        objectives={"rmse": "minimize"},
        epochs=np.int64(2),
        seed=np.int64(1),
    )
    result = sweep.run(trials=np.int64(4), root=tmp_path, quiet=True, tracking=False, confirm=0)
    assert result.trials["outcome"].tolist() == ["COMPLETE"] * 4
    assert result.best("knee").weights["log"] == 0.0
    assert "diverged" not in result.verdict


def test_gradients_of_the_other_terms():
    """Their Gram matrix and the output's calibration are those without the term."""
    keras.utils.set_random_seed(0)
    model = build_model()
    loss = lw.CombinedLoss(
        {"log": no_number, "mse": "mse", "mae": "mae"}, {"log": 0.0, "mse": 1.0, "mae": 1.0}
    )
    alone = lw.CombinedLoss({"mse": "mse", "mae": "mae"})
    for wrt in ("parameters", "output"):
        gram = GradientProbe(model, loss, X, Y, wrt=wrt).measure()
        np.testing.assert_allclose(
            gram[1:, 1:], GradientProbe(model, alone, X, Y, wrt=wrt).measure(), rtol=1e-6
        )
        assert np.isnan(gram[0, 0])
    found = calibration_residual(model, loss, X, Y)
    assert found == pytest.approx(calibration_residual(model, alone, X, Y))


def test_monitor():
    """It watches on, tells the term's magnitude as undefined, and who of the others drove."""
    loss = lw.CombinedLoss({"mse": "mse", "log": no_number}, OFF)
    keras.utils.set_random_seed(0)
    model = build_model()
    model.compile(keras.optimizers.SGD(0.05), loss=loss)
    monitor = lw.TermMonitor(loss, probe=(X, Y), validation=(X, Y), budget=None)
    logs = model.fit(X, Y, epochs=4, verbose=0, callbacks=[monitor]).history
    assert monitor.nonfinite is None
    assert len(logs["loss"]) == 4
    assert np.isnan(logs["magnitude/log"]).all()
    assert logs["share/mse"] == [1.0] * 4
    assert logs["decrease/mse"][-1] == 1.0
    assert logs["contribution/mse"][-1] == 1.0
    assert monitor.verdict.driver == "mse"
    assert monitor.verdict.decrease == {"mse": 1.0, "log": 0.0}


def test_monitor_still_stops_for_a_term_that_counts():
    """With a weight above 0 the same term ends the training, by name."""
    loss = lw.CombinedLoss({"mse": "mse", "log": no_number}, ON)
    model = build_model()
    model.compile(keras.optimizers.SGD(0.05), loss=loss)
    monitor = lw.TermMonitor(loss, probe=(X, Y), gradients=None)
    model.fit(X, Y, epochs=4, verbose=0, callbacks=[monitor])
    assert monitor.nonfinite == "term log"
