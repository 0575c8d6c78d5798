"""Terms and metrics between outputs: the same in plain Keras, watched, and in every trainer."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import lossweights as lw
from lossweights.base.errors import MetricError, ModelError, TermError
from lossweights.data import Data
from lossweights.training import FitTrainer, Member, SerialTrainer, StackedTrainer

from .parity import SEED, assert_same, problem, train

RNG = np.random.default_rng(5)
X = RNG.normal(size=(40, 3)).astype("float32")
Y = {"low": X[:, :1], "high": X[:, :1] + np.abs(X[:, 1:2])}
WEIGHT = RNG.uniform(0.2, 2.0, 40).astype("float32")
FORMS = {
    "dict": lambda low, high: {"low": low, "high": high},
    "list": lambda low, high: [low, high],
}


def builder(form):
    """Builds a model that gives its two outputs in this form."""

    def build_model():
        x = keras.Input((3,))
        hidden = layers.Dense(6, activation="tanh")(x)
        low, high = layers.Dense(1, name="low")(hidden), layers.Dense(1, name="high")(hidden)
        return keras.Model(x, FORMS[form](low, high))

    return build_model


def gap(y, p):
    """How far the low output comes close to the high one, squared."""
    return ops.square(ops.softplus(p["low"] - p["high"] + 1.0))


def gap_in_numpy(p):
    """The same in float64, one value a sample."""
    return np.logaddexp(0.0, p["low"] - p["high"] + 1.0)[:, 0] ** 2


def crossed(y, p):
    """Whether the low output lies above the high one."""
    return p["low"] > p["high"]


SQUARED = {"low": lw.terms.on("low", "mse"), "high": lw.terms.on("high", "mse")}
TERMS = {
    "named": {**SQUARED, "gap": lw.terms.on(("low", "high"), gap)},
    "a function alone": {**SQUARED, "gap": gap},
}
METRICS = {
    "rmse": lw.metrics.on("low", lw.metrics.RMSE()),
    "crossed": lw.metrics.on(("low", "high"), crossed, better="smaller"),
}
WEIGHTS = {"low": 1.0, "high": 0.5, "gap": 3.0}


def expected_loss(p, weight):
    """The weighted sum of the three terms, in NumPy."""
    terms = {k: (Y[k] - p[k])[:, 0] ** 2 for k in Y} | {"gap": gap_in_numpy(p)}
    return sum(WEIGHTS[name] * np.mean(weight * values) for name, values in terms.items())


@pytest.mark.parametrize(("form", "terms"), [("dict", "named"), ("list", "a function alone")])
def test_a_term_between_outputs_counts_in_fit(terms, form, tmp_path):
    """Keras' loss is the sum in NumPy, with weights, in batches, and after saving and loading."""
    keras.utils.set_random_seed(1)
    model, loss = builder(form)(), lw.CombinedLoss(TERMS[terms], WEIGHTS)
    model.compile("sgd", loss=loss.by_output(model.output_names))
    y = Y if form == "dict" else list(Y.values())
    p = dict(zip(Y, model.predict(X, verbose=0).values(), strict=True)) if form == "dict" else None
    p = p or dict(zip(Y, model.predict(X, verbose=0), strict=True))
    for weight in (None, WEIGHT):
        found = model.evaluate(X, y, sample_weight=weight, batch_size=40, verbose=0)
        total = expected_loss(p, 1.0 if weight is None else weight)
        assert found[0] == pytest.approx(total, rel=1e-5)
    model.save(tmp_path / "model.keras")
    known = {"gap": gap}
    again = keras.models.load_model(tmp_path / "model.keras", custom_objects=known)
    assert again.evaluate(X, y, batch_size=40, verbose=0)[0] == pytest.approx(
        expected_loss(p, 1.0), rel=1e-5
    )
    model.fit(X, y, batch_size=16, epochs=1, verbose=0)
    again.fit(X, y, batch_size=16, epochs=1, verbose=0, shuffle=False)


def test_a_batch_that_broke_off_leaves_nothing_behind():
    """Losses called again for the first output forget what the last batch left."""
    loss = lw.CombinedLoss(TERMS["named"], WEIGHTS)
    parts = loss.by_output()
    parts["low"](Y["low"] + 9.0, Y["low"] - 9.0)
    whole = parts["low"](Y["low"], Y["low"]) + parts["high"](Y["high"], Y["high"])
    assert float(whole) == pytest.approx(float(loss(Y, Y)), rel=1e-6)


