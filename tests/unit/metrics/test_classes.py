"""Metrics of classifiers, against scikit-learn: ties, empty classes, weights, all forms of data."""

import warnings

import keras
import numpy as np
import pytest
import sklearn.metrics as reference
from sklearn.calibration import calibration_curve

from lossweights import metrics
from lossweights.base.errors import MetricError
from lossweights.metrics.constant import best_constant

RNG = np.random.default_rng(3)
ROWS, CLASSES = 240, 5
WEIGHT = RNG.uniform(0.1, 2.0, ROWS)
# Two classes, in scores of one decimal: most are ties, many of them across the classes.
TRUE = RNG.integers(0, 2, ROWS)
SCORE = np.round(np.clip(0.6 * RNG.random(ROWS) + 0.3 * TRUE, 0.0, 1.0), 1)
# Five classes, the last without a row, in scores with ties between classes.
NUMBERS = RNG.integers(0, CLASSES - 1, ROWS)
SHARES = RNG.integers(1, 5, (ROWS, CLASSES)) + 2.0 * np.eye(CLASSES)[NUMBERS]
SHARES /= SHARES.sum(axis=1, keepdims=True)
ONE_HOT = np.eye(CLASSES)[NUMBERS]
LARGEST = SHARES.argmax(axis=1)
EVERY = [
    metrics.Accuracy, metrics.BalancedAccuracy, metrics.F1, metrics.AUC,
    metrics.AveragePrecision, metrics.LogLoss, metrics.BrierScore, metrics.CalibrationError,
]  # fmt: skip
IN_GRAPH = [kind for kind in EVERY if kind.in_graph]
weighted = pytest.mark.parametrize("weight", [None, WEIGHT], ids=["alike", "weighted"])

OF_TWO = {
    "accuracy": (metrics.accuracy, lambda y, p, **k: reference.accuracy_score(y, p > 0.5, **k)),
    "balanced accuracy": (
        metrics.balanced_accuracy,
        lambda y, p, **k: reference.balanced_accuracy_score(y, p > 0.5, **k),
    ),
    "F1": (metrics.f1, lambda y, p, **k: reference.f1_score(y, p > 0.5, **k)),
    "AUC": (metrics.auc, reference.roc_auc_score),
    "average precision": (metrics.average_precision, reference.average_precision_score),
    "log loss": (
        metrics.log_loss,
        lambda y, p, **k: reference.log_loss(y, np.clip(p, 1e-7, 1 - 1e-7), **k),
    ),
    "Brier score": (metrics.brier_score, reference.brier_score_loss),
}
OF_MORE = {
    "accuracy": (metrics.accuracy, lambda y, p, **k: reference.accuracy_score(y, LARGEST, **k)),
    "balanced accuracy": (
        metrics.balanced_accuracy,
        lambda y, p, **k: reference.balanced_accuracy_score(y, LARGEST, **k),
    ),
    **{
        f"F1 {average}": (
            lambda y, p, w=None, average=average: metrics.f1(y, p, w, average=average),
            lambda y, p, average=average, **k: reference.f1_score(y, LARGEST, average=average, **k),
        )
        for average in ("macro", "micro", "weighted")
    },
    "AUC": (
        metrics.auc,
        lambda y, p, **k: np.mean(
            [reference.roc_auc_score(y == c, p[:, c], **k) for c in range(CLASSES - 1)]
        ),
    ),
    "average precision": (
        metrics.average_precision,
        lambda y, p, **k: np.mean(
            [reference.average_precision_score(y == c, p[:, c], **k) for c in range(CLASSES - 1)]
        ),
    ),
    "log loss": (
        metrics.log_loss,
        lambda y, p, **k: reference.log_loss(y, p, labels=range(CLASSES), **k),
    ),
    "Brier score": (
        metrics.brier_score,
        lambda y, p, **k: reference.brier_score_loss(y, p, labels=range(CLASSES), **k),
    ),
}


def given(weight):
    """Weights as scikit-learn takes them."""
    return {} if weight is None else {"sample_weight": weight}


