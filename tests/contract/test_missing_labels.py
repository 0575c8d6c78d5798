"""Unknown labels are NaN: left out alike by terms, scales, magnitudes and metrics, everywhere."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import lossweights as lw
from lossweights.base.errors import DataError, MetricError, RecipeError, TermError
from lossweights.data import Data
from lossweights.metrics import known as known_metric
from lossweights.terms import describe, from_description, known
from lossweights.training import FitTrainer, Member, SerialTrainer, StackedTrainer

from .parity import SEED, assert_same, problem, train

RNG = np.random.default_rng(7)
X = RNG.normal(size=(40, 4)).astype("float32")
FULL = (X[:, :3] + 0.3 * RNG.normal(size=(40, 3))).astype("float32")
Y = np.where(RNG.uniform(size=FULL.shape) < 0.4, np.nan, FULL).astype("float32")
Y[:3] = np.nan  # samples of which nothing is known
KNOWN = ~np.isnan(Y)


def build_model():
    """A model that predicts three values."""
    return keras.Sequential([keras.Input((4,)), layers.Dense(6, "tanh"), layers.Dense(3)])


def huber_of_elements(y, p):
    """A smooth error of each element."""
    return ops.sqrt(1.0 + ops.square(y - p)) - 1.0


TERMS = {"mse": known("mse"), "own": known(huber_of_elements)}
METRICS = {"rmse": known_metric(lw.metrics.RMSE()), "mae": known_metric(lw.metrics.MAE())}


def means(p, weight=None, rows=40):
    """The mean of each term over all known elements, samples weighted."""
    e, known = (Y[:rows] - p)[KNOWN[:rows]], KNOWN[:rows]
    w = np.ones(rows) if weight is None else weight
    w = np.broadcast_to(w[:, None], known.shape)[known]
    return {"mse": np.mean(w * e**2), "own": np.mean(w * (np.sqrt(1 + e**2) - 1))}


def test_terms_leave_unknown_elements_out():
    """In fit and in a monitor values are means over known elements, and no gradient is NaN."""
    keras.utils.set_random_seed(3)
    model, loss = build_model(), lw.CombinedLoss(TERMS, {"mse": 1.0, "own": 2.0})
    model.compile("sgd", loss=loss)
    weight = RNG.uniform(0.5, 2.0, 40)
    expected = means(model.predict(X, verbose=0), weight)
    found = model.evaluate(X, Y, sample_weight=weight, batch_size=40, verbose=0)
    assert found == pytest.approx(expected["mse"] + 2 * expected["own"], rel=1e-5)
    monitor = lw.TermMonitor(loss, probe=(X, Y))
    model.fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=[monitor])
    expected = means(model.predict(X, verbose=0))
    assert monitor.reports[-1].train == pytest.approx(expected, rel=1e-5)
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_a_batch_of_nothing_costs_nothing():
    """Where no label is known the loss is 0, and so is its gradient."""
    import tensorflow as tf

    p = tf.Variable(np.ones((2, 3), "float32"))
    with tf.GradientTape() as tape:
        value = lw.CombinedLoss(TERMS)(np.full((2, 3), np.nan), p)
    assert float(value) == 0.0
    assert np.all(tape.gradient(value, p) == np.zeros((2, 3)))


@pytest.mark.parametrize("trainer", ["stacked", "serial"])
def test_every_trainer_leaves_unknown_labels_out(trainer):
    """Stacked and serial training give what `fit` gives, in chunks with more and less known."""
    made = problem(build_model, terms=TERMS, metrics=METRICS)
    given = Data((X, Y), (X[:11], Y[:11]), missing="nan")
    members = [Member({"mse": 1.0, "own": w}, SEED) for w in (0.0, 0.3, 4.0)]
    fit = FitTrainer(made, given)
    expected = train(fit, members)
    make = SerialTrainer if trainer == "serial" else lambda *g: StackedTrainer(*g, size=4)
    assert_same(train(make(made, given), members), expected)
    last, p = expected[-1].reports[-1], fit.model.predict(X, verbose=0)
    assert last.train == pytest.approx(means(p), rel=1e-5)
    of_val = means(p[:11], rows=11)
    assert last.val == pytest.approx(of_val, rel=1e-5)
    assert last.metrics["rmse"] == pytest.approx(np.sqrt(of_val["mse"]), rel=1e-5)


def test_scales_leave_unknown_labels_out():
    """Scales are those of the known targets, channel by channel, by formula and by search."""
    found = lw.reference_scales({**TERMS, "mae": known("mae")}, Y)
    mean, median = np.nanmean(Y, axis=0), np.nanmedian(Y, axis=0)
    assert found["mse"] == pytest.approx(np.nanmean((Y - mean) ** 2), rel=1e-5)
    assert found["mae"] == pytest.approx(np.nanmean(np.abs(Y - median)), rel=1e-5)
    assert found["own"] < np.nanmean(np.sqrt(1 + (Y - mean) ** 2) - 1) * 1.0001
    many = np.tile(Y, (2000, 1))
    assert lw.reference_scales({"m": known("mse")}, many)["m"] == pytest.approx(found["mse"], 1e-4)


def test_classes_that_are_unknown():
    """Cross-entropies leave out rows whose class is unknown, one-hot or a number."""
    p = RNG.dirichlet(np.ones(3), 6).astype("float32")
    labels = np.array([0.0, 2.0, np.nan, 1.0, np.nan, 0.0])
    one_hot = np.where(
        np.isnan(labels)[:, None], np.nan, np.eye(3)[np.nan_to_num(labels).astype(int)]
    )
    left = [0, 1, 3, 5]
    expected = -np.mean(np.log(p[left, labels[left].astype(int)]))
    for loss, y in (
        ("categorical_crossentropy", one_hot),
        ("sparse_categorical_crossentropy", labels),
    ):
        assert float(known(loss)(y, p)) == pytest.approx(expected, rel=1e-5)
    some = one_hot.copy()
    some[0, 1] = np.nan
    value = -np.mean(np.log(p[[1, 3, 5], [2, 1, 0]]))
    assert float(known("categorical_crossentropy")(some, p)) == pytest.approx(value, rel=1e-5)


def test_masks_that_are_unknown_in_part():
    """Dice leaves unknown pixels out of both masks, as a term and as a metric."""
    y = (RNG.uniform(size=(2, 6, 6, 1)) > 0.5).astype("float32")
    p = RNG.uniform(0.1, 0.9, size=y.shape).astype("float32")
    unknown = RNG.uniform(size=y.shape) < 0.3
    mask = np.where(unknown, np.nan, y)
    sums = [(a * ~unknown).reshape(2, -1).sum(axis=1) for a in (y * p, y + p)]
    count = (~unknown).reshape(2, -1).sum(axis=1)
    expected = np.average(1 - 2 * sums[0] / sums[1], weights=count)
    assert float(known(lw.terms.Dice())(mask, p)) == pytest.approx(expected, rel=1e-5)
    metric, hard = known_metric(lw.metrics.Dice()), (p > 0.5) & ~unknown
    true = (y > 0.5) & ~unknown
    both, each = ((m.reshape(2, -1).sum(axis=1)) for m in (hard & true, hard * 1 + true))
    assert metric.evaluate(mask, p) == pytest.approx(np.mean(2 * both / each))
    assert float(metric.value(metric.sums(mask, p))) == pytest.approx(np.mean(2 * both / each))
    with pytest.raises(MetricError, match="known or unknown as a whole"):
        known_metric(lw.metrics.HD95()).evaluate(mask, p)


def test_on_one_output_between_outputs_and_on_channels():
    """What reads a part of the target leaves out what is unknown in that part."""
    y, p = {"a": Y[:, :1], "b": FULL[:, :1]}, {"a": FULL[:, 1:2], "b": FULL[:, 2:3]}
    rows = KNOWN[:, 0]
    on = known(lw.terms.on("a", "mse"))
    expected = np.mean((Y[rows, :1] - p["a"][rows]) ** 2)
    assert float(on(y, p)) == pytest.approx(expected, rel=1e-5)
    between = known(lw.terms.on(("a", "b"), lambda y, p: ops.square(y["a"] - p["b"])))
    expected = np.mean((Y[rows, :1] - p["b"][rows]) ** 2)
    assert float(between(y, p)) == pytest.approx(expected, rel=1e-5)
    priced = known(
        lw.terms.reading(lambda y, p, price: ops.square(y - p) * price, target=0, price=1)
    )
    both = np.concatenate([Y[:, :1], FULL[:, :1] ** 2], axis=-1)
    expected = np.mean((Y[rows, :1] - p["a"][rows]) ** 2 * both[rows, 1:])
    assert float(priced(both, p["a"])) == pytest.approx(expected, rel=1e-5)
    crossed = lw.metrics.on(("a", "b"), lambda y, p: y["a"] > p["b"], better="smaller")
    found = known_metric(crossed).evaluate(y, p)
    assert found == pytest.approx(np.mean(Y[rows, :1] > p["b"][rows]))


def test_a_function_of_samples_cannot_leave_elements_out():
    """It would count what it was not shown, so it is refused where elements may be unknown."""
    of_samples = known(lambda y, p: ops.mean(ops.square(y - p), axis=-1))
    with pytest.raises(TermError, match=r"weights.*of shape \(40, 3\) for values of shape \(40,\)"):
        of_samples(Y, FULL)
    rows = np.where(np.arange(40)[:, None] < 9, np.nan, FULL)[:, :1]
    found = float(of_samples(rows, FULL[:, 1:2]))
    assert found == pytest.approx(np.mean((FULL[9:, :1] - FULL[9:, 1:2]) ** 2), rel=1e-5)


PRICE = np.where(np.arange(40)[:, None] % 3 == 0, np.nan, 1.0 + FULL[:, 1:2] ** 2)
PRICED = np.concatenate([Y[:, :1], PRICE], axis=-1).astype("float32")


def in_money(y, p, price):
    """A squared error in money."""
    return ops.square(y - p) * price


def test_an_element_is_unknown_where_what_is_read_beside_it_is():
    """An extra or a weight that is NaN leaves the element out, for the terms that read it alone."""
    import tensorflow as tf

    p, both = FULL[:, 2:], np.isfinite(PRICED).all(axis=-1)
    e = (PRICED[:, :1] - p) ** 2
    expected = np.mean((e * PRICE)[both])
    beside = {"extra": known(lw.terms.reading(in_money, target=0, price=1)),
              "weight": known(lw.terms.reading("mse", target=0, weight=1))}  # fmt: skip
    for term in beside.values():
        prediction = tf.Variable(p)
        with tf.GradientTape() as tape:
            value = term(PRICED, prediction)
        assert float(value) == pytest.approx(expected, rel=1e-5)
        assert np.isfinite(tape.gradient(value, prediction)).all()
    alone = known(lw.terms.reading("mse", target=0))
    assert float(alone(PRICED, p)) == pytest.approx(np.nanmean(e), rel=1e-5)
    metric = lw.metrics.reading(lambda y, p, price: (y - p) ** 2 * price, target=0, price=1,
                                better="smaller")  # fmt: skip
    assert known_metric(metric).evaluate(PRICED, p) == pytest.approx(expected, rel=1e-5)
    scales = lw.reference_scales(beside, PRICED, output_shape=(None, 1))
    y, w = PRICED[both, 0], PRICE[both, 0]
    best = np.mean(w * (y - np.average(y, weights=w)) ** 2)
    assert scales == pytest.approx({"extra": best, "weight": best}, rel=1e-3)
    with pytest.raises(TermError, match="target to be named"):
        known(lw.terms.reading("mse", weight=1))


def test_unknown_extras_are_left_out_in_a_stack():
    """As in `fit`, and magnitudes are means over what is known."""
    terms = {"mse": known(lw.terms.reading("mse", target=0)),
             "own": known(lw.terms.reading(in_money, target=0, price=1))}  # fmt: skip
    metrics = {"rmse": known_metric(lw.metrics.reading(lw.metrics.RMSE(), target=0))}

    def build():
        return keras.Sequential([keras.Input((4,)), layers.Dense(1)])

    made = problem(build, terms=terms, metrics=metrics)
    given = Data((X, PRICED), (X[:11], PRICED[:11]), missing="nan")
    members = [Member({"mse": 1.0, "own": w}, SEED) for w in (0.3, 4.0)]
    fit = FitTrainer(made, given)
    expected = train(fit, members)
    assert_same(train(StackedTrainer(made, given, size=2), members), expected)
    each = (PRICED[:, :1] - fit.model.predict(X, verbose=0)) ** 2 * PRICE
    assert expected[-1].reports[-1].train["own"] == pytest.approx(np.nanmean(each), rel=1e-5)


def test_files_say_that_labels_may_be_unknown(tmp_path):
    """Descriptions and configs make the same term again, and so do weight sets."""
    term = lw.terms.on("a", known(lw.terms.reading("mse", target=0)))
    said = {"class": "MeanSquaredError", "missing": "nan", "target": "0", "output": "a"}
    assert describe(term) == said
    assert describe(from_description(said)) == said
    with pytest.raises(TermError, match="missing='nan'"):
        from_description({"class": "Dice", "missing": "inf"})
    config = keras.saving.serialize_keras_object(TERMS["mse"])
    again = keras.saving.deserialize_keras_object(config)
    assert float(again(Y, FULL)) == float(TERMS["mse"](Y, FULL))
    weights = lw.WeightSet({"mse": 1.0}, terms={"mse": describe(TERMS["mse"])})
    weights.save(tmp_path / "set.json")
    loss = lw.WeightSet.read(tmp_path / "set.json").loss()
    assert float(loss(Y, FULL)) == float(TERMS["mse"](Y, FULL))


def test_nan_is_refused_unless_it_is_said_to_mean_something():
    """Data refuse NaN as before; with missing='nan' only inputs, weights and infinities do."""
    with pytest.raises(DataError, match=r"finite numbers in train.y.*missing='nan'"):
        Data(train=(X, Y), val=(X, Y))
    Data(train=(X, Y), val=(X, Y), missing="nan")
    with pytest.raises(DataError, match=r"finite numbers in train\.x"):
        Data(train=(np.full_like(X, np.nan), Y), val=(X, Y), missing="nan")
    with pytest.raises(DataError, match=r"finite numbers in val\.y"):
        Data(train=(X, Y), val=(X, np.full_like(Y, np.inf)), missing="nan")
    with pytest.raises(DataError, match="missing='nan'"):
        Data(train=(X, Y), val=(X, Y), missing="null")


def sweep(**options):
    """A sweep of two terms on labels that are unknown in part."""
    return lw.Sweep(
        name="missing",
        build_model=build_model,
        load_data=lambda: Data(train=(X, Y), val=(X[:11], Y[:11])),
        terms={"mse": "mse", "mae": "mae"},
        space={"mse": lw.Fixed(1.0), "mae": lw.LogUniform(1e-2, 1e2)},
        metrics={"rmse": lw.metrics.RMSE()},
        objectives={"rmse": "minimize"},
        epochs=2,
        **options,
    )


def test_a_sweep_says_so_once():
    """missing='nan' reaches data, terms, metrics, scales and the description of the problem."""
    prepared = sweep(missing="nan").prepare(rehearse=True)
    expected = lw.reference_scales({"mse": known("mse"), "mae": known("mae")}, Y)
    assert prepared.scales == pytest.approx(expected)
    assert prepared.description["terms"]["mse"] == {"class": "MeanSquaredError", "missing": "nan"}
    constant = prepared.constants["rmse"]
    mean = np.nanmean(Y[:11], axis=0)
    assert constant["value"] == pytest.approx(np.sqrt(np.nanmean((Y[:11] - mean) ** 2)), rel=1e-4)
    assert constant["perfect"] == 0.0
    with pytest.raises(DataError, match="missing='nan'"):
        sweep().prepare(rehearse=True)
    with pytest.raises(DataError, match="missing="):
        sweep(missing="zero")
    silent = sweep()
    silent.load_data = lambda: Data(train=(X, Y), val=(X, Y), missing="nan")
    with pytest.raises(RecipeError, match="missing='nan' in the sweep too"):
        silent.prepare(rehearse=True)
