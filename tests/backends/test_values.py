"""Terms and metrics are the same numbers on JAX and PyTorch as on TensorFlow and NumPy.

``KERAS_BACKEND=jax python -m pytest tests/backends``; on TensorFlow the tests of the rooms say so.
"""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from lossweights import metrics

from ..unit.metrics.test_base import ALL, data, make
from ..unit.terms.ladder import ALL_TERMS
from .values import of

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="it would be compared with itself"
)
ROOT = Path(__file__).parents[2]
OF_CLASSES = (
    metrics.Accuracy,
    metrics.BalancedAccuracy,
    metrics.F1,
    metrics.AUC,
    metrics.AveragePrecision,
    metrics.LogLoss,
    metrics.BrierScore,
    metrics.CalibrationError,
)


@pytest.fixture(scope="module")
def on_tensorflow(tmp_path_factory):
    """Values and slopes of all terms on TensorFlow, from a process of its own."""
    path = tmp_path_factory.mktemp("values") / "values.npz"
    subprocess.run(
        [sys.executable, "-m", "tests.backends.values", str(path)],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        check=True,
        timeout=280,
    )
    return np.load(path)


@pytest.mark.parametrize("name", ALL_TERMS)
def test_a_term_is_that_of_tensorflow(on_tensorflow, name):
    """Its value of each sample, and its slope by each prediction, to rounding."""
    value, slope = of(name)
    np.testing.assert_allclose(value, on_tensorflow[f"value/{name}"], rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(slope, on_tensorflow[f"slope/{name}"], rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("kind", ALL)
def test_a_metric_is_that_of_numpy(kind):
    """In batches, as a Keras metric of this backend, it is what NumPy measures of all at once."""
    arrays, metric = data(kind), make(kind)
    for start in (0, 7):
        metric.update_state(*(array[start : start + 7] for array in arrays))
    found = float(keras.ops.convert_to_numpy(metric.result()))
    assert found == pytest.approx(make(kind).evaluate(*arrays), rel=2e-5)


@pytest.mark.parametrize("kind", OF_CLASSES, ids=lambda kind: kind.__name__)
def test_a_metric_of_classes_is_that_of_numpy(kind):
    """Likewise."""
    rng = np.random.default_rng(3)
    p = rng.uniform(0.05, 0.95, (40, 1)).astype("float32")
    y = (rng.uniform(size=(40, 1)) < p).astype("float32")
    metric = kind()
    for start in (0, 25):
        metric.update_state(y[start : start + 25], p[start : start + 25])
    found = float(keras.ops.convert_to_numpy(metric.result()))
    assert found == pytest.approx(kind().evaluate(y, p), rel=2e-5)
