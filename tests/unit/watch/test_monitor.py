"""TermMonitor in real trainings: what it records, that it changes nothing, and when it stops."""

import csv
import logging
import math

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers, ops

import lossweights as lw
from lossweights import CombinedLoss
from lossweights.base.errors import DataError, ModelError, TermError
from lossweights.terms import Boundary, Underestimation, on
from lossweights.watch._budget import Meter
from lossweights.watch.monitor import TermMonitor

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="gradients of terms are TensorFlow's"
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 4)).astype("float32")
Y = (X @ RNG.normal(size=(4, 6)) + 3.0 + RNG.normal(size=(64, 6))).astype("float32")
TERMS = ("mse", "under", "boundary")


def make_loss(**weights):
    """Three terms of three families."""
    terms = {"mse": "mse", "under": Underestimation(), "boundary": Boundary(axes=1)}
    return CombinedLoss(terms, {"mse": 1.0, "under": 0.5, "boundary": 0.2, **weights})


def make_model(loss, optimizer="sgd", **dense):
    """One layer from the same start every time."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(6, **dense)])
    model.compile(optimizer, loss=loss.by_output() if _named(loss) else loss)
    return model


def _named(loss):
    return any(type(term).__name__ == "OnOutput" for term in loss.terms.values())


def train(loss=None, epochs=4, model=None, callbacks=(), **options):
    """A short training with a monitor that measures everything every epoch."""
    loss = make_loss() if loss is None else loss
    model = make_model(loss) if model is None else model
    options = {"budget": None, **options}
    monitor = TermMonitor(loss, (X, Y), **options)
    history = model.fit(
        X, Y, batch_size=16, epochs=epochs, verbose=0, callbacks=[monitor, *callbacks]
    )
    return monitor, history, model


def numbers(tensors):
    """Tensors by name as floats, to be compared."""
    return pytest.approx({name: float(value) for name, value in tensors.items()}, rel=1e-5)


class Interruption(keras.callbacks.Callback):
    """A person pressing Ctrl-C after the second epoch."""

    def on_epoch_end(self, epoch, logs=None):
        """Interrupt."""
        if epoch == 1:
            raise KeyboardInterrupt


class Schedule(keras.callbacks.Callback):
    """Other weights from the third epoch on."""

    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def on_epoch_begin(self, epoch, logs=None):
        """Set them."""
        if epoch == 2:
            self.loss.set_weights({"mse": 1.0, "under": 5.0, "boundary": 0.0})


def test_it_measures_before_the_first_epoch_and_after_each():
    """The first row is of the untrained model, the last one of the trained one."""
    loss = make_loss()
    untrained = loss.components(Y, make_model(loss)(X))
    monitor, _, model = train(loss)
    assert list(monitor.history.index) == [0, 1, 2, 3, 4]
    assert monitor.reports[0].train == numbers(untrained)
    assert monitor.reports[-1].train == numbers(loss.components(Y, model(X)))


def test_logs_reach_the_history():
    """Every key in every epoch, equal to the monitor's own table."""
    monitor, history, _ = train(validation=(X[:9], Y[:9]))
    logs, table = pd.DataFrame(history.history), monitor.history
    assert len(logs) == 4
    for name in TERMS:
        for key in ("magnitude", "share", "decrease", "val_magnitude", "gradnorm", "contribution"):
            np.testing.assert_array_equal(logs[f"{key}/{name}"], table[f"{key}/{name}"][1:])
    assert {"cosine/mse/under", "cosine/mse/boundary", "cosine/under/boundary"} < set(logs)
    np.testing.assert_allclose(logs.filter(like="decrease/").sum(axis=1), 1.0)
    np.testing.assert_allclose(logs.filter(like="contribution/").sum(axis=1), 1.0, rtol=1e-5)


