"""What a monitor says of trainings in which more than the parameters or one loss is at work."""

import keras
import numpy as np
import pytest
from keras import layers

import lossweights as lw
from lossweights.base.errors import ModelError
from lossweights.data import Data
from lossweights.dominance.judge import judge_results
from lossweights.terms import as_term
from lossweights.training import FitTrainer, Member, StackedTrainer
from lossweights.training.problem import Problem, rehearse
from lossweights.watch.probe import Probe

RNG = np.random.default_rng(7)
X = RNG.normal(2.0, 3.0, size=(96, 3)).astype("float32")
Y = (X @ [[1.0], [-2.0], [0.5]]).astype("float32")


def two_terms(**options):
    """Squared and absolute error."""
    return lw.CombinedLoss({"mse": "mse", "mae": "mae"}, **options)


def watched(model, loss, x=X, y=Y, epochs=2, **options):
    """A monitor that has watched a training of a compiled model."""
    monitor = lw.TermMonitor(loss, probe=(x, y), budget=None, **options)
    model.fit(x, y, batch_size=16, epochs=epochs, verbose=0, callbacks=[monitor])
    return monitor


def normalized():
    """A model whose moving averages begin far from the statistics of its data."""
    return keras.Sequential(
        [
            keras.Input((3,)), layers.Dense(4), layers.BatchNormalization(momentum=0.5),
            layers.Dense(4, activation="tanh"), layers.BatchNormalization(), layers.Dense(1),
        ]
    )  # fmt: skip


def test_moving_averages_that_warm_up_drive_nothing():
    """At learning rate 0 no parameter moves, and so nothing that is measured on training data."""
    model, loss = normalized(), two_terms()
    model.compile(keras.optimizers.SGD(0.0), loss=loss)
    monitor = watched(model, loss, epochs=6, validation=(X, Y))
    for name in ("mse", "mae"):
        assert np.ptp(monitor.history[f"magnitude/{name}"]) < 1e-6
        assert np.ptp(monitor.history[f"val_magnitude/{name}"]) > 0.01  # as the model is used
    assert str(monitor.verdict).startswith("Undetermined: the weighted loss hardly fell")


@pytest.mark.parametrize("trainer", [FitTrainer, StackedTrainer])
def test_moving_averages_drive_nothing_in_a_trial(trainer):
    """The same for every trainer, whose verdicts rest on what it measures."""
    problem = Problem(
        build_model=normalized, epochs=4, batch_size=16, optimizer=keras.optimizers.SGD(0.0),
        terms={"mse": as_term("mse", "mse"), "mae": as_term("mae", "mae")},
        metrics={"rmse": lw.metrics.RMSE()},
    )  # fmt: skip
    members = [Member({"mse": 1.0, "mae": w}, 0) for w in (0.5, 1.0)]
    results = trainer(problem, Data((X, Y), (X, Y))).train(members, lambda *_: True)
    for result in results:
        assert np.ptp(result.magnitudes(), axis=0) == pytest.approx([0, 0], abs=1e-4)
    assert all(verdict.undetermined for verdict in judge_results(dict(enumerate(results))).values())


def test_loss_weights_of_outputs_count():
    """Two equal outputs weighted 0.001 and 1 supply 0.1 % and 99.9 %, not a half each."""
    inputs = keras.Input((3,))
    outputs = {n: layers.Dense(1, name=n, kernel_initializer="zeros")(inputs) for n in "ab"}
    model = keras.Model(inputs, outputs)
    loss = lw.CombinedLoss({"one": lw.terms.on("a", "mse"), "two": lw.terms.on("b", "mse")})
    weights = {"a": 0.001, "b": 1.0}
    model.compile(keras.optimizers.SGD(0.01), loss=loss.by_output(), loss_weights=weights)
    monitor = watched(model, loss, y={"a": Y, "b": Y}, epochs=3)
    fallen = -monitor.history[["magnitude/one", "magnitude/two"]].diff().sum().to_numpy()
    expected = 0.001 * fallen[0] / (0.001 * fallen[0] + fallen[1])
    assert expected < 0.01
    assert monitor.verdict.decrease["one"] == pytest.approx(expected, rel=1e-4)
    assert monitor.history["weight/one"].tolist() == [0.001] * 4


@pytest.mark.parametrize("loss_weights", [0.25, [0.25], [keras.Variable(0.25)]])
def test_a_loss_weight_of_the_only_output_counts(loss_weights):
    """It multiplies all terms: parts stay as they are, weighted magnitudes do not."""
    model, loss = keras.Sequential([keras.Input((3,)), layers.Dense(1)]), two_terms()
    model.compile("sgd", loss=loss, loss_weights=loss_weights)
    table = watched(model, loss).history
    np.testing.assert_allclose(table["weighted/mse"], 0.25 * table["magnitude/mse"])


def two_outputs(kind):
    """A model of two outputs, in a dict or a list."""
    inputs = keras.Input((3,))
    a, b = (layers.Dense(1, name=name)(inputs) for name in "ab")
    return keras.Model(inputs, {"a": a, "b": b} if kind == "dict" else [a, b])


