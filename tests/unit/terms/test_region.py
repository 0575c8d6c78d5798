"""Region terms against Keras' own, sample by sample, and where Keras stops: empty masks, logits."""

import keras
import numpy as np
import pytest
from keras import ops

from lossweights.base.errors import TermError
from lossweights.terms import Dice, Focal, Tversky

from .boundary_properties import gradient

SHAPE = (5, 8, 7, 2)


def data(seed=0):
    """Masks and probabilities."""
    rng = np.random.default_rng(seed)
    return (rng.uniform(size=SHAPE) < 0.3).astype("float32"), rng.uniform(size=SHAPE).astype(
        "float32"
    )


def values(term, y, p):
    """The value of each sample."""
    return ops.convert_to_numpy(term.per_sample(y, p))


def test_dice_is_keras_dice_of_each_sample():
    """Keras' formula over the axes of a sample gives the value of each."""
    y, p = data()
    np.testing.assert_allclose(
        values(Dice(), y, p), keras.losses.dice(y, p, axis=(1, 2, 3)), rtol=1e-6
    )


def test_tversky_has_the_letters_of_the_paper():
    """Alpha is the price of false positives; Keras 3.15 documents that too, and swaps them."""
    y, p = data()
    found, made_up, missed = (np.sum(x, axis=(1, 2, 3)) for x in (y * p, (1 - y) * p, y * (1 - p)))
    expected = 1 - found / (found + 0.2 * made_up + 0.9 * missed)
    np.testing.assert_allclose(values(Tversky(0.2, 0.9), y, p), expected, rtol=1e-6)
    swapped = keras.losses.tversky(y, p, alpha=0.9, beta=0.2, axis=(1, 2, 3))
    np.testing.assert_allclose(swapped, expected, rtol=1e-6)


def test_tversky_at_one_half_is_dice():
    """With both prices one half, Tversky is Dice."""
    y, p = data()
    np.testing.assert_allclose(values(Tversky(), y, p), values(Dice(), y, p), rtol=1e-6)


@pytest.mark.parametrize("alpha", [None, 0.25])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("from_logits", [False, True])
def test_focal_is_keras_focal(alpha, gamma, from_logits):
    """Where nothing saturates, the value is Keras'."""
    y, p = data()
    p = 4 * p - 2 if from_logits else 0.05 + 0.9 * p
    theirs = keras.losses.BinaryFocalCrossentropy(
        apply_class_balancing=alpha is not None,
        alpha=alpha or 0.25,
        gamma=gamma,
        from_logits=from_logits,
        reduction=None,
    )
    expected = np.mean(ops.convert_to_numpy(theirs(y, p)), axis=(1, 2))
    ours = Focal(gamma, alpha, from_logits=from_logits)
    np.testing.assert_allclose(values(ours, y, p), expected, rtol=1e-5)


def test_focal_pulls_when_surely_wrong():
    """A logit of -40 for a true answer has nearly the gradient of -1; Keras' is 0 there."""
    y, p = np.ones((1, 1), "float32"), np.full((1, 1), -40.0, "float32")
    ours = gradient(lambda x: Focal(from_logits=True).per_sample(y, x), p)
    assert ours[0, 0] == pytest.approx(-1.0, abs=1e-3)


def test_empty_masks():
    """Two empty masks cost nothing, an empty one against any other 1, without division by zero."""
    empty, full = np.zeros(SHAPE, "float32"), np.ones(SHAPE, "float32")
    for term in (Dice(), Tversky(0.3, 0.7)):
        np.testing.assert_array_equal(values(term, empty, empty), 0.0)
        np.testing.assert_allclose(values(term, empty, full), 1.0)
        np.testing.assert_allclose(values(term, full, empty), 1.0)
        np.testing.assert_allclose(values(term, full, full), 0.0, atol=1e-6)


def test_a_mask_that_is_wrong_is_pulled_right():
    """Raising the prediction inside the mask helps, raising it outside hurts."""
    y, p = data()
    for term in (Dice(), Tversky(0.3, 0.7), Focal()):
        slope = gradient(lambda x, term=term: term.per_sample(y, x), p)
        assert (slope[y == 1] < 0).all()
        assert (slope[y == 0] > 0).all()


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: Tversky(alpha=0.0), "alpha"),
        (lambda: Tversky(beta=-1.0), "beta"),
        (lambda: Focal(gamma=-1.0), "gamma"),
        (lambda: Focal(gamma="2"), "gamma"),
        (lambda: Focal(alpha=1.0), "alpha"),
    ],
)
def test_bad_arguments(make, argument):
    """An impossible argument is refused by its name."""
    with pytest.raises(TermError, match=f"Expected `{argument}`.*Found {argument}="):
        make()
