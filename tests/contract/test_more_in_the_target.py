"""Targets that carry more than the value: alike in plain Keras, watched, and in every trainer."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import lossweights as lw
from lossweights.base.errors import MetricError, TermError
from lossweights.data import Data
from lossweights.terms import describe, from_description
from lossweights.training import FitTrainer, Member, SerialTrainer, StackedTrainer

from .parity import SEED, assert_same, problem, train

RNG = np.random.default_rng(6)
X = RNG.normal(size=(40, 3)).astype("float32")
DEMAND, PRICE = np.abs(X[:, :1]) + 1.0, RNG.uniform(1.0, 9.0, (40, 1)).astype("float32")
Y = np.concatenate([DEMAND, PRICE], axis=-1)


def build_model():
    """A model that predicts the demand alone."""
    return keras.Sequential([keras.Input((3,)), layers.Dense(6, "tanh"), layers.Dense(1)])


def lost_sales(y, p, price):
    """What was not there to be sold, in money."""
    return ops.softplus(y - p) * price


def lost_in_numpy(y, p, price):
    """The same in NumPy."""
    return np.logaddexp(0.0, y - p) * price


TERMS = {
    "mse": lw.terms.reading("mse", target=0),
    "lost": lw.terms.reading(lost_sales, target=0, price=1),
    "dear": lw.terms.reading("log_cosh", target=slice(0, 1), weight=1),
}
METRICS = {
    "rmse": lw.metrics.reading(lw.metrics.RMSE(), target=0),
    "lost": lw.metrics.reading(lost_in_numpy, target=0, price=1, better="smaller"),
}


def in_numpy(p):
    """The value of each term for each sample."""
    e = DEMAND - p
    log_cosh = np.logaddexp(e, -e) - np.log(2.0)
    return {
        "mse": (e**2)[:, 0],
        "lost": lost_in_numpy(DEMAND, p, PRICE)[:, 0],
        "dear": (log_cosh * PRICE)[:, 0],
    }


def test_terms_with_a_price_beside_the_target():
    """Alone, in a sum under sample weights, and watched, values are NumPy's."""
    keras.utils.set_random_seed(2)
    model, loss = build_model(), lw.CombinedLoss(TERMS, {"mse": 1.0, "lost": 0.5, "dear": 2.0})
    model.compile("sgd", loss=loss)
    weight = RNG.uniform(0.5, 2.0, 40)
    expected = in_numpy(model.predict(X, verbose=0))
    total = sum(loss.weights[name] * np.mean(weight * expected[name]) for name in expected)
    found = model.evaluate(X, Y, sample_weight=weight, batch_size=40, verbose=0)
    assert found == pytest.approx(total, rel=1e-5)
    monitor = lw.TermMonitor(loss, probe=(X, Y))
    model.fit(X, Y, epochs=1, verbose=0, callbacks=[monitor])
    expected = in_numpy(model.predict(X, verbose=0))
    means = {name: values.mean() for name, values in expected.items()}
    assert monitor.reports[-1].train == pytest.approx(means, rel=1e-5)


@pytest.mark.parametrize("trainer", ["stacked", "serial"])
def test_every_trainer_reads_channels(trainer):
    """Stacked and serial training give what `fit` gives; metrics are NumPy's."""
    made = problem(build_model, terms=TERMS, metrics=METRICS)
    given = Data((X, Y), (X[:11], Y[:11]))
    members = [Member({"mse": 1.0, "lost": w, "dear": 0.5}, SEED) for w in (0.0, 0.3, 4.0)]
    make = SerialTrainer if trainer == "serial" else lambda *g: StackedTrainer(*g, size=4)
    fit = FitTrainer(made, given)
    expected = train(fit, members)
    assert_same(train(make(made, given), members), expected)
    p = fit.model.predict(X[:11], verbose=0)
    last = expected[-1].reports[-1]
    assert last.val["lost"] == pytest.approx(in_numpy_of(p, 11)["lost"], rel=1e-5)
    assert last.metrics["lost"] == pytest.approx(in_numpy_of(p, 11)["lost"], rel=1e-5)
    assert last.metrics["rmse"] == pytest.approx(np.sqrt(np.mean((DEMAND[:11] - p) ** 2)), rel=1e-5)


def in_numpy_of(p, rows):
    """The mean of what was lost over the first rows."""
    return {"lost": lost_in_numpy(DEMAND[:rows], p, PRICE[:rows]).mean()}


def test_scales_of_terms_on_channels():
    """Scales are those of the target alone, weighted as the term weighs it."""
    found = lw.reference_scales(TERMS, Y, output_shape=(None, 1))
    assert found["mse"] == pytest.approx(np.var(DEMAND), rel=1e-5)
    weighted = lw.terms.reading("mse", target=0, weight=1)
    mean = np.average(DEMAND, weights=PRICE)
    expected = np.mean(PRICE * (DEMAND - mean) ** 2)
    scale = lw.reference_scales({"a": weighted}, Y, output_shape=(None, 1))["a"]
    assert scale == pytest.approx(expected, rel=1e-5)
    constants = np.linspace(DEMAND.min(), 60.0, 20001)
    least = min(lost_in_numpy(DEMAND, c, PRICE).mean() for c in constants[:2000])
    assert found["lost"] >= least or found["lost"] == pytest.approx(
        lost_in_numpy(DEMAND, DEMAND.mean(), PRICE).mean(), rel=1e-4
    )


