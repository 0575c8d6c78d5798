"""Weights of elements, outputs and classes mean what Keras means, in every trainer alike."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from sklearn import metrics as sk
from sklearn.utils.class_weight import compute_sample_weight

import lossweights as lw
from lossweights.base.errors import MetricError, TermError
from lossweights.data import Data
from lossweights.terms import Term, on
from lossweights.training import FitTrainer, Member, SerialTrainer, StackedTrainer

from .parity import SEED, assert_same, problem, train

RNG = np.random.default_rng(5)
ROWS, VAL, CLASSES = 26, 11, 3
X = RNG.normal(size=(ROWS, 5, 4, 2)).astype("float32")
LABELS = RNG.integers(0, CLASSES, (ROWS, 5, 4))
Y = np.eye(CLASSES, dtype="float32")[LABELS]
W = RNG.uniform(0.0, 2.0, (ROWS, 5, 4)).astype("float32")
W[:2, :3] = 0.0
TRAINERS = {"stacked": lambda *given: StackedTrainer(*given, size=4), "serial": SerialTrainer}
TERMS = {"ce": "categorical_crossentropy", "mse": "mse", "dice": lw.terms.Dice()}
METRICS = {
    "rmse": lw.metrics.RMSE(),
    "accuracy": lw.metrics.Accuracy(),
    "f1": lw.metrics.F1("macro"),
}


def pixels():
    """A model that gives each pixel a class."""
    return keras.Sequential(
        [keras.Input((5, 4, 2)), layers.Conv2D(CLASSES, 3, padding="same", activation="softmax")]
    )


def two_outputs():
    """A model with classes of pixels and a row of values."""
    x = keras.Input((5, 4, 2))
    mask = layers.Conv2D(CLASSES, 3, padding="same", activation="softmax", name="mask")(x)
    level = layers.Dense(2, name="level")(layers.Flatten()(x))
    return keras.Model(x, {"mask": mask, "level": level})


def magnitudes(p, w=W, y=Y):
    """What the terms are by NumPy: the mean of weight times loss over elements."""
    errors = (y - p) ** 2
    overlap = 2 * (w[..., None] * y * p).sum((1, 2, 3))
    return {
        "ce": np.mean(w * -np.log((y * p).sum(-1))),
        "mse": np.mean(w[..., None] * errors),
        "dice": np.mean(1 - overlap / (w[..., None] * (y + p)).sum((1, 2, 3))),
    }


def test_weights_per_pixel_in_plain_keras():
    """`compile`, `fit`, a monitor and a loaded weight set have the weighted mean of NumPy."""
    keras.utils.set_random_seed(3)
    model, loss = pixels(), lw.CombinedLoss(TERMS, {"ce": 1.0, "mse": 2.0, "dice": 0.5})
    model.compile("sgd", loss=loss)
    expected = magnitudes(model.predict(X, verbose=0))
    found = model.evaluate(X, Y, sample_weight=W, batch_size=ROWS, verbose=0)
    total = expected["ce"] + 2 * expected["mse"] + 0.5 * expected["dice"]
    assert found == pytest.approx(total, rel=1e-5)
    assert {k: float(v) for k, v in loss.components(Y, model(X), W).items()} == pytest.approx(
        expected, rel=1e-5
    )
    alone = keras.losses.CategoricalCrossentropy()(Y, model(X), sample_weight=W)
    assert expected["ce"] == pytest.approx(float(alone), rel=1e-5)
    monitor = lw.TermMonitor(loss, probe=(X, Y, W))
    model.fit(X, Y, sample_weight=W, batch_size=8, epochs=1, verbose=0, callbacks=[monitor])
    assert monitor.reports[-1].train == pytest.approx(
        magnitudes(model.predict(X, verbose=0)), rel=1e-4
    )


@pytest.mark.parametrize("trainer", TRAINERS)
def test_weights_per_pixel_in_every_trainer(trainer):
    """Stacked and serial training give what `fit` gives, and `fit` what NumPy and sklearn do."""
    made = problem(pixels, TERMS, metrics=METRICS, epochs=2)
    given = Data((X, Y, W), (X[:VAL], Y[:VAL], W[:VAL]))
    members = [Member({"ce": 1.0, "mse": w, "dice": 0.3}, SEED) for w in (0.0, 3.0)]
    fit = FitTrainer(made, given)
    expected = train(fit, members)
    assert_same(train(TRAINERS[trainer](made, given), members), expected)
    last, p = expected[-1].reports[-1], fit.model.predict(X, verbose=0)
    assert last.train == pytest.approx(magnitudes(p), rel=1e-4)
    p, w, true = p[:VAL], W[:VAL].ravel(), LABELS[:VAL].ravel()
    said = p.argmax(-1).ravel()
    assert last.metrics == pytest.approx(
        {
            "rmse": np.sqrt(np.average((p - Y[:VAL]) ** 2, weights=np.stack([W[:VAL]] * 3, -1))),
            "accuracy": sk.accuracy_score(true, said, sample_weight=w),
            "f1": sk.f1_score(true, said, average="macro", sample_weight=w),
        },
        rel=1e-5,
    )


def test_weights_by_output_in_a_stack():
    """A dict of weights, of pixels for one output and none for the other, as in `fit`."""
    levels = RNG.normal(size=(ROWS, 2)).astype("float32")
    terms = {"ce": on("mask", "categorical_crossentropy"), "mse": on("level", "mse")}
    named = {
        "mae": lw.metrics.on("mask", lw.metrics.MAE()),
        "rmse": lw.metrics.on("level", lw.metrics.RMSE()),
    }
    made = problem(two_outputs, terms, metrics=named, epochs=2)
    y = {"mask": Y, "level": levels}
    val = {name: each[:VAL] for name, each in y.items()}
    given = Data((X, y, {"mask": W}), (X[:VAL], val, {"mask": W[:VAL], "level": None}))
    members = [Member({"ce": 1.0, "mse": w}, SEED) for w in (0.2, 3.0)]
    fit = FitTrainer(made, given)
    expected = train(fit, members)
    assert_same(train(TRAINERS["stacked"](made, given), members), expected)
    p, last = fit.model.predict(X, verbose=0), expected[-1].reports[-1]
    assert last.train["ce"] == pytest.approx(magnitudes(p["mask"])["ce"], rel=1e-4)
    assert last.train["mse"] == pytest.approx(np.mean((p["level"] - levels) ** 2), rel=1e-4)


TABLE = {0: 0.5, 2: 4.0}  # class 1 weighs 1, as in Keras


@pytest.mark.parametrize("y", [Y, LABELS, LABELS[..., None]], ids=["one-hot", "sparse", "column"])
def test_class_weights_per_pixel(y):
    """`class_weight=` is the weight of each pixel's class, times those that are given."""
    data = Data((X, y, W), (X[:VAL], y[:VAL]), class_weight=TABLE)
    expected = W * compute_sample_weight({1: 1.0, **TABLE}, LABELS.ravel()).reshape(LABELS.shape)
    np.testing.assert_allclose(data.train.sample_weight, expected, rtol=1e-6)
    assert data.val.sample_weight is None
    assert data.fingerprint() != Data((X, y, W), (X[:VAL], y[:VAL])).fingerprint()