@weighted
@pytest.mark.parametrize("kind", OF_TWO)
def test_of_two_classes_it_is_scikit_learns(kind, weight):
    """With ties between scores, from one output with and without a channel, and from two."""
    ours, theirs = OF_TWO[kind]
    expected = pytest.approx(theirs(TRUE, SCORE, **given(weight)), rel=1e-6)
    column, score = TRUE[:, None], SCORE[:, None]
    for y, p in ((TRUE, SCORE), (TRUE, score), (column, score), (column.astype(float), SCORE)):
        assert ours(y, p, weight) == expected
    both = np.hstack([1 - score, score])
    assert ours(TRUE, both, weight) == ours(np.eye(2)[TRUE], both, weight) == expected


@weighted
@pytest.mark.parametrize("kind", OF_MORE)
def test_of_more_classes_it_is_scikit_learns(kind, weight):
    """Also with a class that has no row; from class numbers, a column of them, and one-hot."""
    ours, theirs = OF_MORE[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn on predicted classes without a row
        expected = pytest.approx(theirs(NUMBERS, SHARES, **given(weight)), rel=1e-9)
    for y in (NUMBERS, NUMBERS[:, None], ONE_HOT, ONE_HOT.astype(int)):
        assert ours(y, SHARES, weight) == expected


@pytest.mark.parametrize("bins", [1, 5, 15])
def test_calibration_error_is_from_scikit_learns_curve(bins):
    """The gaps of its reliability curve, by the rows in each bin, upper edges included."""
    came, said = calibration_curve(TRUE, SCORE, n_bins=bins)
    edges = np.linspace(0, 1, bins + 1)
    rows = np.bincount(np.searchsorted(edges[1:-1], SCORE), minlength=bins)
    expected = np.abs(came - said) @ rows[rows > 0] / ROWS
    assert metrics.calibration_error(TRUE, SCORE, bins=bins) == pytest.approx(expected, rel=1e-12)


def test_calibration_error_of_more_classes_is_that_of_the_predicted_one():
    """Confidence against how often it is right, as Guo et al. have it."""
    said, right = SHARES.max(axis=1), (LARGEST == NUMBERS).astype(float)
    at = np.searchsorted(np.linspace(0, 1, 16)[1:-1], said)
    gaps = [abs((said - right)[at == b].sum()) for b in range(15)]
    assert metrics.calibration_error(NUMBERS, SHARES) == pytest.approx(sum(gaps) / ROWS, rel=1e-12)


@pytest.mark.parametrize("kind", EVERY)
def test_logits_give_what_their_probabilities_give(kind):
    """Of one output by a sigmoid, of several by a softmax; whatever is added to all of a row."""
    for y, p, logits in (
        (NUMBERS, SHARES, np.log(SHARES) + RNG.normal(size=(ROWS, 1))),
        (TRUE, SCORE / 2 + 0.25, np.log((SCORE / 2 + 0.25) / (0.75 - SCORE / 2))),
    ):
        found = kind(from_logits=True).evaluate(y, np.round(logits, 12), WEIGHT)
        if kind in IN_GRAPH or kind.of_probabilities:  # elsewhere rounding splits ties
            assert found == pytest.approx(kind().evaluate(y, p, WEIGHT), rel=1e-9)
        else:
            assert found == pytest.approx(kind().evaluate(y, p, WEIGHT), rel=0.05)


@pytest.mark.parametrize("kind", EVERY)
def test_a_class_for_each_pixel(kind):
    """The number of all pixels as rows, in every form of targets."""
    y, p = NUMBERS.reshape(10, 4, 6), SHARES.reshape(10, 4, 6, CLASSES)
    expected = pytest.approx(kind().evaluate(NUMBERS, SHARES), rel=1e-12)
    for targets in (y, y[..., None], np.eye(CLASSES)[y]):
        assert kind().evaluate(targets, p) == expected
    weight = WEIGHT[:10]
    flat = kind().evaluate(NUMBERS, SHARES, weight.repeat(24))
    assert kind().evaluate(y, p, weight) == pytest.approx(flat, rel=1e-12)


@pytest.mark.parametrize("kind", EVERY)
def test_a_row_of_weight_zero_may_hold_anything(kind):
    """As padding does; and one that is not finite makes the value undefined otherwise."""
    y, p, weight = NUMBERS.astype(float), SHARES.copy(), WEIGHT.copy()
    expected = kind().evaluate(y[1:], p[1:], weight[1:])
    p[0], weight[0] = np.nan, 0.0
    assert kind().evaluate(y, p, weight) == pytest.approx(expected, rel=1e-12)
    assert np.isnan(kind().evaluate(y, p))
    if kind in IN_GRAPH:
        found = kind().value(kind().sums(y, p, weight))
        assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", IN_GRAPH)
def test_sums_add_up(kind):
    """Batches of any size, in float32, add up to the number of all rows."""
    metric = kind()
    expected = metric.evaluate(NUMBERS, SHARES, WEIGHT)
    for part in (slice(0, 50), slice(50, 51), slice(51, ROWS)):
        metric.update_state(NUMBERS[part], SHARES[part].astype("float32"), WEIGHT[part])
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="on others eagerly alone")
def test_in_compile_and_fit():
    """Keras shows the number of all validation rows, and a saved model has the metrics."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")])
    ours = [kind() for kind in EVERY]
    model.compile("sgd", "binary_crossentropy", weighted_metrics=ours, jit_compile=False)
    x = RNG.normal(size=(ROWS, 2)).astype("float32")
    shown = model.fit(
        x, TRUE, sample_weight=WEIGHT, validation_data=(x, TRUE, WEIGHT), verbose=0, batch_size=100
    ).history
    predicted = model.predict(x, verbose=0)
    for metric in ours:
        expected = metric.evaluate(TRUE, predicted, WEIGHT)
        assert shown[f"val_{metric.name}"][0] == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("kind", EVERY)
def test_it_survives_its_config(kind):
    """As Keras objects do, logits and all."""
    metric = kind(from_logits=True, name="mine")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    logits = np.log(SHARES)
    assert again.name == "mine"
    assert again.evaluate(NUMBERS, logits) == metric.evaluate(NUMBERS, logits)


REFUSED = {
    "a class too many": (metrics.Accuracy(), [0, 5], SHARES[:2], r"one of 5 classes.*at \(1,\)"),
    "half a class": (metrics.Accuracy(), [0, 0.5], SHARES[:2], "one of 5 classes"),
    "several labels": (metrics.F1(), np.ones((2, 3)), np.full((2, 3), 1 / 3), "several labels"),
    "other classes": (metrics.AUC(), ONE_HOT[:, :3], SHARES, r"Found \(240, 3\) and \(240, 5\)"),
    "logits of one": (metrics.Accuracy(), TRUE, SCORE - 3, "from_logits=True"),
    "logits of several": (metrics.LogLoss(), NUMBERS, np.log(SHARES), "from_logits=True"),
    "one class alone": (metrics.AUC(), [1, 1], [0.1, 0.2], "Found class 1 alone"),
    "nothing to find": (metrics.F1(), [0, 0], [0.1, 0.2], "row of class 1"),
    "a threshold of three": (metrics.Accuracy(threshold=0.3), [0, 1], SHARES[:2], "two classes"),
    "positives of three": (metrics.F1("positive"), NUMBERS, SHARES, "Found 5. Say 'macro'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_has_no_meaning_is_refused_with_the_way_out(what):
    """Before training, by the rehearsal that measures on all targets."""
    metric, y_true, y_pred, message = REFUSED[what]
    with pytest.raises(MetricError, match=message):
        metric.evaluate(np.asarray(y_true), y_pred)


@pytest.mark.parametrize(
    "make", [lambda: metrics.F1("best"), lambda: metrics.AUC(average="micro"),
             lambda: metrics.Accuracy(threshold=1.5), lambda: metrics.CalibrationError(0)]
)  # fmt: skip
def test_arguments_that_cannot_be_are_refused(make):
    """At construction."""
    with pytest.raises(MetricError, match="Expected `"):
        make()


def test_metrics_without_sums_say_so():
    """A ranking is no sum; `evaluate` is named."""
    with pytest.raises(MetricError, match="Use evaluate"):
        metrics.AUC().sums(TRUE, SCORE)


def test_the_best_constant_knows_the_base_rates():
    """Of class numbers, where no quantile of theirs is a distribution: their entropy."""
    rates = np.bincount(NUMBERS, minlength=CLASSES) / ROWS
    entropy = -(rates[:4] * np.log(rates[:4])).sum()
    for metric in (metrics.LogLoss(), metrics.LogLoss(from_logits=True)):
        found = best_constant(metric, "minimize", NUMBERS, output_shape=(None, CLASSES))
        assert found.value == pytest.approx(entropy, abs=1e-3)
    found = best_constant(metrics.AUC(), "maximize", NUMBERS, output_shape=(None, CLASSES))
    assert found.value == 0.5
