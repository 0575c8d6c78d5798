"""Metrics of classifiers, of Keras and of anybody: the same numbers in every trainer."""

import keras
import numpy as np
import pytest

import lossweights as lw
from lossweights.data import Data
from lossweights.metrics import as_metric
from lossweights.training import FitTrainer, Member, SerialTrainer, StackedTrainer

from .parity import SEED, assert_same, problem, train

ROWS, CLASSES = 90, 3
TERMS = {
    "ce": keras.losses.SparseCategoricalCrossentropy(),
    "mae": keras.losses.SparseCategoricalCrossentropy(name="again"),
}
METRICS = {
    "accuracy": lw.metrics.Accuracy(),
    "balanced": lw.metrics.BalancedAccuracy(),
    "f1": lw.metrics.F1(),
    "auc": lw.metrics.AUC(),
    "precision": lw.metrics.AveragePrecision(),
    "log_loss": lw.metrics.LogLoss(),
    "brier": lw.metrics.BrierScore(),
    "calibration": lw.metrics.CalibrationError(bins=5),
    "keras": as_metric(keras.metrics.SparseTopKCategoricalAccuracy(k=2)),
    "function": lw.metrics.custom(keras.metrics.sparse_categorical_crossentropy),
}


def softmax():
    """One layer that gives probabilities of three classes."""
    return keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(CLASSES, activation="softmax")],
    )


def class_numbers():
    """Rows of classes that overlap, with weights."""
    rng = np.random.default_rng(2)
    y = rng.integers(0, CLASSES, 2 * ROWS)
    x = rng.normal(size=(2 * ROWS, 4)) + 0.7 * np.eye(CLASSES, 4)[y]
    weight = rng.uniform(0.1, 2.0, 2 * ROWS)
    train, val = ([a[part] for a in (x, y, weight)] for part in (slice(ROWS), slice(ROWS, None)))
    return Data(train=tuple(train), val=tuple(val), test=tuple(val))


def test_every_trainer_measures_the_same():
    """Rankings and functions on the host as sums in the graph; on test data too."""
    made = problem(softmax, TERMS, metrics=METRICS)
    data = class_numbers()
    members = [Member({"ce": 1.0, "mae": w}, SEED, tested=True) for w in (0.0, 2.0)]
    expected = train(FitTrainer(made, data), members)
    for trainer in (StackedTrainer(made, data, size=2), SerialTrainer(made, data)):
        found = train(trainer, members)
        assert_same(found, expected)
        for one, other in zip(found, expected, strict=True):
            assert one.test == pytest.approx(other.test, rel=1e-5)
            assert one.test == pytest.approx(one.metrics, rel=1e-5)
    values = expected[0].metrics
    assert values["log_loss"] == pytest.approx(values["function"], rel=1e-5)
    assert values["keras"] >= values["accuracy"]
