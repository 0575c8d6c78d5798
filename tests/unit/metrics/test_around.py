"""Metrics around others: in Keras they are what they are on whole data, wherever that runs."""

import keras
import numpy as np
import pytest

import lossweights as lw
from lossweights.metrics import AUC, HD95, RMSE, known, on, reading

MASKS = np.zeros((6, 8, 8, 1), "float32")
MASKS[:, 2:5, 2:6] = 1.0
FOUND = np.zeros((6, 8, 8, 1), "float32")
FOUND[:, 3:6, 2:5] = 0.9
FLAT = np.linspace(0.0, 3.0, 12, dtype="float32").reshape(6, 2)
CLASSES = np.array([[1.0], [0.0], [1.0], [1.0], [0.0], [1.0]], "float32")
SCORES = np.array([[0.9], [0.4], [0.3], [0.8], [0.5], [0.7]], "float32")


def beside(y):
    """A target behind another channel."""
    return np.concatenate([np.full_like(y[..., :1], 7.0), y], axis=-1)


def unknown(y):
    """The first sample is not known."""
    y = y.copy()
    y[0] = np.nan
    return y


PLAIN = {
    "in a graph": (RMSE, FLAT, FLAT**2, {}),
    "beside a graph": (HD95, MASKS, FOUND, {"sampling": 2.0}),
    "of all rows": (AUC, CLASSES, SCORES, {}),
}


# What is unknown among all rows is taken out on the host: it has no graph.
CASES = [
    (name, around, traced)
    for name in PLAIN
    for around in ("output", "channels", "known", "output, channels")
    for traced in (False, True)
    if (name, around, traced) != ("of all rows", "known", True)
]


@pytest.mark.parametrize(("name", "around", "traced"), CASES)
def test_state_of_batches_is_the_value_on_all_rows(name, around, traced):
    """Of two batches; inside a graph of TensorFlow also what leaves it."""
    make, y, p, arguments = PLAIN[name]
    metric = make(**arguments)
    expected = metric.evaluate(y, p)
    if "channels" in around:
        metric, y = reading(metric, target=slice(1, None)), beside(y)
    if "output" in around:
        metric, y, p = on("a", metric), {"a": y}, {"a": p}
    if around == "known":
        metric, y = known(metric), unknown(y)
        expected = make(**arguments).evaluate(y[1:], p[1:])
    assert metric.evaluate(y, p) == pytest.approx(expected, rel=1e-6)
    import tensorflow as tf

    step = tf.function(metric.update_state, autograph=False) if traced else metric.update_state
    for rows in (slice(0, 4), slice(4, 6)):
        step(*keras.tree.map_structure(lambda array, at=rows: tf.constant(array[at]), (y, p)))
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)
    metric.reset_state()
    assert np.isnan(float(metric.result()))


def test_small_values_are_added_up_as_within():
    """Compensated sums: a float32 total keeps what is small beside it."""
    y = np.concatenate([np.full((1, 1), 3000.0), np.full((3000, 1), 0.3)]).astype("float32")
    plain, around = lw.metrics.MAE(), on("a", lw.metrics.MAE())
    for row in y:
        plain.update_state(row[None], np.zeros((1, 1), "float32"))
        around.update_state({"a": row[None]}, {"a": np.zeros((1, 1), "float32")})
    assert float(around.result()) == float(plain.result())