@pytest.mark.parametrize("kind", ["dict", "list"])
@pytest.mark.parametrize("other", ["mse", lw.CombinedLoss({"mse": "mse"})])
def test_the_loss_of_one_output_of_several(kind, other):
    """Its terms read that output; the other's loss is a part with Keras' name, and drove here."""
    model, loss = two_outputs(kind), two_terms()
    weights = {"a": 1.0, "b": 30.0}
    model.compile(keras.optimizers.SGD(1e-4), loss={"a": loss, "b": other}, loss_weights=weights)
    y = {"a": Y, "b": 3 * Y} if kind == "dict" else [Y, 3 * Y]
    monitor = watched(model, loss, y=y, validation=(X, y))
    a, b = keras.tree.flatten(model.predict(X, verbose=0))
    last = monitor.history.iloc[-1]
    assert last["magnitude/mse"] == pytest.approx(np.mean((Y - a) ** 2), rel=1e-4)
    assert last["magnitude/mae"] == pytest.approx(np.mean(np.abs(Y - a)), rel=1e-4)
    assert last["magnitude/b_loss"] == pytest.approx(np.mean((3 * Y - b) ** 2), rel=1e-4)
    assert last["weight/b_loss"] == 30.0
    assert monitor.verdict.driver == "b_loss"
    total = sum(last[f"weighted/{name}"] for name in ("mse", "mae", "b_loss"))
    assert model.evaluate(X, y, verbose=0, return_dict=True)["loss"] == pytest.approx(total, 1e-4)


class Subclassed(keras.Model):
    """A model that learns the shape of its inputs from the first batch."""

    def __init__(self):
        super().__init__()
        self.hidden, self.out = layers.Dense(4), layers.Dense(1)

    def call(self, inputs):
        """Two layers."""
        return self.out(self.hidden(inputs))


@pytest.mark.parametrize(
    "build", [Subclassed, lambda: keras.Sequential([layers.Dense(4), layers.Dense(1)])]
)
def test_a_model_that_is_not_built_is_built_from_the_probe(build):
    """It is watched, and trained as without a monitor, to the last bit."""
    trained = []
    for monitored in (True, False):
        keras.utils.set_random_seed(3)
        model, loss = build(), two_terms()
        model.compile("sgd", loss=loss)
        callbacks = [lw.TermMonitor(loss, probe=(X, Y))] if monitored else []
        model.fit(X, Y, batch_size=16, epochs=2, verbose=0, callbacks=callbacks)
        trained.append(model.get_weights())
        if monitored:
            assert callbacks[0].reports[0].gram is not None
    for one, other in zip(*trained, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_stateful_layer_is_refused():
    """What it saw between epochs would change its training, so that it is not looked at."""

    def build(rows):
        return keras.Sequential(
            [keras.Input((3, 1), batch_size=rows), layers.LSTM(2, stateful=True), layers.Dense(1)]
        )

    model, loss = build(rows=16), two_terms()
    model.compile("sgd", loss=loss)
    with pytest.raises(ModelError, match=r"carry their state .*: lstm"):
        watched(model, loss, x=X[:, :, None])
    problem = Problem(
        build_model=lambda: build(rows=2),
        terms={"mse": as_term("mse", "mse")},
        metrics={"rmse": lw.metrics.RMSE()},
    )
    with pytest.raises(ModelError, match="carry their state"):
        rehearse(problem, Data((X[:, :, None], Y), (X[:, :, None], Y)), seed=0)


class Sampling(layers.Layer):
    """Draws random numbers and counts its calls, also in inference."""

    def __init__(self):
        super().__init__()
        self.generator = keras.random.SeedGenerator(1)

    def build(self, shape):
        """A counter."""
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, inputs):
        """The inputs and noise."""
        self.calls.assign_add(1.0)
        return inputs + keras.random.normal(keras.ops.shape(inputs), seed=self.generator)


