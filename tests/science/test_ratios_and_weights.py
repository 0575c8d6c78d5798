"""A common factor of the weights of a sample's elements cancels in every term that is a ratio."""

import numpy as np
import pytest

import lossweights as lw
from lossweights import terms

pytestmark = pytest.mark.science

RNG = np.random.default_rng(0)
SHAPE = (4, 8, 7, 2)
Y = (RNG.uniform(size=SHAPE) < 0.4).astype("float32")
P = RNG.uniform(0.05, 0.95, size=SHAPE).astype("float32")
WEIGHTS = {
    "elements": RNG.uniform(0.1, 2.0, size=SHAPE[:-1]).astype("float32"),
    "channels too": RNG.uniform(0.1, 2.0, size=SHAPE).astype("float32"),
    "a mask": (RNG.uniform(size=SHAPE[:-1]) < 0.7).astype("float32"),
}
RATIOS = {
    "dice": terms.Dice(),
    "tversky": terms.Tversky(0.3, 0.7),
    "soft boundary dice": terms.SoftBoundaryDice(),
    "boundary F1": terms.BoundaryF1(theta=3),
    "dice on a mask": terms.reading(terms.Dice()),
}


@pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize("term", RATIOS.values(), ids=RATIOS)
@pytest.mark.parametrize("factor", [2.0, 1e-9, 1e9])
def test_a_common_factor_cancels(term, weight, factor):
    """As a Keras loss, inside a sum and for each sample; a factor of one sample does so too."""
    scaled = np.float32(factor) * weight
    alone = weight * np.reshape([factor, 1, 1, 1], (4, *[1] * (weight.ndim - 1))).astype("float32")
    loss = lw.CombinedLoss({"ratio": term})
    for other in (scaled, alone):
        assert float(term(Y, P, other)) == pytest.approx(float(term(Y, P, weight)), rel=1e-5)
        assert float(loss(Y, P, other)) == pytest.approx(float(loss(Y, P, weight)), rel=1e-5)
        found, expected = (term.per_sample(Y, P, each) for each in (other, weight))
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_dice_with_weights_by_hand():
    """``1 - 2 sum(w y p) / sum(w (y + p))`` of each sample, and its mean over the samples."""
    w = WEIGHTS["elements"][..., None].astype("float64")
    over = (1, 2, 3)
    values = 1 - 2 * (w * Y * P).sum(axis=over) / (w * (Y + P)).sum(axis=over)
    found = terms.Dice()(Y, P, WEIGHTS["elements"])
    assert float(found) == pytest.approx(values.mean(), rel=1e-5)


def test_beside_a_mean_over_elements():
    """Of a sum, the mean is doubled with the weights and the ratio is not."""
    loss = lw.CombinedLoss({"mse": "mse", "dice": terms.Dice()})
    weight = WEIGHTS["elements"]
    once, twice = (loss.components(Y, P, w) for w in (weight, 2 * weight))
    assert float(twice["mse"]) == pytest.approx(2 * float(once["mse"]), rel=1e-6)
    assert float(twice["dice"]) == pytest.approx(float(once["dice"]), rel=1e-6)


def test_weights_of_samples_multiply():
    """A sample of weight 2 counts twice, and one of weight 0 not at all, as in Keras."""
    values = np.array(terms.Dice().per_sample(Y, P))
    weight = np.array([2.0, 0.0, 1.0, 1.0], "float32")
    assert float(terms.Dice()(Y, P, weight)) == pytest.approx((weight * values).mean(), rel=1e-5)


@pytest.mark.parametrize("term", RATIOS.values(), ids=RATIOS)
def test_nothing_of_a_sample_counts(term):
    """A sample whose elements have the weight 0 throughout adds 0."""
    weight = WEIGHTS["elements"] * np.reshape([1, 0, 1, 1], (4, 1, 1)).astype("float32")
    values = np.array(term.per_sample(Y, P, weight))
    assert values[1] == 0.0
    assert float(term(Y, P, weight)) == pytest.approx(values.mean(), rel=1e-6)
