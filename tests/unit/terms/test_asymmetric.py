"""Asymmetric terms: numbers by hand, identities between them, gradients at zero, bad arguments."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import ops

from lossweights.base.errors import TermError
from lossweights.terms import (
    Expectile,
    MeanAbsoluteError,
    MeanSquaredError,
    Newsvendor,
    Overestimation,
    Pinball,
    Underestimation,
)

from .boundary_properties import gradient

# Two samples; errors y - p of (3, -1) and (0, -2).
Y = np.array([[10.0, 4.0], [5.0, 0.0]], "float32")
P = np.array([[7.0, 5.0], [5.0, 2.0]], "float32")

BY_HAND = [
    (Underestimation(), [3.0, 0.0]),  # 2 * 3 / 2
    (Underestimation(factor=1.0), [1.5, 0.0]),
    (Underestimation(power=2), [9.0, 0.0]),  # 2 * 9 / 2
    (Underestimation(factor=0.5, power=2), [2.25, 0.0]),
    (Overestimation(), [1.0, 2.0]),
    (Overestimation(power=2), [1.0, 4.0]),
    (Pinball(0.75), [1.25, 0.25]),  # (0.75 * 3 + 0.25 * 1) / 2, 0.25 * 2 / 2
    (Expectile(0.75), [3.5, 0.5]),  # (0.75 * 9 + 0.25 * 1) / 2, 0.25 * 4 / 2
    (Newsvendor(5.0, 1.0), [8.0, 1.0]),  # (5 * 3 + 1 * 1) / 2, 1 * 2 / 2
]


def values(term, y=Y, p=P):
    """The value of each sample."""
    return ops.convert_to_numpy(term.per_sample(y, p))


@pytest.mark.parametrize(("term", "expected"), BY_HAND, ids=lambda v: getattr(v, "name", ""))
def test_by_hand(term, expected):
    """The values are those worked out on paper."""
    np.testing.assert_allclose(values(term), expected)


def test_sign_of_the_error():
    """Predicting too little is underestimation, and nothing else is."""
    too_low, too_high = np.array([[1.0]]), np.array([[3.0]])
    y = np.array([[2.0]])
    assert values(Underestimation(), y, too_low) > 0 == values(Underestimation(), y, too_high)
    assert values(Overestimation(), y, too_high) > 0 == values(Overestimation(), y, too_low)


arrays = hnp.arrays("float64", (3, 4), elements=st.floats(-100, 100))


@settings(max_examples=50, deadline=None)
@given(y=arrays, p=arrays, tau=st.floats(0.01, 0.99))
def test_identities(y, p, tau):
    """The forms of the literature are the same functions, and both sides make the whole."""

    def same(a, b):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)

    mse, mae = values(MeanSquaredError(), y, p), values(MeanAbsoluteError(), y, p)
    under, over = values(Underestimation(), y, p), values(Overestimation(), y, p)
    bias = np.mean(y - p, axis=1)
    same(under, mae + bias)  # 2 relu(e) = |e| + e
    same(under + over, 2 * mae)
    same(values(Underestimation(1.0, 2), y, p) + values(Overestimation(1.0, 2), y, p), mse)
    same(values(Overestimation(), y, p), values(Underestimation(), p, y))
    same(2 * values(Pinball(0.5), y, p), mae)
    same(2 * values(Expectile(0.5), y, p), mse)
    same(values(Pinball(tau), y, p), values(Pinball(1 - tau), p, y))
    cost = values(Newsvendor(tau, 1 - tau), y, p)
    same(cost, values(Pinball(tau), y, p))
    same(values(Newsvendor(7 * tau, 7 * (1 - tau)), y, p), 7 * cost)


@pytest.mark.parametrize(
    ("term", "under", "over"),
    [
        (Underestimation(), -2.0, 0.0),
        (Underestimation(3.0, 2), -6.0, 0.0),
        (Overestimation(), 0.0, 2.0),
        (Pinball(0.8), -0.8, 0.2),
        (Expectile(0.8), -1.6, 0.4),
        (Newsvendor(5.0, 1.0), -5.0, 1.0),
    ],
    ids=lambda v: getattr(v, "name", ""),
)
def test_gradient_on_either_side(term, under, over):
    """An error pulls as strongly as it costs, to the right side, and none not at all."""
    y = np.zeros((3, 1), "float32")
    p = np.array([[-1.0], [0.0], [1.0]], "float32")
    slope = gradient(lambda x: term.per_sample(y, x), p)
    np.testing.assert_allclose(slope[:, 0], [under, 0.0, over], rtol=1e-6)


BAD = [
    (Underestimation, {"factor": 0.0}),
    (Underestimation, {"factor": -2.0}),
    (Underestimation, {"factor": math.nan}),
    (Underestimation, {"factor": math.inf}),
    (Underestimation, {"factor": "2"}),
    (Underestimation, {"factor": True}),
    (Underestimation, {"power": 3}),
    (Underestimation, {"power": True}),
    (Overestimation, {"power": 1.5}),
    (Pinball, {"tau": 0.0}),
    (Pinball, {"tau": 1.0}),
    (Pinball, {"tau": None}),
    (Expectile, {"tau": 1.5}),
    (Newsvendor, {"under_cost": 0.0, "over_cost": 1.0}),
    (Newsvendor, {"under_cost": 1.0, "over_cost": -1.0}),
]


@pytest.mark.parametrize(("term", "arguments"), BAD)
def test_bad_arguments(term, arguments):
    """An impossible argument is refused by its name, with what was expected and found."""
    bad = next(reversed(arguments)) if arguments.get("under_cost") != 0.0 else "under_cost"
    with pytest.raises(TermError, match=f"Expected `{bad}`.*Found {bad}="):
        term(**arguments)


def test_numpy_numbers_are_numbers():
    """Arguments from arrays are plain floats in the config."""
    config = Pinball(np.float32(0.5)).get_config()
    assert type(config["tau"]) is float
    assert type(Underestimation(np.int64(3), np.int64(2)).get_config()["power"]) is int
