"""Metrics on one output of several."""

import keras
import numpy as np
import pytest

from lossweights import metrics
from lossweights.base.errors import MetricError
from lossweights.metrics._output import OnOutput

RNG = np.random.default_rng(0)
Y = {"depth": RNG.normal(size=(20, 3)), "mask": (RNG.random((20, 4, 4, 1)) > 0.5).astype(float)}
PRED = {name: y + 0.1 * RNG.normal(size=y.shape) for name, y in Y.items()}
WEIGHT = RNG.uniform(size=20)
CASES = {"depth": metrics.RMSE(), "mask": metrics.Dice()}


@pytest.mark.parametrize("weight", [None, WEIGHT, {"depth": WEIGHT, "mask": WEIGHT}])
@pytest.mark.parametrize("output", CASES)
def test_it_is_the_metric_of_that_output(output, weight):
    """The same number as on the arrays of the output, and the same direction and sums."""
    metric, read = CASES[output], metrics.on(output, CASES[output])
    plain = None if weight is None else WEIGHT
    assert read.evaluate(Y, PRED, weight) == metric.evaluate(Y[output], PRED[output], plain)
    assert (read.direction, read.unit, read.in_graph) == (
        metric.direction, metric.unit, metric.in_graph
    )  # fmt: skip
    np.testing.assert_array_equal(
        read.sums(Y, PRED, weight), metric.sums(Y[output], PRED[output], plain)
    )


def test_as_a_keras_metric_it_adds_up():
    """State and result are those of the metric within."""
    read = metrics.on("depth", metrics.RMSE())
    for part in (slice(0, 7), slice(7, 20)):
        read.update_state(*({name: y[part] for name, y in values.items()} for values in (Y, PRED)))
    assert float(read.result()) == pytest.approx(metrics.rmse(Y["depth"], PRED["depth"]), rel=1e-6)


def test_it_survives_its_config():
    """As Keras objects do."""
    read = metrics.on("depth", metrics.PinballLoss(0.9))
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(read))
    assert isinstance(again, OnOutput)
    assert again.evaluate(Y, PRED) == read.evaluate(Y, PRED)


@pytest.mark.parametrize(
    "arguments", [("", metrics.RMSE()), ("depth", "rmse"), (3, metrics.RMSE())]
)
def test_what_is_no_metric_of_an_output_is_refused(arguments):
    """With the form to write."""
    with pytest.raises(MetricError, match=r"lw\.metrics\.on\('depth'"):
        metrics.on(*arguments)


def test_outputs_that_are_not_there_are_named():
    """An unknown output, and a metric that does not say which one it reads."""
    with pytest.raises(MetricError, match=r"'height'.*\['depth', 'mask'\]"):
        metrics.on("height", metrics.RMSE()).evaluate(Y, PRED)
    with pytest.raises(MetricError, match=r"lw\.metrics\.on\('depth', metric\)"):
        metrics.RMSE().evaluate(Y, PRED)