def test_layers_with_a_state_in_inference_are_left_as_they_are():
    """Random generators and counters are where a training without a monitor leaves them."""
    trained = []
    for monitored in (True, False):
        keras.utils.set_random_seed(3)
        model, loss = (
            keras.Sequential([keras.Input((3,)), Sampling(), layers.Dense(1)]),
            two_terms(),
        )
        model.compile("sgd", loss=loss)
        callbacks = [lw.TermMonitor(loss, probe=(X, Y), budget=None)] if monitored else []
        model.fit(X, Y, batch_size=16, epochs=2, verbose=0, callbacks=callbacks)
        trained.append([np.asarray(variable) for variable in model.variables])
    for one, other in zip(*trained, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_mask_over_thousands_of_rows():
    """The mean over all valid elements, where pieces of 2,048 rows have unlike many of them."""
    rows = 5000
    lengths = np.where(np.arange(rows) < 2500, 1, 6)
    words = (np.arange(6) < lengths[:, None]).astype("int32")
    y = RNG.normal(size=(rows, 6, 1)) * np.where(lengths == 1, 5, 1)[:, None, None]
    model = keras.Sequential(
        [keras.Input((6,), dtype="int32"), layers.Embedding(2, 3, mask_zero=True), layers.Dense(1)]
    )
    loss = lw.CombinedLoss({"mse": "mse"})
    found = Probe(model, loss, words, y.astype("float32")).measure().magnitudes["mse"]
    e = (y - np.asarray(model(words)))[words == 1]
    assert found == pytest.approx(np.mean(e**2), rel=1e-4)
    assert found == pytest.approx(float(loss(y, model(words))), rel=1e-4)


def test_moving_averages_before_a_penalty_of_activities_drive_nothing():
    """The model's own losses too are measured with the statistics of the rows."""
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.BatchNormalization(),
            layers.Dense(1, activity_regularizer=keras.regularizers.L2(0.1)),
        ]
    )
    loss = two_terms()
    model.compile(keras.optimizers.SGD(0.0), loss=loss)
    monitor = watched(model, loss, epochs=4)
    assert np.ptp(monitor.history["magnitude/model"]) < 1e-6
    assert monitor.verdict.undetermined


@pytest.mark.parametrize("loss_weights", [{"a": 0.001, "b": 1.0}, [0.001, 1.0]])
def test_one_loss_object_at_two_outputs(loss_weights):
    """It is told at the first, with that one's weight; at the second it is a part of its own."""
    model, loss = two_outputs("dict"), two_terms()
    model.compile("sgd", loss={"a": loss, "b": loss}, loss_weights=loss_weights)
    y = {"a": Y, "b": 3 * Y}
    table = watched(model, loss, y=y).history
    assert table["weight/mse"].tolist() == pytest.approx([0.001] * 3)
    total = sum(table[f"weighted/{name}"].iloc[-1] for name in ("mse", "mae", "b_loss"))
    told = model.evaluate(X, y, verbose=0, return_dict=True)["loss"]
    assert told == pytest.approx(total, rel=1e-4)


def test_one_loss_for_all_outputs():
    """Keras adds it up over the outputs: each is told."""
    model, loss = two_outputs("list"), two_terms()
    model.compile("sgd", loss=loss)
    y = [Y, 3 * Y]
    table = watched(model, loss, y=y).history
    total = sum(table[f"weighted/{name}"].iloc[-1] for name in ("mse", "mae", "b_loss"))
    told = model.evaluate(X, y, verbose=0, return_dict=True)["loss"]
    assert told == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("reduction", ["sum", "mean_with_sample_weight"])
def test_a_sum_beside_other_losses_is_refused(reduction):
    """It depends on how many samples a batch has: it cannot be weighed against a penalty."""
    loss = two_terms(reduction=reduction)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1, kernel_regularizer="l2")])
    model.compile("sgd", loss=loss)
    with pytest.raises(ModelError, match=f"reduction='{reduction}'"):
        watched(model, loss)
    alone = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    alone.compile(keras.optimizers.SGD(1e-4), loss=loss)
    assert watched(alone, loss).verdict.driver == "mse"


def test_a_mask_on_another_output():
    """The mean of its loss too is that of all valid elements, not of pieces of 2,048 rows."""
    rows = 4100
    lengths = np.where(np.arange(rows) < 2048, 1, 3)
    words = (np.arange(3) < lengths[:, None]).astype("int32")
    y = (RNG.normal(size=(rows, 3, 1)) * np.where(lengths == 1, 5, 1)[:, None, None]).astype("f4")
    inputs = keras.Input((3,), dtype="int32")
    hidden = layers.Embedding(2, 3, mask_zero=True)(inputs)
    outputs = {name: layers.Dense(1, name=name)(hidden) for name in "ab"}
    model, loss = keras.Model(inputs, outputs), lw.CombinedLoss({"mse": "mse"})
    model.compile("sgd", loss={"a": loss, "b": "mse"})
    found = Probe(model, loss, words, {"a": y, "b": y}).measure().magnitudes
    outputs = model(words)
    for name, output in (("mse", "a"), ("b_loss", "b")):
        e = (y - np.asarray(outputs[output]))[words == 1]
        assert found[name] == pytest.approx(np.mean(e**2), rel=1e-4)


class OwnLoss(keras.Model):
    """A model that trains on more than it was compiled with."""

    def compute_loss(self, *args, **kwargs):
        """The compiled loss and a number."""
        return super().compute_loss(*args, **kwargs) + 100.0


def test_a_loss_that_nobody_sees_is_mentioned():
    """What a model's own ``compute_loss`` adds cannot be measured, and the verdict says so."""
    inputs = keras.Input((3,))
    model, loss = OwnLoss(inputs, layers.Dense(1)(inputs)), two_terms()
    model.compile("sgd", loss=loss)
    assert "compute_loss of its own" in watched(model, loss).verdict.paragraph
