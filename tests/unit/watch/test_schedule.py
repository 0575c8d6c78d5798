"""Adaptive weighting in real trainings: measured gradients, weights in force, what is recorded."""

import logging

import keras
import numpy as np
import pytest
from keras import layers

import lossweights as lw
from lossweights.base.errors import DataError, ModelError, TermError, WeightError
from lossweights.terms import Underestimation, on

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="gradients of terms are TensorFlow's"
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 3)).astype("float32")
Y = (X @ RNG.normal(size=(3, 2)) + 2.0 + RNG.normal(size=(48, 2))).astype("float32")
TERMS = ("mse", "mae", "under")
SCALES = {"mse": 5.0, "mae": 2.0, "under": 0.5}
METHODS = [
    lw.adaptive.DWA(),
    lw.adaptive.EnCodec(),
    lw.adaptive.GradNorm(),
    lw.adaptive.ReLoBRaLo(),
    lw.adaptive.SoftAdapt(),
    lw.adaptive.Uncertainty(),
]


def make_loss(scales=None, **weights):
    """Three terms, two of them convex and smooth nearly everywhere."""
    terms = {"mse": "mse", "mae": "mae", "under": Underestimation()}
    return lw.CombinedLoss(terms, {"mse": 1.0, "mae": 0.5, "under": 0.3, **weights}, scales=scales)


