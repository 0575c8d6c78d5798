"""How many are underestimated is the same in NumPy and in Keras, to the last bit of float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import lossweights as lw


def close_calls():
    """Predictions that differ from their targets by 1e-12 either way, or not at all."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=(1000, 3))
    return y, y + rng.choice([-1e-12, 0.0, 1e-12], y.shape)


@pytest.mark.parametrize("metric", [lw.metrics.UnderRate, lw.metrics.ServiceLevel])
@pytest.mark.parametrize("kind", [np.asarray, tf.constant, np.ndarray.tolist])
def test_float64_is_compared_as_float64(metric, kind):
    """As arrays, tensors and lists; by function, state, sums and in a graph."""
    y, p = close_calls()
    wanted = np.mean(y > p) if metric is lw.metrics.UnderRate else np.mean(y <= p)
    true, pred = kind(y), kind(p)
    built = metric()
    built.update_state(true, pred)
    assert built.evaluate(true, pred) == pytest.approx(wanted, rel=1e-12)
    assert float(built.result()) == pytest.approx(wanted, rel=1e-6)
    assert float(built.value(built.sums(true, pred))) == pytest.approx(wanted, rel=1e-6)
    if kind is tf.constant:
        assert float(built.value(tf.function(built.sums)(true, pred))) == pytest.approx(wanted)


def test_a_prediction_in_float32_beside_targets_in_float64():
    """0.1 in float32 is more than 0.1 in float64, so it covers it, and 0.7 is less."""
    y = np.array([[0.1], [0.7]])
    p = y.astype("float32")
    built = lw.metrics.UnderRate()
    assert built.evaluate(y, p) == 0.5
    assert float(built.value(built.sums(y, keras.ops.convert_to_tensor(p)))) == 0.5