def test_logs_reach_callbacks_after_it(tmp_path):
    """A CSV log that comes later in the list has the columns, with a number in each row."""
    path = tmp_path / "log.csv"
    monitor, _, _ = train(callbacks=[keras.callbacks.CSVLogger(str(path))])
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    written = [float(row["magnitude/under"]) for row in rows]
    assert written == pytest.approx(monitor.history["magnitude/under"][1:].tolist())


def test_a_callback_can_follow_a_term():
    """EarlyStopping on a magnitude stops, and the epoch it stopped at is measured."""
    stop = keras.callbacks.EarlyStopping(
        monitor="val_magnitude/under", mode="min", min_delta=100.0, patience=2
    )
    monitor, history, model = train(
        callbacks=[stop], epochs=9, validation=(X, Y), budget=1e-12, gradients=None
    )
    assert len(history.epoch) == 3
    assert list(monitor.history.index) == [0, 1, 3]
    assert monitor.reports[-1].train == numbers(monitor.loss.components(Y, model(X)))


@pytest.mark.parametrize("gradients", ["parameters", "output", None])
def test_training_is_not_changed(gradients):
    """Dropout, normalisation, shuffling, Adam: bit for bit what it is without a monitor."""

    def trained(callbacks):
        keras.utils.set_random_seed(3)
        loss = make_loss()
        model = keras.Sequential(
            [
                keras.Input((4,)),
                layers.Dense(8, activation="relu", activity_regularizer="l2"),
                layers.BatchNormalization(),
                layers.Dropout(0.3),
                layers.Dense(6),
            ]
        )
        model.compile("adam", loss=loss)
        watch = [TermMonitor(loss, (X, Y), gradients=gradients, budget=None)] if callbacks else []
        model.fit(X, Y, batch_size=16, epochs=3, verbose=0, callbacks=watch)
        return [variable.numpy() for variable in model.variables]

    for bare, watched in zip(trained(False), trained(True), strict=True):
        np.testing.assert_array_equal(bare, watched)


def test_a_duplicated_term():
    """One term under two names: parts as the weights, gradients in one direction."""
    loss = CombinedLoss({"one": "mse", "two": "mse"}, {"one": 0.25, "two": 0.75})
    monitor, _, _ = train(loss)
    assert monitor.verdict.decrease == pytest.approx({"one": 0.25, "two": 0.75})
    assert monitor.verdict.contribution == pytest.approx({"one": 0.25, "two": 0.75}, rel=1e-5)
    assert monitor.verdict.cosines["one/two"] == pytest.approx(1.0)


def test_a_term_scaled_and_a_constant_added():
    """A thousandfold term at a thousandth of the weight, and a constant, change no drive."""
    terms = {
        "mse": "mse",
        "under": lambda y, p: 1000.0 * ops.mean(2 * ops.relu(y - p), axis=-1) + 7.0,
    }
    changed, _, _ = train(CombinedLoss(terms, {"mse": 1.0, "under": 0.5e-3}))
    loss = CombinedLoss({"mse": "mse", "under": Underestimation()}, {"mse": 1.0, "under": 0.5})
    plain, _, _ = train(loss)
    assert changed.verdict.decrease == pytest.approx(plain.verdict.decrease, abs=1e-4)
    assert changed.verdict.words == plain.verdict.words
    loud, _, _ = train(CombinedLoss(terms, {"mse": 1.0, "under": 0.5}), model=None, epochs=1)
    assert loud.verdict.driver == "under"


def test_exact_conflict():
    """A term against its own negative: cosine -1, the lighter one sacrificed."""
    terms = {"up": "mse", "down": lambda y, p: -ops.mean(ops.square(y - p), axis=-1)}
    monitor, _, _ = train(CombinedLoss(terms, {"up": 1.0, "down": 0.5}))
    assert monitor.verdict.words == {"up": "drove", "down": "sacrificed"}
    assert monitor.verdict.cosines["up/down"] == pytest.approx(-1.0)
    assert monitor.verdict.decrease == pytest.approx({"up": 2.0, "down": -1.0}, rel=1e-4)


