"""A share of something that crosses zero is not told, anywhere; magnitudes are."""

import math

import keras
import numpy as np
import pytest

from lossweights import CombinedLoss, TermMonitor
from lossweights.dominance.judge import judge
from lossweights.figures.curves import draw_curves
from lossweights.records import EpochReport
from lossweights.tracking._points import report_points

WEIGHTS = {"mse": 1.0, "cosine": 1.0}
# The total at the end is 0.05, of which mse would be 2000 %.
ROWS = [[3.0, -0.1], [1.5, -0.9], [1.0, -0.95]]


def test_the_verdict_tells_sizes_and_no_share():
    """Terms of both signs: no part of the weighted loss, but what each of them is."""
    verdict = judge(WEIGHTS, ROWS)
    assert verdict.driver == "mse"
    assert all(math.isnan(share) for share in verdict.share.values())
    assert "of the weighted loss at the end, and supplied" not in verdict.paragraph
    assert "Terms of the weighted loss at the end: mse 1, cosine -0.95" in verdict.paragraph
    assert verdict.to_json()["share"] == {"mse": None, "cosine": None}
    assert verdict.to_json()["weighted"] == {"mse": 1.0, "cosine": -0.95}


@pytest.mark.parametrize("end", [[1.0, -0.95], [1.0, -1.0], [0.0, 0.0], [-1.0, -1.0]])
def test_no_verdict_speaks_of_a_part_of_the_weighted_loss(end):
    """Near zero, zero, or below: the sentence "2000 % of the weighted loss" is never said."""
    paragraph = judge(WEIGHTS, [[3.0, 2.0], end]).paragraph
    assert "of the weighted loss at" not in paragraph.replace("Terms of the weighted loss at", "")


def test_mlflow_gets_magnitudes_and_no_share():
    """Points of a report whose terms cancel: magnitudes and weighted ones, no shares."""
    report = EpochReport(
        1, dict(zip(WEIGHTS, ROWS[-1], strict=True)), {"mse": 1.0, "cosine": 3.0}, {}
    )
    points = {point.key: point.value for point in report_points(WEIGHTS, [report], [0])}
    assert points["3 weighted/cosine"] == -0.95
    assert not [key for key in points if key.startswith("4 share/")]
    positive = EpochReport(1, {"mse": 1.0, "cosine": 3.0}, {"mse": 1.0, "cosine": 3.0}, {})
    points = {point.key: point.value for point in report_points(WEIGHTS, [positive], [0])}
    assert points["4 share/cosine"] == 0.75


def test_the_report_draws_no_share():
    """The curves of shares have gaps where there is none."""
    weights = {name: np.full(len(ROWS), weight) for name, weight in WEIGHTS.items()}
    figure = draw_curves(range(len(ROWS)), np.array(ROWS), weights, list(WEIGHTS))
    sizes, parts = figure.data[::2], figure.data[1::2]
    assert np.isfinite([curve.y for curve in sizes]).all()
    for curve in parts:
        assert np.isnan(curve.y).all()
        assert curve.stackgroup is None


def below_zero(y_true, y_pred):
    """A squared error from which a constant is taken."""
    return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1) - 50.0


def test_a_watched_training_logs_magnitudes_and_no_share():
    """A term below zero in a real training: no share is a number, every magnitude is."""
    x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
    loss = CombinedLoss({"mse": "mse", "below": below_zero}, {"mse": 1.0, "below": 1.0})
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    model.compile("adam", loss=loss)
    monitor = TermMonitor(loss, probe=(x, x + 1), gradients=None, budget=None)
    logged = model.fit(x, x + 1, epochs=2, verbose=0, callbacks=[monitor]).history
    assert (np.array(logged["magnitude/below"]) < 0).all()
    assert np.isnan(logged["share/mse"]).all()
    assert np.isfinite(logged["magnitude/mse"]).all()
    assert "% of the weighted loss" not in monitor.verdict.paragraph
