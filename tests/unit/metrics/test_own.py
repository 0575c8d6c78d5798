"""Any metric of Keras and any function as a metric."""

import keras
import numpy as np
import pytest
import sklearn.metrics as reference

from lossweights import metrics
from lossweights.base.errors import MetricError

RNG = np.random.default_rng(0)
ROWS = 90
TRUE = RNG.integers(0, 2, (ROWS, 1)).astype("float32")
PRED = np.clip(RNG.random((ROWS, 1)) + 0.2 * TRUE, 0, 1).astype("float32")
WEIGHT = RNG.uniform(0.1, 2.0, ROWS)


def per_row(y_true, y_pred):
    """The absolute error of each row."""
    return np.abs(y_true - y_pred)


def root(y_true, y_pred):
    """One number for all rows."""
    return np.sqrt(np.mean((y_true - y_pred) ** 2))


def weighted_root(y_true, y_pred, sample_weight=None):
    """One number that knows of weights."""
    return np.sqrt(np.average((y_true - y_pred)[:, 0] ** 2, weights=sample_weight))


class MeanOfBatches(keras.metrics.Mean):
    """The mean over batches of a root, which is no root of all rows."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        """The root of the batch."""
        super().update_state(keras.ops.sqrt(keras.ops.mean(keras.ops.square(y_true - y_pred))))


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["alike", "weighted"])
def test_a_metric_of_keras_is_what_keras_says_of_all_rows(weight):
    """The same value, from any state, however often."""
    theirs = keras.metrics.AUC()
    theirs.update_state(TRUE, PRED, sample_weight=weight)
    expected = float(theirs.result())
    ours = metrics.as_metric(theirs)
    assert [ours.evaluate(TRUE, PRED, weight) for _ in range(2)] == [expected] * 2
    assert ours.evaluate(TRUE[:, 0], PRED[:, 0], weight) == expected
    assert (ours.direction, ours.in_graph) == ("maximize", False)


def test_a_function_gives_a_number_or_one_a_row():
    """Weighted where data have weights: by the mean over rows, or by the function itself."""
    errors = np.abs(TRUE - PRED)[:, 0]
    made = metrics.custom(per_row, better="smaller")
    assert made.name == "per_row"
    assert made.direction == "minimize"
    assert made.evaluate(TRUE, PRED) == pytest.approx(errors.mean(), rel=1e-6)
    assert made.evaluate(TRUE[:, 0], PRED, WEIGHT) == pytest.approx(
        np.average(errors, weights=WEIGHT), rel=1e-6
    )
    assert metrics.custom(root).evaluate(TRUE, PRED) == pytest.approx(metrics.rmse(TRUE, PRED))
    assert metrics.custom(weighted_root).evaluate(TRUE, PRED, WEIGHT) == pytest.approx(
        metrics.rmse(TRUE, PRED, WEIGHT), rel=1e-6
    )


@pytest.mark.parametrize(
    "function", [reference.roc_auc_score, reference.average_precision_score, reference.r2_score]
)
def test_functions_of_scikit_learn_fit(function):
    """As they are, with the weights of the data."""
    found = metrics.custom(function, better="larger").evaluate(TRUE, PRED, WEIGHT)
    assert found == pytest.approx(function(TRUE[:, 0], PRED[:, 0], sample_weight=WEIGHT))


def test_functions_of_keras_fit():
    """Which give a tensor with one value a row."""
    made = metrics.as_metric(keras.metrics.mean_absolute_error, "minimize")
    assert made.direction == "minimize"
    assert made.evaluate(TRUE, PRED, WEIGHT) == pytest.approx(metrics.mae(TRUE, PRED, WEIGHT))


def test_which_way_is_better_is_what_somebody_knows():
    """Keras of its own; of others the sweep; what a metric says of itself is not turned round."""
    assert metrics.as_metric(keras.metrics.MeanAbsoluteError(), "maximize").direction == "minimize"
    assert metrics.as_metric(MeanOfBatches()).direction is None
    assert metrics.as_metric(MeanOfBatches(), "minimize").direction == "minimize"
    assert metrics.as_metric(metrics.custom(root), "minimize").direction == "minimize"
    assert metrics.as_metric(metrics.custom(root, better="larger"), "minimize").direction == (
        "maximize"
    )
    assert metrics.as_metric(metrics.RMSE(), "maximize").direction == "minimize"


@pytest.mark.parametrize("value", ["auc", None, 3, metrics.RMSE, {"a": root}])
def test_what_is_no_metric_is_none(value):
    """Names, classes and other things."""
    assert metrics.as_metric(value) is None


def test_what_is_a_mean_of_batches_is_known():
    """Its value depends on how rows are cut; that of the data set is of all rows at once."""
    own = metrics.as_metric(MeanOfBatches())
    assert own.is_mean_of_batches(TRUE, PRED)
    assert own.evaluate(TRUE, PRED) == pytest.approx(metrics.rmse(TRUE, PRED), rel=1e-6)
    for metric in (keras.metrics.AUC(), keras.metrics.MeanSquaredError(), keras.metrics.R2Score()):
        assert not metrics.as_metric(metric).is_mean_of_batches(TRUE, PRED)


def test_predictions_that_are_not_finite_are_not_asked_for():
    """The value is NaN, whatever a function makes of them."""
    pred = PRED.copy()
    pred[3] = np.nan
    ones = metrics.custom(lambda y, p: np.ones(len(y)))
    assert np.isnan(ones.evaluate(TRUE, pred))
    assert ones.evaluate(TRUE, pred, np.arange(ROWS) > 3) == 1.0


REFUSED = {
    "no number": (metrics.custom(lambda y, p: np.zeros(3)), None, "a number, or one for each row"),
    "no weights": (metrics.custom(root), WEIGHT, "Add the argument sample_weight=None"),
    "several numbers": (metrics.KerasMetric(keras.metrics.F1Score(average=None)), None, "several")
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_measured_says_what_to_do(what):
    """Of the functions and metrics of others too."""
    metric, weight, message = REFUSED[what]
    y, p = (np.hstack([1 - a, a]) for a in (TRUE, PRED)) if what[0] == "s" else (TRUE, PRED)
    with pytest.raises(MetricError, match=message):
        metric.evaluate(y, p, weight)


@pytest.mark.parametrize(
    "make",
    [
        lambda: metrics.custom("auc"),
        lambda: metrics.custom(root, better="up"),
        lambda: metrics.KerasMetric(metrics.RMSE()),
    ],
)
def test_arguments_that_cannot_be_are_refused(make):
    """At construction."""
    with pytest.raises(MetricError, match="Expected"):
        make()


def test_on_one_output_of_several():
    """A ranking and a function are read from an output as any metric is, also in Keras."""
    both = [{"a": TRUE, "b": TRUE}, {"a": PRED, "b": 1 - PRED}]
    for metric in (metrics.AUC(), metrics.custom(per_row), metrics.F1("macro")):
        read = metrics.on("b", metric)
        expected = metric.evaluate(TRUE, 1 - PRED)
        assert read.evaluate(*both) == expected
        for part in (slice(0, 40), slice(40, ROWS)):
            read.update_state(*({k: v[part] for k, v in each.items()} for each in both))
        assert float(read.result()) == pytest.approx(expected, rel=1e-5)
        read.reset_state()
        assert np.isnan(float(read.result()))