def test_one_epoch_and_one_term():
    """The least that can be judged."""
    monitor, _, _ = train(CombinedLoss({"mse": "mse"}), epochs=1)
    assert monitor.verdict.words == {"mse": "drove"}
    assert len(monitor.history) == 2


def test_an_interrupted_run():
    """After Ctrl-C the verdict is that of the epochs there were."""
    loss = make_loss()
    monitor = TermMonitor(loss, (X, Y), budget=None)
    with pytest.raises(KeyboardInterrupt):
        make_model(loss).fit(X, Y, verbose=0, epochs=9, callbacks=[monitor, Interruption()])
    assert list(monitor.history.index) == [0, 1, 2]
    assert monitor.verdict.driver == "mse"


def test_weights_that_move():
    """Each epoch counts with the weights it was trained with, and the table has them."""
    loss = make_loss()
    monitor, _, _ = train(loss, callbacks=[Schedule(loss)])
    assert monitor.history["weight/under"].tolist() == [0.5, 0.5, 0.5, 5.0, 5.0]
    before, after = monitor.history["magnitude/under"][:3], monitor.history["magnitude/under"][2:]
    fallen = 0.5 * (before.iloc[0] - before.iloc[-1]) + 5.0 * (after.iloc[0] - after.iloc[-1])
    table = monitor.history
    mse = table["magnitude/mse"].iloc[0] - table["magnitude/mse"].iloc[-1]
    assert monitor.verdict.decrease["under"] / monitor.verdict.decrease["mse"] == pytest.approx(
        fallen / mse
    )


def test_a_budget_leaves_measurements_out():
    """With next to no budget: before, after the first epoch, whose cost is not known, and last."""
    monitor, history, _ = train(epochs=6, budget=1e-12)
    assert list(monitor.history.index) == [0, 1, 6]
    assert {len(column) for column in history.history.values()} == {6}
    assert history.history["magnitude/mse"][1] == history.history["magnitude/mse"][4]
    assert monitor.history["gradnorm/mse"].notna().tolist() == [True, False, False]
    assert monitor.overhead.magnitudes.times == 2


def test_a_meter_keeps_to_its_allotment():
    """Over a long training the time spent stays below its part, give or take one measurement."""
    meter, trained = Meter(allotment=0.01), 0.0
    for _ in range(1000):
        trained += 1.0
        if meter.allows(trained):
            meter.times, meter.spent, meter.expected = meter.times + 1, meter.spent + 0.07, 0.07
        assert meter.spent <= 0.01 * trained + 0.07
    assert meter.times == pytest.approx(1000 * 0.01 / 0.07, abs=2)


def test_a_period_for_gradients():
    """Every second epoch means epochs 0, 2 and 4, whatever the budget."""
    monitor, _, _ = train(every=2, budget=1e-3)
    measured = monitor.history["gradnorm/mse"].dropna().index
    assert set(measured) <= {0, 2, 4}
    assert 4 in measured


def test_the_rows_of_the_probe():
    """All rows of a small set, 3 % of a large one within its bounds, and as many as asked for."""
    loss = make_loss()
    model = make_model(loss)
    x, y = np.tile(X, (100, 1)), np.tile(Y, (100, 1))
    for options, rows, pulls in (
        ({}, 256, 200),  # 3 % of 6,400 would be 192; a 32nd
        ({"budget": 0.1}, 640, 200),
        ({"budget": 0.5}, 1024, 200),
        ({"rows": 100}, 100, 100),
    ):
        monitor = TermMonitor(loss, (x, y), **options)
        model.fit(X, Y, epochs=1, verbose=0, callbacks=[monitor])
        assert monitor.overhead.rows == rows
        assert monitor.overhead.gradient_rows == pulls
    assert train()[0].overhead.rows == 64