@pytest.mark.parametrize(
    ("term", "description"),
    [
        (
            lw.terms.reading("mse", target=0, weight=-1),
            {"class": "MeanSquaredError", "target": "0", "weight": "-1"},
        ),
        (
            lw.terms.reading(lw.terms.Dice(), target=slice(None, 2)),
            {"class": "Dice", "target": ":2"},
        ),
        (lw.terms.reading("mae", target=[2, 0]), {"class": "MeanAbsoluteError", "target": "2,0"}),
        (lw.terms.reading("mae"), {"class": "MeanAbsoluteError", "on_mask": True}),
    ],
)
def test_channels_in_files(term, description):
    """A description is plain, and it and Keras' config make the same term again."""
    assert describe(term) == description
    y, p = RNG.uniform(size=(4, 3, 3)), RNG.uniform(size=(4, 3, 2 if "Dice" in str(term) else 1))
    p = RNG.uniform(size=(4, 3, 2)) if description.get("target") == "2,0" else p
    config = keras.saving.serialize_keras_object(term)
    for again in (from_description(description), keras.saving.deserialize_keras_object(config)):
        assert float(again(y, p)) == float(term(y, p))
    on = lw.terms.on("a", term)
    assert from_description(describe(on)).term.target == term.target


def test_a_weight_set_reads_the_same_channels(tmp_path):
    """Saved and loaded, a weight set's loss reads what the sweep's did; code has to be given."""
    terms = {name: describe(term) for name, term in TERMS.items()}
    assert terms["lost"] is None
    weights = lw.WeightSet({"mse": 1.0, "lost": 0.5, "dear": 2.0}, terms=terms)
    weights.save(tmp_path / "set.json")
    loss = lw.WeightSet.read(tmp_path / "set.json").loss({"lost": TERMS["lost"]})
    p = np.full((40, 1), 1.5)
    made = lw.CombinedLoss(TERMS, weights.weights)
    assert float(loss(Y, p)) == float(made(Y, p))


def test_weights_of_all_channels_are_those_of_the_target():
    """An element weight as wide as y_true is cut like it; narrower ones are taken as they are."""
    p = np.full((40, 1), 1.5, "float32")
    both = np.concatenate([PRICE, np.full_like(PRICE, np.nan)], axis=-1)
    for weight in (both, PRICE):
        found = TERMS["mse"].per_sample(Y, p, weight)
        np.testing.assert_allclose(found, (PRICE * (DEMAND - p) ** 2)[:, 0], rtol=1e-6)


def test_what_channels_cannot_be():
    """What is no channel, not there, or given to what does not read it is told in a sentence."""
    for wrong in ("a", slice(0, 4, 2), [], [1, 1], 1.5, True):
        with pytest.raises(TermError, match="Expected"):
            lw.terms.reading("mse", target=wrong)
    with pytest.raises(TermError, match=r"the channels 2 .*Found shape \(40, 2\)"):
        lw.terms.reading("mse", target=2)(Y, DEMAND)
    with pytest.raises(TermError, match=r"a function of y_true, y_pred and \['price'\]"):
        lw.terms.reading("mse", target=0, price=1)
    with pytest.raises(TermError, match=r"on\(output, lw.terms.reading"):
        lw.terms.reading(lw.terms.on("a", "mse"), target=0)
    with pytest.raises(MetricError, match="for a function of your own"):
        lw.metrics.reading(lw.metrics.MAE(), target=0, price=1)
    with pytest.raises(MetricError, match=r"Found shape \(40, 2\)"):
        lw.metrics.reading(lw.metrics.MAE(), target=5).evaluate(Y, DEMAND)


def test_metrics_beside_a_distance_map():
    """A metric of masks says what to write where the targets carry distance maps."""
    masks = (RNG.uniform(size=(3, 8, 8, 1)) > 0.5).astype("float32")
    y = lw.terms.with_distance_map(masks)
    with pytest.raises(MetricError, match=r"lw.metrics.reading\(metric, target=slice\(0, 1\)\)"):
        lw.metrics.Dice().evaluate(y, masks)
    assert lw.metrics.reading(lw.metrics.Dice()).evaluate(y, masks) == 1.0
    named = lw.metrics.reading(lw.metrics.Dice(), target=0)
    assert named.evaluate(y, 1.0 - masks) == 0.0
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(named))
    assert again.evaluate(y, masks) == 1.0
    named.update_state(y, masks)
    assert float(named.result()) == 1.0
