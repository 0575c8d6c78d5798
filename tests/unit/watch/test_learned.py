"""Weights that are trained with the model: by hand, in Keras' own training, and nowhere else."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import lossweights as lw
from lossweights.base.errors import ModelError, WeightError
from lossweights.watch.learned import slopes, weighed

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="weights are learned on TensorFlow alone"
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 3)).astype("float32")
Y = (X @ RNG.normal(size=(3, 1)) + RNG.normal(size=(48, 1))).astype("float32")
LEARNED = lw.adaptive.Uncertainty(learned=True)
TERMS = {"mse": "mse", "mae": "mae", "off": "log_cosh"}


def make_loss(scales=None, terms=None, **weights):
    """Two terms that are on, of sum 3, and one that is off."""
    given = {"mse": 1.0, "mae": 2.0, "off": 0.0, **weights}
    return lw.CombinedLoss(terms or TERMS, given, scales=scales)


def make_model(loss, optimizer=None, kind=keras.Model, **options):
    """One layer, from the same start every time."""
    keras.utils.set_random_seed(1)
    x = keras.Input((3,))
    model = kind(x, layers.Dense(1)(x))
    model.compile(optimizer or keras.optimizers.SGD(0.1), loss=loss, **options)
    return model


def fit(model, *callbacks, epochs=3, **options):
    """A short training of three steps an epoch."""
    return model.fit(
        X, Y, batch_size=16, epochs=epochs, verbose=0, shuffle=False, callbacks=[*callbacks],
        **options,
    )  # fmt: skip


def learned_by(loss, **options):
    """The schedule of a short training of a new model."""
    schedule = lw.adaptive.schedule(loss, LEARNED, probe=(X, Y))
    fit(make_model(loss, **options), schedule)
    return schedule


def table(schedule, key="set"):
    """The weights of each epoch, of the two terms that are on."""
    return schedule.history[[f"{key}/mse", f"{key}/mae"]].to_numpy()


def test_a_step_by_hand():
    """Variances of 1: slopes of (1 - L) / 2, and of a rate of 0.1 weights by their exponentials."""
    units = np.array([2.0, 1.0, 0.0])
    slope = ops.convert_to_numpy(slopes(np.zeros(3), units, np.array([2.0, 0.5, np.nan])))
    np.testing.assert_allclose(slope, [-1.5, 0.25, 0.0])  # of magnitudes of 4 and 0.5, and off
    found = ops.convert_to_numpy(weighed(-0.1 * slope, units, 3.0))
    parts = np.exp([-0.15, 0.025])
    np.testing.assert_allclose(found, [*(3 * parts / parts.sum() * [2, 1]), 0.0], rtol=1e-6)


def test_what_has_no_slope_stays():
    """A magnitude below 0, or that is not finite; and variances go as far as they like."""
    units = np.ones(3)
    found = ops.convert_to_numpy(slopes(np.zeros(3), units, np.array([-1.0, np.inf, 0.0])))
    np.testing.assert_allclose(found, [0.0, 0.0, 0.5])
    far = np.array([-1e4, 1e4, 0.0], "float32")
    assert np.isfinite(ops.convert_to_numpy(slopes(far, units, np.ones(3)))).all()
    np.testing.assert_allclose(ops.convert_to_numpy(weighed(far, units, 2.0)), [2.0, 2e-8, 2e-8])


FROZEN = {"clipvalue": 1e-12, "weight_decay": 0.5}  # parameters of 0 stay


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.optimizers.SGD(0.1, **FROZEN),
        lambda: keras.optimizers.SGD(lambda: 0.1, **FROZEN),
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1, **FROZEN)),
    ],
    ids=["decayed", "computed", "scaled"],
)
def test_steps_are_those_of_the_optimizer_without_clipping_and_decay(make):
    """By hand, of a model that stands still, so that the magnitudes of all batches are known."""
    loss = make_loss()
    model = make_model(loss, make())
    model.set_weights([np.zeros((3, 1)), np.zeros(1)])
    schedule = lw.adaptive.schedule(loss, LEARNED, probe=(X, Y))
    fit(model, schedule, epochs=2)
    v, rows = np.zeros(2), []
    for y in [Y[start : start + 16].astype(float) for start in (0, 16, 32)] * 2:
        rows.append(3 * np.exp(-v) / np.exp(-v).sum())
        v = v - 0.1 * (0.5 - 0.5 * np.exp(-v) * [np.mean(y**2), np.mean(abs(y))])
    means = [np.mean(rows[:3], axis=0), np.mean(rows[3:], axis=0)]
    np.testing.assert_allclose(table(schedule), means, rtol=1e-5)
    last = 3 * np.exp(-v) / np.exp(-v).sum()
    assert [loss.weights["mse"], loss.weights["mae"]] == pytest.approx(last, rel=1e-5)


def test_the_sum_is_kept_and_what_is_off_stays_off():
    """In units of the scales, with `loss_weights` of Keras in what multiplies a term."""
    scales = {"mse": 4.0, "mae": 0.5, "off": 1.0}
    schedule = learned_by(make_loss(scales), loss_weights=[2.0])
    sets, weights = table(schedule), table(schedule, "weight")
    np.testing.assert_allclose(sets.sum(axis=1), 3.0, rtol=1e-6)
    np.testing.assert_allclose(weights, 2.0 * sets / [4.0, 0.5], rtol=1e-6)
    assert not schedule.history["set/off"].any()
    assert np.ptp(sets[:, 0]) > 0.01


def test_scales_are_units():
    """Terms divided by hand are learned as those that scales divide."""
    scales = {"mse": 4.0, "mae": 0.5, "off": 1.0}
    divided = {
        "mse": lambda y, p: ops.mean((p - y) ** 2, axis=-1) / 4.0,
        "mae": lambda y, p: ops.mean(abs(p - y), axis=-1) / 0.5,
        "off": "log_cosh",
    }
    by_scales, by_hand = learned_by(make_loss(scales)), learned_by(make_loss(terms=divided))
    np.testing.assert_allclose(table(by_scales), table(by_hand), rtol=1e-5)


def test_nothing_is_learned_of_validation_data_nor_after_the_training():
    """Nor of `evaluate`; the next training without the callback has fixed weights."""
    plain = learned_by(make_loss())
    loss = make_loss()
    schedule = lw.adaptive.schedule(loss, LEARNED, probe=(X, Y))
    model = make_model(loss)
    fit(model, schedule, validation_data=(100 * X, 100 * Y))
    np.testing.assert_array_equal(table(schedule), table(plain))
    left = loss.weights
    assert "train_step" not in vars(model)
    assert "compute_loss" not in vars(model)
    fit(model, epochs=1)
    model.evaluate(X, Y, verbose=0)
    assert loss.weights == left
    np.testing.assert_allclose(ops.convert_to_numpy(loss.multipliers), list(left.values()))


def test_a_second_training_begins_anew():
    """With equal weights, from those that the loss was given."""
    loss = make_loss()
    schedule = lw.adaptive.schedule(loss, LEARNED, probe=(X, Y))
    model = make_model(loss)
    fit(model, schedule)
    first = table(schedule)
    fit(make_model(loss), schedule)
    np.testing.assert_array_equal(table(schedule), first)


@pytest.mark.parametrize("steps", [2, 3])
def test_several_steps_an_execution_are_the_same(steps):
    """What an epoch was trained with is added up in the graph."""
    np.testing.assert_allclose(
        table(learned_by(make_loss(), steps_per_execution=steps)),
        table(learned_by(make_loss())),
        rtol=1e-6,
    )


def test_a_rate_that_callbacks_move_is_theirs_too():
    """At a rate of 0 nothing is learned."""
    stopped = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.1 if not epoch else 0.0)
    loss = make_loss()
    schedule = lw.adaptive.schedule(loss, LEARNED, probe=(X, Y))
    fit(make_model(loss), schedule, stopped)
    rows = table(schedule)
    assert rows[0, 0] != rows[1, 0]
    np.testing.assert_array_equal(rows[1], rows[2])


class Falls(keras.callbacks.Callback):
    """The magnitudes before and after every batch, times the weights that it was trained with."""

    def __init__(self, loss):
        super().__init__()
        self.loss, self.falls = loss, np.zeros(2)

    def _sizes(self):
        means = self.loss.components(Y, self.model(X))
        return np.array([float(means[name]) for name in ("mse", "mae")])

    def on_train_batch_begin(self, batch, logs=None):
        """Before."""
        self.before, self.weights = self._sizes(), self.loss.weights

    def on_train_batch_end(self, batch, logs=None):
        """After."""
        fallen = self.before - self._sizes()
        self.falls += fallen * [self.weights["mse"], self.weights["mae"]]


@pytest.mark.parametrize("first", ["monitor", "schedule"])
def test_decrease_shares_count_every_batch_with_its_weights(first):
    """As good as exactly, by the means of epochs: those added up batch by batch."""
    loss = make_loss()
    falls = Falls(loss)
    monitor = lw.TermMonitor(loss, probe=(X, Y), budget=None, gradients=None)
    schedule = lw.adaptive.schedule(loss, LEARNED, probe=(X, Y))
    both = [falls, *([monitor, schedule] if first == "monitor" else [schedule, monitor])]
    fit(make_model(loss), *both)
    share = monitor.verdict.decrease["mse"]
    assert share == pytest.approx(falls.falls[0] / falls.falls.sum(), rel=2e-2)
    recorded = monitor.history[["weight/mse", "weight/mae"]].to_numpy()[1:]
    np.testing.assert_allclose(recorded, table(schedule), rtol=1e-6)


def test_the_loss_may_be_that_of_the_model():
    """As where a sweep makes it; before a training there is none to tell."""
    schedule = lw.adaptive.schedule(None, LEARNED, probe=(X, Y))
    with pytest.raises(ModelError, match="Pass the loss to"):
        _ = schedule.loss
    loss = make_loss()
    fit(make_model(loss), schedule)
    assert schedule.loss is loss
    np.testing.assert_array_equal(table(schedule), table(learned_by(make_loss())))
    with pytest.raises(ModelError, match=r"compiled with one CombinedLoss\. Found 0"):
        fit(make_model("mse"), lw.adaptive.schedule(None, LEARNED, probe=(X, Y)))


class Own(keras.Model):
    """A training step of one's own, which says nothing of training to `compute_loss`."""

    def train_step(self, data):
        """As Keras' guide writes it."""
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}


class Another(Own):
    """One that computes its loss in another way."""

    def train_step(self, data):
        """Without `compute_loss`."""
        return {"loss": ops.mean(self(data[0]) - data[1])}


def test_training_steps_of_ones_own_are_followed_if_they_compute_the_loss():
    """Or refused in a sentence."""
    np.testing.assert_allclose(
        table(learned_by(make_loss(), kind=Own)), table(learned_by(make_loss())), rtol=1e-6
    )
    with pytest.raises(ModelError, match=r"its train_step does not call compute_loss\. Call self"):
        learned_by(make_loss(), kind=Another)


def test_what_learns_sets_no_weights_by_measurements():
    """Without Keras there is nothing to be trained with."""
    state = LEARNED.start({"mse": 1.0, "under": 3.0})
    assert state.weights == {"mse": 2.0, "under": 2.0}
    with pytest.raises(WeightError, match="trains them with the model"):
        LEARNED.step(state, {"mse": 3.0, "under": 1.0})
    with pytest.raises(WeightError, match=r"Expected learned as True or False\. Found 1"):
        lw.adaptive.Uncertainty(learned=1)
