"""What holds at an optimum: calibration (T1c) and stationarity (T11)."""

import keras
import numpy as np
import pytest

from lossweights import CombinedLoss
from lossweights.terms import (
    Boundary,
    Expectile,
    Huber,
    MeanSquaredError,
    Newsvendor,
    TotalVariation,
    Underestimation,
)

from .fits import predict, settling, term_gradients, train

pytestmark = pytest.mark.science

RNG = np.random.default_rng(0)
X = RNG.normal(size=(800, 3)).astype("float32")
# Six hours that follow the inputs, with skewed noise of a size that follows them too.
Y = (X @ RNG.normal(size=(3, 6)) + np.exp(0.3 * X[:, :1]) * RNG.gamma(2.0, size=(800, 6))).astype(
    "float32"
)


def errors(model):
    """``y - p`` of the training data."""
    return Y.astype("float64") - predict(model, X)


@pytest.mark.parametrize("shape", [None, Boundary(axes=1), Boundary(axes=1, kernel="sobel")])
@pytest.mark.parametrize("ratio", [0.5, 2.0])
def test_bias_is_the_ratio_times_the_under_rate(ratio, shape):
    """``a mean(p - y) = b under_rate``, whatever shift-invariant term is added."""
    terms, weights = {"mse": "mse", "under": Underestimation()}, {"mse": 1.0, "under": ratio}
    if shape is not None:
        terms["shape"], weights["shape"] = shape, 0.5
    model = train(CombinedLoss(terms, weights), X, Y, steps=300, optimizer=settling(0.4, 300))
    e = errors(model)
    assert -e.mean() == pytest.approx(ratio * np.mean(e > 0), abs=2e-3)
    assert -e.mean() > 0.05


def test_shift_invariant_terms_move_other_things():
    """The boundary term of the test above is not idle: it does change the predictions."""
    plain = CombinedLoss({"mse": "mse", "under": Underestimation()})
    shaped = CombinedLoss({"mse": "mse", "under": Underestimation(), "shape": Boundary(axes=1)})
    models = [train(loss, X, Y, steps=150) for loss in (plain, shaped)]
    difference = predict(models[0], X) - predict(models[1], X)
    assert np.abs(difference).mean() > 0.01


def test_squared_penalty_balances_the_shortfall():
    """With the squared penalty, ``a mean(p - y) = b mean(relu(e))``: smooth, so nearly exact."""
    loss = CombinedLoss(
        {"mse": "mse", "under": Underestimation(1.0, 2), "smooth": Boundary(axes=1)},
        {"mse": 1.0, "under": 3.0, "smooth": 0.1},
    )
    e = errors(train(loss, X, Y, steps=400, optimizer=settling(0.5, 400)))
    assert -e.mean() == pytest.approx(3.0 * np.maximum(e, 0).mean(), abs=2e-4)


def test_newsvendor_runs_short_as_often_as_costs_say():
    """Alone, it leaves demand unmet in the part ``co / (cu + co)`` of cases, at every hour."""
    model = train(Newsvendor(4.0, 1.0), X, Y, steps=800, optimizer=settling(2.0, 800))
    assert np.mean(errors(model) > 0, axis=0) == pytest.approx(np.full(6, 0.2), abs=0.01)


def test_the_identity_shows_a_model_that_is_not_trained():
    """After a few steps only, the residual is far from zero."""
    loss = CombinedLoss({"mse": "mse", "under": Underestimation()})
    e = errors(train(loss, X, Y, steps=3, optimizer=keras.optimizers.SGD(0.05)))
    assert abs(-e.mean() - np.mean(e > 0)) > 0.5


def weighted_gradients(terms, weights, steps):
    """The gradient of each weighted term by all parameters, at the optimum of their sum."""
    loss = CombinedLoss(terms, weights)
    model = train(loss, X, Y, steps=steps, optimizer=settling(0.5, steps))
    gradients = term_gradients(list(loss.terms.values()), model, X, Y)
    return np.array(list(weights.values()))[:, None] * gradients


def test_two_terms_pull_in_opposite_directions():
    """At the optimum of two terms their weighted gradients have equal norms and the cosine -1."""
    terms = {"mse": MeanSquaredError(), "under": Underestimation(1.0, 2)}
    one, other = weighted_gradients(terms, {"mse": 1.0, "under": 2.0}, 400)
    norms = np.linalg.norm(one), np.linalg.norm(other)
    assert norms[0] > 0.1
    assert norms[1] == pytest.approx(norms[0], rel=1e-3)
    assert one @ other / np.prod(norms) == pytest.approx(-1.0, abs=1e-5)


def test_no_term_outweighs_the_others_at_an_optimum():
    """Of three terms or more none has over half of the gradient norms; at the start one may."""
    terms = {
        "mse": MeanSquaredError(),
        "under": Underestimation(1.0, 2),
        "low": Expectile(0.1),
        "robust": Huber(0.5),
    }
    weights = {"mse": 0.2, "under": 1.0, "low": 2.0, "robust": 1.0}
    gradients = weighted_gradients(terms, weights, 600)
    norms = np.linalg.norm(gradients, axis=1)
    assert np.linalg.norm(gradients.sum(axis=0)) < 1e-3 * norms.sum()
    assert norms.max() / norms.sum() <= 0.5 + 1e-3
    start = np.linalg.norm(weighted_gradients(terms, weights, 1), axis=1)
    assert start.max() / start.sum() > 0.5


def test_total_variation_is_no_boundary():
    """Smoothing the prediction leaves the mean alone and flattens the ramps below the truth."""
    loss = CombinedLoss({"mse": "mse", "tv": TotalVariation(axes=1)}, {"mse": 1.0, "tv": 2.0})
    model = train(loss, X, Y, steps=300, optimizer=settling(0.4, 300))
    assert errors(model).mean() == pytest.approx(0.0, abs=2e-3)
    steep, smoothed = (np.abs(np.diff(y, axis=1)).mean() for y in (Y, predict(model, X)))
    plain = np.abs(np.diff(predict(train("mse", X, Y), X), axis=1)).mean()
    assert smoothed < 0.5 * plain < steep