def test_the_overhead_is_told():
    """Seconds of measuring, of training and once, and their ratio, in one line."""
    monitor, _, _ = train()
    overhead = monitor.overhead
    assert overhead.magnitudes.times == overhead.gradients.times == 4
    assert overhead.once > 0
    assert overhead.fraction == overhead.measuring / overhead.training > 0
    assert "4 times magnitudes on 64 rows, 4 times gradients on 64" in str(overhead)


def only_below(y_true, y_pred):
    """A term that is undefined where a prediction is above 2, and has no gradient anywhere."""
    return ops.mean(ops.sqrt(2.0 - ops.stop_gradient(y_pred)), axis=-1)


def root(y_true, y_pred):
    """A term with finite values and no gradient at 0."""
    return ops.mean(ops.sqrt(ops.square(y_pred)), axis=-1)


def test_a_term_that_is_not_finite_is_named(caplog):
    """The one term that went is named in the log and training stops there."""
    loss = CombinedLoss({"mse": "mse", "log": only_below}, {"mse": 1.0, "log": 1e-3})
    with caplog.at_level(logging.WARNING, "lossweights"):
        monitor, history, _ = train(loss, epochs=50)
    assert monitor.nonfinite == "term log"
    assert len(history.epoch) < 50
    assert "term log is not finite. Training stops." in caplog.text
    assert caplog.text.count("not finite") == 1
    assert math.isnan(monitor.reports[-1].train["log"])


def test_training_goes_on_if_asked():
    """Then every epoch is trained, and the verdict is of the finite part."""
    loss = CombinedLoss({"mse": "mse", "log": only_below}, {"mse": 1.0, "log": 1e-3})
    monitor, history, _ = train(loss, epochs=6, stop_on_nonfinite=False)
    assert len(history.epoch) == 6
    assert monitor.nonfinite == "term log"


def test_a_term_that_is_switched_off_may_be_undefined():
    """With the weight 0 it stops nothing, and its gradient neither."""
    loss = CombinedLoss(
        {"mse": "mse", "log": only_below, "root": root}, {"mse": 1.0, "log": 0.0, "root": 0.0}
    )
    monitor, history, _ = train(loss, model=make_model(loss, kernel_initializer="zeros"), epochs=50)
    assert monitor.nonfinite is None
    assert len(history.epoch) == 50
    assert math.isnan(monitor.reports[-1].train["log"])
    assert monitor.verdict.driver == "mse"


def test_a_gradient_that_is_not_finite_is_named():
    """A value of 0 with an undefined gradient is found before the first step is taken."""
    loss = CombinedLoss({"mse": "mse", "root": root})
    model = make_model(loss, kernel_initializer="zeros")
    monitor, _, _ = train(loss, model=model)
    assert monitor.nonfinite == "gradient of term root"
    assert monitor.reports[0].train["root"] == 0.0


def test_parameters_that_are_not_finite():
    """If all terms go at once, no single one is blamed."""
    loss = make_loss()
    model = make_model(loss, keras.optimizers.SGD(1e30))
    monitor, history, _ = train(loss, model=model)
    assert monitor.nonfinite == "a parameter of the model"
    assert len(history.epoch) == 1
    assert monitor.verdict.undetermined


def test_validation_data_that_break_a_term():
    """Said as such: on the training data all may be well."""
    loss = CombinedLoss({"mse": "mse", "log": only_below}, {"mse": 1.0, "log": 1e-3})
    model = make_model(loss, keras.optimizers.SGD(0.0))
    x = np.full((5, 4), 1e6, "float32") * np.sign(model.layers[0].kernel.numpy()[:, 0])
    model.layers[0].kernel.assign(1e-6 * model.layers[0].kernel)
    monitor, _, _ = train(loss, model=model, validation=(x * 1e6, Y[:5]))
    assert monitor.nonfinite == "term log on validation data"