def test_weights_by_output_meet_in_their_geometric_mean():
    """A term between outputs weighs samples by what both outputs weigh them."""
    term = lw.terms.on(("low", "high"), gap)
    by_output = {"low": WEIGHT, "high": np.where(np.arange(40) < 5, 0.0, 1.0)}
    expected = np.mean(np.sqrt(by_output["low"] * by_output["high"]) * gap_in_numpy(Y))
    assert float(term(Y, Y, by_output)) == pytest.approx(expected, rel=1e-6)
    loss = lw.CombinedLoss({"gap": term, **SQUARED})
    assert float(loss.components(Y, Y, by_output)["gap"]) == pytest.approx(expected, rel=1e-6)
    assert float(loss(Y, Y, by_output)) == pytest.approx(expected, rel=1e-6)
    equal = {"low": WEIGHT, "high": WEIGHT.copy()}
    assert float(term(Y, Y, equal)) == pytest.approx(float(term(Y, Y, WEIGHT)), rel=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_the_monitor_sees_a_term_between_outputs(form):
    """TermMonitor measures it as NumPy does, and refuses factors that belong to one output."""
    model, loss = builder(form)(), lw.CombinedLoss(TERMS["named"], WEIGHTS)
    model.compile("sgd", loss=loss.by_output(model.output_names))
    y = Y if form == "dict" else list(Y.values())
    monitor = lw.TermMonitor(loss, probe=(X, y), gradients=None)
    model.fit(X, y, epochs=1, verbose=0, callbacks=[monitor])
    p = model.predict(X, verbose=0)
    p = p if form == "dict" else dict(zip(Y, p, strict=True))
    found = monitor.reports[-1].train["gap"]
    assert found == pytest.approx(np.mean(gap_in_numpy(p)), rel=1e-5)
    assert monitor.verdict.driver in (*WEIGHTS, None)
    factors = {"low": 2.0, "high": 1.0} if form == "dict" else [2.0, 1.0]
    model.compile("sgd", loss=loss.by_output(model.output_names), loss_weights=factors)
    with pytest.raises(ModelError, match=r"no loss_weights beside terms between.*\['gap'\]"):
        model.fit(X, y, epochs=1, verbose=0, callbacks=[lw.TermMonitor(loss, probe=(X, y))])


@pytest.mark.parametrize(
    ("trainer", "form", "terms"),
    [("stacked", "dict", "named"), ("serial", "list", "a function alone")],
)
def test_every_trainer_reads_between_outputs(trainer, form, terms):
    """Stacked and serial training give what `fit` gives, weighted."""
    made = problem(builder(form), terms=TERMS[terms], metrics=METRICS)
    y = Y if form == "dict" else list(Y.values())
    val = [y[k][:11] for k in y] if form == "dict" else [part[:11] for part in y]
    val = dict(zip(y, val, strict=True)) if form == "dict" else val
    given = Data((X, y, WEIGHT), (X[:11], val))
    members = [Member({"low": 1.0, "high": 0.5, "gap": w}, SEED) for w in (0.0, 0.3, 4.0)]
    make = SerialTrainer if trainer == "serial" else lambda *g: StackedTrainer(*g, size=4)
    assert_same(train(make(made, given), members), train(FitTrainer(made, given), members))


def test_scales_of_terms_between_outputs():
    """The scale is that of the best constants; for the error of a sum it is the sum's variance."""
    terms = {**SQUARED, "sum": lambda y, p: ops.square(sum(y.values()) - sum(p.values()))}
    found = lw.reference_scales(terms, Y)
    assert found["sum"] == pytest.approx(np.var(Y["low"] + Y["high"]), rel=1e-4)
    assert found["low"] == pytest.approx(np.var(Y["low"]), rel=1e-5)
    maps = {k: RNG.normal(size=(12, 4, 4, 2)) for k in ("a", "b")}
    term = lw.terms.on(("a", "b"), lambda y, p: ops.square(y["a"] - y["b"] - p["a"] + p["b"]))
    variance = np.var((maps["a"] - maps["b"]).reshape(-1, 2), axis=0).mean()
    assert lw.reference_scales({"d": term}, maps)["d"] == pytest.approx(variance, rel=1e-3)


def test_a_metric_between_outputs():
    """It is the mean over samples, weighted; other values than one a sample are refused."""
    p = {"low": Y["high"], "high": Y["low"]}
    metric = lw.metrics.on(("low", "high"), crossed, better="smaller")
    assert (metric.name, metric.direction) == ("crossed", "minimize")
    assert metric.evaluate(Y, p) == np.mean(Y["high"] > Y["low"]) == 1.0
    some = {"low": np.where(np.arange(40)[:, None] < 10, 9.0, -9.0), "high": 0 * Y["high"]}
    expected = WEIGHT[:10].sum() / WEIGHT.sum()
    assert metric.evaluate(Y, some, WEIGHT) == pytest.approx(expected, rel=1e-6)
    sums = np.asarray(metric.sums(Y, some, WEIGHT))
    assert float(metric.value(sums)) == pytest.approx(expected, rel=1e-6)
    mean = lw.metrics.on(("low", "high"), lambda y, p: np.mean(p["low"]), better="larger")
    with pytest.raises(MetricError, match=r"one value per sample.*shape \(40,\).*shape \(\)"):
        mean.evaluate(Y, p)
    with pytest.raises(MetricError, match="better='smaller' or better='larger'"):
        lw.metrics.on(("low", "high"), crossed)
    with pytest.raises(MetricError, match="a function of two dicts"):
        lw.metrics.on(("low", "high"), lw.metrics.RMSE(), better="smaller")


def test_errors_of_terms_between_outputs_have_names_and_shapes():
    """What goes wrong is told with the outputs and their shapes, and never with arrays."""
    with pytest.raises(TermError, match=r"which output it reads.*'low': \(40, 1\).*lw.terms.on\("):
        lw.CombinedLoss({"gap": gap, "mse": "mse"})(Y, Y)
    with pytest.raises(TermError, match=r"the output 'mid'.*\['high', 'low'\]"):
        lw.terms.on(("low", "mid"), gap)(Y, Y)
    with pytest.raises(TermError, match="reads one array"):
        lw.terms.on(("low", "high"), "mse")
    with pytest.raises(KeyError) as caught:
        lw.CombinedLoss({"gap": lambda y, p: p["mid"]})(Y, Y)
    assert "'low': (40, 1), 'high': (40, 1)" in caught.value.__notes__[0]
    with pytest.raises(TermError, match="one value per sample"):
        lw.CombinedLoss({"gap": lambda y, p: ops.mean(p["low"])})(Y, Y)
    with pytest.raises(TermError, match=r"by_output\(model.output_names\)"):
        lw.CombinedLoss(TERMS["a function alone"]).by_output()