def test_class_weights_per_pixel_in_a_stack():
    """They are trained with as by `fit`, on class numbers."""
    data = Data((X, LABELS), (X[:VAL], LABELS[:VAL]), class_weight=TABLE)
    terms = {"ce": "sparse_categorical_crossentropy"}
    made = problem(pixels, terms, metrics={"accuracy": lw.metrics.Accuracy()}, epochs=2)
    members, fit = [Member({"ce": w}, SEED) for w in (1.0, 2.0)], FitTrainer(made, data)
    reference = train(fit, members)
    assert_same(train(TRAINERS["stacked"](made, data), members), reference)
    expected = magnitudes(fit.model.predict(X, verbose=0), data.train.sample_weight)["ce"]
    assert reference[-1].reports[-1].train["ce"] == pytest.approx(expected, rel=1e-4)


def test_class_weights_per_row_are_those_of_keras():
    """Of rows they do what `fit(class_weight=)` does."""
    x, labels = X[:, 0, 0], LABELS[:, 0, 0]
    table, y = {0: 3.0, 1: 0.25}, np.eye(CLASSES, dtype="float32")[labels]
    weight = Data((x, y), (x, y), class_weight=table).train.sample_weight
    losses = []
    for given in ({"class_weight": table}, {"sample_weight": weight}):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((2,)), layers.Dense(CLASSES, "softmax")])
        model.compile("sgd", loss=lw.CombinedLoss({"ce": "categorical_crossentropy"}))
        history = model.fit(x, y, **given, epochs=2, batch_size=8, shuffle=False, verbose=0)
        losses += [history.history["loss"]]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_scales_under_weights_per_element():
    """Scales are those of the weighted targets: their variance about the weighted mean."""
    y = RNG.normal(size=(30, 4))
    w = RNG.uniform(0, 2, y.shape)
    mean = np.average(y, axis=0, weights=w)
    found = lw.reference_scales({"mse": "mse", "own": lambda a, b: (a - b) ** 2}, y, w)
    assert found == pytest.approx(dict.fromkeys(found, np.mean(w * (y - mean) ** 2)), rel=1e-4)
    rates = np.average(Y, axis=(0, 1, 2), weights=np.stack([W] * 3, -1))
    ce = lw.reference_scales({"ce": "categorical_crossentropy"}, Y, W)["ce"]
    assert ce == pytest.approx(np.mean(W[..., None] * -Y * np.log(rates)) * CLASSES, rel=1e-4)