def test_several_outputs():
    """Losses by output, targets as a list, terms named by their output."""
    inputs = keras.Input((4,))
    model = keras.Model(inputs, [layers.Dense(6, name=name)(inputs) for name in ("a", "b")])
    loss = CombinedLoss({"one": on("a", "mse"), "two": on("b", Underestimation())})
    model.compile("sgd", loss=loss.by_output())
    monitor = TermMonitor(loss, (X, [Y, Y]), budget=None)
    model.fit(X, [Y, Y], epochs=3, verbose=0, callbacks=[monitor])
    assert monitor.verdict.driver == "one"
    assert monitor.verdict.baseline is not None
    assert monitor.history["magnitude/two"].notna().all()


def test_weighted_samples():
    """The probe's weights count as those of ``fit`` do."""
    loss = make_loss()
    weight = RNG.uniform(0, 2, 64).astype("float32")
    monitor = TermMonitor(loss, (X, Y, weight), budget=None)
    model = make_model(loss)
    model.fit(X, Y, sample_weight=weight, epochs=1, verbose=0, callbacks=[monitor])
    assert monitor.reports[-1].train == numbers(loss.components(Y, model(X), weight))


def test_scales_count():
    """Weights in force are the effective ones, and the verdict knows the constant prediction."""
    loss = CombinedLoss({"mse": "mse", "under": Underestimation()}, scales="data")
    loss.adapt(Y)
    monitor, _, _ = train(loss, epochs=8, model=make_model(loss, keras.optimizers.SGD(0.5)))
    assert monitor.history["weight/mse"].iloc[0] == pytest.approx(loss.effective_weights["mse"])
    left = monitor.history[["weighted/mse", "weighted/under"]].iloc[-1].to_numpy()
    fallen = 1.0 - left  # a constant prediction costs 1 in every term
    assert list(monitor.verdict.baseline.values()) == pytest.approx(fallen / fallen.sum(), rel=1e-4)


def test_a_term_that_costs_a_constant_nothing():
    """Total variation of a constant is 0: that is what it costs."""
    loss = CombinedLoss({"mse": "mse", "smooth": lambda y, p: 0.0 * ops.mean(p, axis=-1)})
    monitor, _, _ = train(loss)
    assert monitor.verdict.driver == "mse"
    assert monitor._instruments.baseline() == {
        "mse": pytest.approx(float(Y.var(axis=0).mean())),
        "smooth": 0,
    }


def test_too_little_training_is_told():
    """Far from the optimum the offset still pulls; at the optimum it does not."""
    early, _, _ = train(epochs=1)
    assert any("trained too little" in warning for warning in early.verdict.warnings)
    loss = make_loss()
    model = make_model(loss, keras.optimizers.SGD(0.2))
    late, _, _ = train(loss, epochs=30, model=model, gradients=None)
    assert not any("trained too little" in warning for warning in late.verdict.warnings)


def test_a_second_training_starts_anew():
    """The monitor forgets the first, and counts epochs as ``fit`` does."""
    loss = make_loss()
    model = make_model(loss)
    monitor = TermMonitor(loss, (X, Y), budget=None)
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[monitor])
    first = monitor.reports[-1].train
    model.fit(X, Y, epochs=5, initial_epoch=2, verbose=0, callbacks=[monitor])
    assert list(monitor.history.index) == [2, 3, 4, 5]
    assert monitor.reports[0].train == pytest.approx(first)


def test_the_figure():
    """Three panels with a line for each term, the sentence as title; two without gradients."""
    monitor, _, _ = train()
    figure = monitor.plot()
    assert len(figure.data) == 9
    assert figure.layout.title.text == str(monitor.verdict)
    drawn = [trace for trace in figure.data if trace.name == "under"]
    np.testing.assert_array_equal(drawn[1].y, monitor.history["decrease/under"].dropna())
    assert len(train(gradients=None)[0].plot().data) == 6


