"""The best constant prediction for a metric, against closed forms."""

import numpy as np
import pytest

from lossweights import metrics
from lossweights.metrics.constant import best_constant

Y = np.random.default_rng(0).gamma(2.0, 3.0, size=(3000, 1))


@pytest.mark.parametrize(
    ("metric", "direction", "wanted"),
    [
        (metrics.RMSE(), "minimize", np.std(Y)),
        (metrics.MAE(), "minimize", np.mean(np.abs(Y - np.median(Y)))),
        (metrics.Shortfall(), "minimize", 0.0),
        (metrics.ServiceLevel(), "maximize", 1.0),
        (
            metrics.PinballLoss(tau=0.83),
            "minimize",
            np.mean(
                np.maximum(0.83 * (Y - np.quantile(Y, 0.83)), -0.17 * (Y - np.quantile(Y, 0.83)))
            ),
        ),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_closed_forms(metric, direction, wanted):
    """Mean, median, quantile or the largest target, on all of more rows than are searched on."""
    found = best_constant(metric, direction, Y, output_shape=(None, 1))
    assert found.value == pytest.approx(wanted, rel=2e-4, abs=1e-12)
    worse = found.value >= wanted - 1e-12 if direction == "minimize" else found.value <= wanted
    assert worse  # a constant that exists is never better than the best


def test_each_channel_has_its_own_constant():
    """Few channels or many."""
    for channels in (3, 40):
        y = np.random.default_rng(1).normal(size=(500, channels)) * np.arange(1, channels + 1)
        found = best_constant(metrics.RMSE(), "minimize", y, output_shape=(None, channels))
        assert found.value == pytest.approx(np.sqrt(np.mean(np.var(y, axis=0))), rel=1e-6)


def test_targets_without_a_channel_axis():
    """As Keras takes them beside an output of one number."""
    found = best_constant(metrics.RMSE(), "minimize", Y[:, 0], output_shape=(None, 1))
    assert found.value == pytest.approx(np.std(Y), rel=1e-5)


def test_sample_weight_counts():
    """Rows of weight 0 have no part in it."""
    weight = (np.arange(len(Y)) % 2).astype(float)
    found = best_constant(metrics.RMSE(), "minimize", Y, weight, output_shape=(None, 1))
    assert found.value == pytest.approx(np.std(Y[1::2]), rel=1e-4)


def test_masks_are_all_or_nothing():
    """The best constant for Dice is everything, and for a distance a mask that is there."""
    masks = np.zeros((6, 8, 8, 1))
    masks[:, 1:6, 1:6] = 1
    shape = (None, 8, 8, 1)
    found = best_constant(metrics.Dice(), "maximize", masks, output_shape=shape)
    assert found.value == pytest.approx(2 * 25 / (25 + 64))
    assert found.perfect == 1.0
    found = best_constant(metrics.HD95(), "minimize", masks, output_shape=shape)
    assert found.value == pytest.approx(metrics.hd95(masks, np.ones_like(masks)))


def test_the_output_that_a_metric_reads():
    """Of several."""
    y = {"a": Y, "b": 10 * Y}
    metric = metrics.on("b", metrics.RMSE())
    shapes = {"a": (None, 1), "b": (None, 1)}
    found = best_constant(metric, "minimize", y, output_shape=shapes)
    assert found.value == pytest.approx(10 * np.std(Y), rel=1e-5)


def test_a_constant_of_logits_is_searched_for_beyond_the_targets():
    """Log-odds of a rare class lie far below its targets of 0 and 1."""

    class Entropy(metrics.Metric):
        """Cross-entropy of logits."""

        direction, unit, default_name, n_statistics = "minimize", "target", "entropy", 1

        def statistics(self, xp, y_true, y_pred):
            """The mean over each sample."""
            return [xp.mean(xp.logaddexp(0.0, y_pred) - y_true * y_pred, axis=1)]

        def value(self, sums):
            """The mean over samples."""
            return sums[..., 0] / sums[..., -1]

    y = (np.arange(1000) % 50 == 0).astype(float)[:, None]
    found = best_constant(Entropy(), "minimize", y, output_shape=(None, 1))
    assert found.value == pytest.approx(-(0.02 * np.log(0.02) + 0.98 * np.log(0.98)), rel=1e-4)


def test_what_cannot_be_measured_is_not_known():
    """Nothing is raised."""
    assert (
        best_constant(metrics.RMSE(), "minimize", np.zeros((5, 1)), output_shape=(None, 3)) is None
    )
    assert best_constant(metrics.FillRate(), "maximize", -Y, output_shape=(None, 1)) is None