class Deaf(Term):
    """A term that leaves weights of elements unread."""

    def per_sample(self, y_true, y_pred, element_weight=None):
        """The squared error of each sample."""
        return ops.mean(ops.square(y_true - y_pred), axis=(1, 2, 3))


def of_samples(y, p):
    """One value a sample."""
    return ops.mean(ops.square(y - p), axis=(1, 2, 3))


@pytest.mark.parametrize(
    ("terms", "metrics", "error", "says"),
    [
        ({"own": of_samples}, METRICS, TermError, r"'own'.*one weight per sample.*\(2, 5, 4\)"),
        ({"deaf": Deaf()}, METRICS, TermError, "'deaf'.*weigh elements.*does not read"),
        ({"ce": "mse"}, {"iou": lw.metrics.IoU()}, MetricError, r"'iou' on val.*\(11, 5, 4\)"),
    ],
    ids=["term", "term that does not read", "metric"],
)
def test_what_has_one_value_a_sample_refuses_them_at_the_start(
    tmp_path, terms, metrics, error, says
):
    """A sweep says so before it trains, with the name, the shapes and what to do."""
    sweep = lw.Sweep(
        name="weights",
        build_model=pixels,
        load_data=lambda: lw.Data((X, Y, W), (X[:VAL], Y[:VAL], W[:VAL])),
        terms={**terms, "bce": "binary_crossentropy"},
        space=dict.fromkeys([*terms, "bce"], lw.LogUniform(0.1, 10)),
        metrics=metrics,
        objectives={name: metric.direction for name, metric in metrics.items()},
        epochs=1,
    )
    with pytest.raises(error, match=says) as raised:
        sweep.run(trials=2, root=tmp_path)
    assert "Found" in str(raised.value)


def test_what_has_one_value_a_sample_refuses_them_in_keras():
    """So do `fit` and a monitor, at the first batch or look."""
    loss = lw.CombinedLoss({"own": of_samples, "mse": "mse"})
    model = pixels()
    model.compile("sgd", loss=loss)
    with pytest.raises(TermError, match=r"'own'.*one weight per sample"):
        model.fit(X, Y, sample_weight=W, verbose=0)
    with pytest.raises(TermError, match=r"'own'.*one weight per sample"):
        model.fit(X, Y, verbose=0, callbacks=[lw.TermMonitor(loss, probe=(X, Y, W))])


def test_plan_under_weights_per_pixel():
    """One look at a model has the weighted magnitudes of NumPy."""
    model = pixels()
    plan = lw.plan(lw.CombinedLoss(TERMS), model, X, Y, W)
    p = model.predict(X, verbose=0)
    assert {k: plan.magnitudes[k][0] for k in TERMS} == pytest.approx(magnitudes(p), rel=1e-4)


def test_unknown_labels_under_weights_per_element():
    """Where labels are unknown, weights count at those that are known."""
    y, w = RNG.normal(size=(2, 20, 3)).astype("float32")
    y[RNG.uniform(size=y.shape) < 0.4], w = np.nan, np.abs(w)
    p, there = RNG.normal(size=y.shape).astype("float32"), ~np.isnan(y)
    errors = np.nan_to_num(y - p) ** 2
    value = lw.terms.known("mse")(y, p, w)
    assert float(value) == pytest.approx((w * errors).sum() / there.sum(), rel=1e-5)
    metric = lw.metrics.known(lw.metrics.RMSE())
    expected = np.sqrt(np.average(errors[there], weights=w[there]))
    assert metric.evaluate(y, p, w) == pytest.approx(expected, rel=1e-12)
    assert float(np.sqrt(metric.value(np.asarray(metric.sums(y, p, w)))) ** 2) == pytest.approx(
        expected, rel=1e-5
    )


def test_workers_train_with_weights_of_pixels_and_classes(tmp_path):
    """A sweep has the same numbers in worker processes as in this one."""
    val = X[:VAL], Y[:VAL]
    sweep = lw.Sweep(
        name="pixels",
        build_model=pixels,
        load_data=lambda: lw.Data(train=(X, Y, W), val=val, class_weight={1: 3.0}),
        terms={"ce": "categorical_crossentropy", "mse": "mse"},
        space={"ce": 1.0, "mse": lw.LogUniform(0.1, 10.0)},
        metrics={"rmse": lw.metrics.RMSE()},
        objectives={"rmse": "minimize"},
        epochs=1,
        batch_size=13,
    )
    options = {"root": tmp_path, "trainer": "stacked", "tracking": False, "confirm": 0}
    options |= {"baselines": "none", "quiet": True}
    here, there = (sweep.run(2, name=f"in-{n}", workers=n, **options) for n in (0, 1))
    assert list((tmp_path / "studies" / "in-1" / "logs").iterdir())
    np.testing.assert_allclose(there.trials["rmse"], here.trials["rmse"], rtol=1e-6)
