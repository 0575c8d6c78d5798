"""Pointwise terms against Keras' own losses and against float64."""

import keras
import numpy as np
import pytest
from keras import ops

from lossweights.base.errors import TermError
from lossweights.terms import Huber, MeanAbsoluteError, MeanSquaredError

from .boundary_properties import gradient

PAIRS = [
    (MeanSquaredError(), keras.losses.MeanSquaredError()),
    (MeanAbsoluteError(), keras.losses.MeanAbsoluteError()),
    (Huber(), keras.losses.Huber()),
    (Huber(2.5), keras.losses.Huber(2.5)),
]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=lambda loss: loss.name)
@pytest.mark.parametrize("shape", [(7, 1), (7, 5), (7, 4, 3), (7, 2, 3, 2)])
def test_equal_to_keras(ours, theirs, shape):
    """Ours are Keras' losses for every shape, unweighted and weighted by sample."""
    rng = np.random.default_rng(0)
    y, p = (3 * rng.normal(size=(2, *shape))).astype("float32")
    assert float(ours(y, p)) == pytest.approx(float(theirs(y, p)), rel=1e-6)
    weight = rng.uniform(size=shape[:-1]).astype("float32")
    assert float(ours(y, p, weight)) == pytest.approx(float(theirs(y, p, weight)), rel=1e-5)


def test_huber_is_safe_far_out():
    """An error whose square overflows has the linear part's gradient, not NaN."""
    y, p = np.zeros((1, 1), "float32"), np.full((1, 1), 1e25, "float32")
    slope = gradient(lambda x: Huber(2.0).per_sample(y, x), p)
    np.testing.assert_allclose(slope, [[2.0]])


def test_huber_lies_between():
    """A large delta makes it half the squared error, a small one delta times the absolute."""
    rng = np.random.default_rng(1)
    y, p = rng.normal(size=(2, 5, 3))
    half_square = ops.convert_to_numpy(MeanSquaredError().per_sample(y, p)) / 2
    absolute = ops.convert_to_numpy(MeanAbsoluteError().per_sample(y, p))
    np.testing.assert_allclose(Huber(1e3).per_sample(y, p), half_square, rtol=1e-6)
    np.testing.assert_allclose(Huber(1e-6).per_sample(y, p) / 1e-6, absolute, rtol=1e-4)


@pytest.mark.parametrize("delta", [0.0, -1.0, float("nan"), float("inf"), "1"])
def test_bad_delta(delta):
    """A delta that is no size is refused."""
    with pytest.raises(TermError, match=r"Expected `delta`.*Found delta="):
        Huber(delta)


@pytest.mark.parametrize("shape", [(2, 8, 1), (2, 8)])
def test_more_in_the_target_than_is_predicted_names_the_way_out(shape):
    """A term beside a distance map reads the mask alone, and the message says how."""
    y, p = np.zeros((2, 8, 2), "float32"), np.zeros(shape, "float32")
    with pytest.raises(TermError, match=r"lw.terms.reading\(term, target=slice\(0, 1\)\)"):
        MeanSquaredError()(y, p)