def test_nothing_to_tell_before_a_training():
    """The verdict says so; overhead and figure are refused with the way on."""
    monitor = TermMonitor(make_loss(), (X, Y))
    assert monitor.verdict.undetermined
    assert monitor.history.empty
    for read in (lambda: monitor.overhead, monitor.plot):
        with pytest.raises(ModelError, match="callbacks="):
            read()


def test_another_loss_is_refused():
    """A model compiled with another combined loss would be watched with the wrong weights."""
    monitor = TermMonitor(make_loss(), (X, Y))
    with pytest.raises(ModelError, match=r"Pass model\.loss to TermMonitor"):
        make_model(make_loss()).fit(X, Y, verbose=0, callbacks=[monitor])


def test_a_loss_written_by_hand_can_be_watched():
    """Terms can be measured in a training whose sum is somebody's own function."""
    loss = make_loss()
    model = make_model(loss)
    model.compile("sgd", loss=lambda y, p: loss.call(y, p))
    monitor, _, _ = train(loss, model=model)
    assert monitor.verdict.driver == "mse"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"loss": "mse"}, TermError, "Expected a CombinedLoss"),
        ({"probe": X}, DataError, "probe="),
        ({"validation": (X, Y[:3])}, DataError, "one length above 0 in validation"),
        ({"gradients": "inputs"}, ValueError, "Expected gradients among"),
        ({"budget": 0.0}, ValueError, "Expected budget above 0"),
        ({"every": -1}, ValueError, "Expected every above 0"),
        ({"rows": 0}, ValueError, "Expected rows above 0"),
    ],
)
def test_what_is_refused(options, error, message):
    """Mistakes show when the monitor is made, before any training."""
    with pytest.raises(error, match=message):
        TermMonitor(**{"loss": make_loss(), "probe": (X, Y), **options})


def test_a_second_training_of_the_model_is_measured_as_by_a_new_monitor():
    """Graphs are kept between trainings, numbers are not; a layer that was frozen is noticed."""
    loss = make_loss()
    model = keras.Sequential([keras.Input((4,)), layers.Dense(5), layers.Dense(6)])
    kept = TermMonitor(loss, probe=(X, Y), budget=None)
    for frozen in (False, False, True):
        model.layers[0].trainable = not frozen
        model.compile("sgd", loss=loss)
        fresh = TermMonitor(loss, probe=(X, Y), budget=None)
        model.fit(X, Y, epochs=2, verbose=0, callbacks=[kept, fresh])
        pd.testing.assert_frame_equal(kept.history, fresh.history)
        assert kept.verdict.to_json() == fresh.verdict.to_json()


def test_repr_says_how_to_make_it_and_a_notebook_shows_the_verdict():
    """Every public object is one short line, whatever data it holds."""
    x, y = np.linspace(0, 1, 64)[:, None], np.linspace(1, 3, 64)[:, None]
    loss = lw.CombinedLoss(
        {"mse": "mse", "under": lw.terms.Boundary(axes=1)}, {"mse": 1, "under": 2}
    )
    made = "CombinedLoss({'mse': MeanSquaredError(), 'under': Boundary(axes=(1,))}, "
    assert repr(loss) == made + "{'mse': 1.0, 'under': 2.0})"
    assert repr(lw.metrics.RMSE()) == "RMSE()"
    assert repr(lw.Data(train=(x, y), val=(x, y))) == "Data(train=<64 rows>, val=<64 rows>)"
    monitor = lw.TermMonitor(lw.CombinedLoss({"mse": "mse"}), probe=(x, y), gradients=None)
    assert repr(monitor) == (
        "TermMonitor(CombinedLoss({'mse': MeanSquaredError()}, {'mse': 1.0}), probe=<64 rows>)"
    )
    assert "no training has started" in monitor._repr_html_()
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", loss=monitor.loss)
    model.fit(x, y, epochs=1, verbose=0, callbacks=[monitor])
    assert monitor.verdict.sentence in monitor._repr_html_()