def make_model(loss):
    """One layer from the same start every time."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    model.compile(keras.optimizers.SGD(0.02), loss=loss)
    return model


def fit(model, *callbacks, epochs=4, **options):
    """A short training."""
    return model.fit(
        X, Y, batch_size=16, epochs=epochs, verbose=0, callbacks=list(callbacks), **options
    )


class Spy(keras.callbacks.Callback):
    """The weights that the last step of every epoch was trained with, and the model then."""

    def __init__(self, loss):
        super().__init__()
        self.loss, self.weights, self.models = loss, [], []

    def on_train_begin(self, logs=None):
        """The model before any training."""
        self.models.append(self.model.get_weights())

    def on_train_batch_end(self, batch, logs=None):
        """The weights as the graph reads them."""
        self.latest = keras.ops.convert_to_numpy(self.loss.multipliers).tolist()

    def on_epoch_end(self, epoch, logs=None):
        """What counted in this epoch."""
        self.weights.append(self.latest)
        self.models.append(self.model.get_weights())


def by_hand(kernel, bias):
    """Magnitudes of the three terms of a linear model, gradients at its output and parameters."""
    x, y = X.astype(np.float64), Y.astype(np.float64)
    e = x @ kernel.astype(np.float64) + bias - y
    magnitudes = [np.mean(e**2), np.mean(abs(e)), 2 * np.mean(np.maximum(-e, 0))]
    outputs = [g / e.size for g in (2 * e, np.sign(e), -2.0 * (e < 0))]
    parameters = [np.concatenate([(x.T @ g).ravel(), g.sum(axis=0)]) for g in outputs]
    return magnitudes, [g.ravel() for g in outputs], parameters


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_weights_follow_from_magnitudes_and_gradients_of_a_linear_model(method):
    """Those worked out by hand, from what the model was before every epoch."""
    loss = make_loss()
    schedule, spy = lw.adaptive.schedule(loss, method, probe=(X, Y)), Spy(loss)
    fit(make_model(loss), schedule, spy)
    state = method.start({"mse": 1.0, "mae": 0.5, "under": 0.3})
    for row, model in zip(schedule.history.to_dict("records"), spy.models, strict=False):
        magnitudes, outputs, parameters = by_hand(*model)
        vectors = np.array(outputs if method.gradients == "output" else parameters)
        gram = vectors @ vectors.T if method.gradients else None
        state = method.step(state, dict(zip(TERMS, magnitudes, strict=True)), gram)
        assert [row[f"weight/{n}"] for n in TERMS] == pytest.approx(
            list(state.weights.values()), rel=1e-4
        )
        assert [row[f"magnitude/{n}"] for n in TERMS] == pytest.approx(magnitudes, rel=1e-5)
    assert len(schedule.history) == 4


@pytest.mark.parametrize(
    ("method", "scales"), [(METHODS[0], None), *((method, SCALES) for method in METHODS)]
)
def test_history_is_what_each_epoch_was_trained_with(method, scales):
    """To float32, and the logs have it as well; the sum of the weights is kept."""
    loss = make_loss(scales)
    schedule, spy = lw.adaptive.schedule(loss, method, probe=(X, Y)), Spy(loss)
    logged = fit(make_model(loss), schedule, spy).history
    table = schedule.history
    assert list(table.index) == [1, 2, 3, 4]
    recorded = table[[f"weight/{name}" for name in TERMS]].to_numpy()
    np.testing.assert_allclose(recorded, spy.weights, rtol=1e-6)
    np.testing.assert_array_equal(recorded, np.transpose([logged[f"weight/{n}"] for n in TERMS]))
    weights = table[[f"set/{name}" for name in TERMS]].to_numpy()
    np.testing.assert_allclose(weights.sum(axis=1), 1.8)
    assert np.ptp(weights[-1]) > 0
    scale = np.array(list((scales or dict.fromkeys(TERMS, 1.0)).values()))
    np.testing.assert_allclose(recorded * scale, weights)


def test_scales_are_the_units_of_what_is_weighed():
    """Inverse magnitudes of scaled terms are those of the terms divided by their scales."""
    for each in (make_loss(SCALES), make_loss()):
        method = lw.adaptive.Uncertainty()
        schedule = lw.adaptive.schedule(each, method, probe=(X, Y))
        fit(make_model(each), schedule, epochs=1)
        row = schedule.history.loc[1]
        parts = np.array([row[f"weight/{n}"] * row[f"magnitude/{n}"] for n in TERMS])
        np.testing.assert_allclose(parts, parts.mean())


def test_encodec_gives_each_term_its_share_of_the_gradient_at_the_output():
    """As the weights of the loss say, scales or not: 1 to 0.5 to 0.3."""
    loss = make_loss(SCALES)
    model = make_model(loss)
    start = model.get_weights()
    schedule = lw.adaptive.schedule(loss, lw.adaptive.EnCodec(), probe=(X, Y))
    fit(model, schedule, epochs=1)
    lengths = [np.linalg.norm(g) for g in by_hand(*start)[1]]
    weighted = np.multiply(lengths, list(loss.effective_weights.values()))
    np.testing.assert_allclose(weighted / weighted.sum(), np.array([1, 0.5, 0.3]) / 1.8, rtol=1e-5)


def test_weights_move_without_a_new_trace():
    """One graph of the training step for all epochs, and the steps do follow the weights."""
    loss = make_loss()
    model, traces = make_model(loss), []
    train_step = model.train_step

    def traced(data):
        traces.append(len(traces))
        return train_step(data)

    model.train_step = traced
    schedule = lw.adaptive.schedule(loss, lw.adaptive.Uncertainty(), probe=(X, Y))
    fit(model, schedule, epochs=1)
    once = len(traces)
    fit(model, schedule, epochs=5)
    assert schedule.history["weight/mse"].nunique() == 5
    assert len(traces) == once > 0


def test_a_training_is_that_with_the_weights_set_by_hand():
    """Measuring changes nothing: the same parameters to the bit."""
    loss = make_loss()
    model = make_model(loss)
    schedule = lw.adaptive.schedule(loss, lw.adaptive.GradNorm(), probe=(X, Y))
    fit(model, schedule)
    rows = [
        {name: row[f"set/{name}"] for name in TERMS} for row in schedule.history.to_dict("records")
    ]
    again = make_loss()
    other = make_model(again)

    def set_weights(epoch, logs=None):
        again.set_weights(rows[epoch])

    fit(other, keras.callbacks.LambdaCallback(on_epoch_begin=set_weights))
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("method", METHODS[1:4], ids=lambda method: method.name)
def test_a_second_training_begins_anew(method):
    """From the weights that were given, not from those that the first one ended with."""
    loss = make_loss()
    schedule = lw.adaptive.schedule(loss, method, probe=(X, Y))
    fit(make_model(loss), schedule)
    first = schedule.history
    fit(make_model(loss), schedule)
    assert schedule.history.equals(first)


def test_weights_set_between_two_trainings_are_a_new_start():
    """The sum is theirs then, and the terms that are off."""
    loss = make_loss()
    schedule = lw.adaptive.schedule(loss, lw.adaptive.EnCodec(), probe=(X, Y))
    fit(make_model(loss), schedule, epochs=2)
    loss.set_weights({"mse": 2.0, "mae": 0.0, "under": 2.0})
    fit(make_model(loss), schedule, epochs=2)
    assert not schedule.history["weight/mae"].any()
    assert sum(loss.weights.values()) == pytest.approx(4.0)


@pytest.mark.parametrize("budget", [None, 1e-9])
@pytest.mark.parametrize("first", ["monitor", "schedule"])
def test_decrease_shares_use_the_weights_of_each_epoch(first, budget):
    """Whoever comes first, and though the budget allows no measurement."""
    loss = make_loss()
    schedule = lw.adaptive.schedule(loss, lw.adaptive.Uncertainty(), probe=(X, Y))
    monitor = lw.TermMonitor(loss, probe=(X, Y), budget=budget)
    both = [monitor, schedule] if first == "monitor" else [schedule, monitor]
    logged = fit(make_model(loss), *both, epochs=5).history
    columns = [f"weight/{name}" for name in TERMS]
    weights = schedule.history[columns].to_numpy()
    assert list(monitor.history.index) == [0, 1, 2, 3, 4, 5]
    np.testing.assert_array_equal(monitor.history[columns].to_numpy()[1:], weights)
    magnitudes = monitor.history[[f"magnitude/{name}" for name in TERMS]].to_numpy()
    fallen = (weights * -np.diff(magnitudes, axis=0)).sum(axis=0)
    shares = [monitor.history.loc[5, f"decrease/{name}"] for name in TERMS]
    np.testing.assert_allclose(shares, fallen / fallen.sum())
    assert logged["decrease/mse"][-1] == shares[0]


def test_weights_set_at_the_end_of_an_epoch_count_from_the_next_one():
    """A callback before the monitor has moved them when it measures."""
    loss = make_loss()
    monitor = lw.TermMonitor(loss, probe=(X, Y), budget=None)

    def set_weights(epoch, logs=None):
        loss.set_weights({"mse": 2.0 + epoch, "mae": 1.0, "under": 1.0})

    fit(make_model(loss), keras.callbacks.LambdaCallback(on_epoch_end=set_weights), monitor)
    assert list(monitor.history["weight/mse"]) == [1.0, 1.0, 2.0, 3.0, 4.0]


def test_weights_that_stay_cost_no_more_measurements():
    """A budget is kept where no weight moves."""
    loss = make_loss()
    monitor = lw.TermMonitor(loss, probe=(X, Y), budget=1e-9)
    fit(make_model(loss), monitor, epochs=5)
    assert len(monitor.history) < 6


def test_a_magnitude_that_is_not_finite_keeps_the_weights_and_is_told(caplog):
    """Once, with the reason in the history; the training goes on."""
    loss = make_loss()
    y = np.array(Y)
    y[3, 1] = np.nan
    schedule = lw.adaptive.schedule(loss, lw.adaptive.Uncertainty(), probe=(X, y))
    with caplog.at_level(logging.WARNING, logger="lossweights"):
        fit(make_model(loss), schedule, epochs=3)
    assert set(schedule.history["kept"]) == {"the magnitude of mse is not finite"}
    assert list(schedule.history["weight/mse"]) == pytest.approx([0.6] * 3)
    assert caplog.text.count("keeps the weights") == 1


def test_losses_of_other_outputs_have_no_part():
    """Terms on two outputs, one with a factor of ``compile`` that counts; a third is not theirs."""
    loss = lw.CombinedLoss({"a": on("one", "mse"), "b": on("two", "mae")}, {"a": 1.0, "b": 1.0})
    keras.utils.set_random_seed(1)
    inputs = keras.Input((3,))
    outputs = {name: layers.Dense(2, name=name)(inputs) for name in ("one", "two", "three")}
    model = keras.Model(inputs, outputs)
    y = dict.fromkeys(outputs, Y)
    model.compile(
        "sgd",
        loss={**loss.by_output(), "three": "mse"},
        loss_weights={"one": 1.0, "two": 4.0, "three": 9.0},
    )
    for method in (lw.adaptive.Uncertainty(), lw.adaptive.GradNorm(), lw.adaptive.EnCodec()):
        schedule = lw.adaptive.schedule(loss, method, probe=(X, y))
        model.fit(X, y, epochs=2, verbose=0, callbacks=[schedule])
        assert sum(loss.weights.values()) == pytest.approx(2.0)
        assert schedule.history.loc[2, "weight/b"] == pytest.approx(4 * loss.weights["b"])
        if method.name == "uncertainty":
            row = schedule.history.loc[2]
            assert row["weight/a"] * row["magnitude/a"] == pytest.approx(
                row["weight/b"] * row["magnitude/b"]
            )


def test_what_cannot_be_weighed_is_refused_in_a_sentence():
    """Before the training where that is possible."""
    loss, method = make_loss(), lw.adaptive.DWA()
    with pytest.raises(TermError, match="Expected a CombinedLoss"):
        lw.adaptive.schedule("mse", method, probe=(X, Y))
    with pytest.raises(TermError, match="with parentheses"):
        lw.adaptive.schedule(loss, lw.adaptive.DWA, probe=(X, Y))
    with pytest.raises(DataError, match="Expected arrays of one length"):
        lw.adaptive.schedule(loss, method, probe=(X, Y[:3]))
    with pytest.raises(WeightError, match="Expected a share"):
        lw.adaptive.schedule(loss, lw.adaptive.EnCodec(shares={"mse": 1.0}), probe=(X, Y))
    with pytest.raises(ModelError, match="another CombinedLoss"):
        fit(make_model(make_loss()), lw.adaptive.schedule(loss, method, probe=(X, Y)))
