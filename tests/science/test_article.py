"""The article's cases, done right: a penalty alone, with MSE, as functions, and scaled terms.

With ``e = y_true - y_pred``, underestimation is ``e > 0``. The cases of segmentation masks are in
``test_article_segmentation.py``.
"""

import keras
import numpy as np
import pytest
from keras import ops

from lossweights import CombinedLoss
from lossweights.terms import MeanAbsoluteError, MeanSquaredError, Underestimation

pytestmark = pytest.mark.science

# The toy problem: five points near y = x.
X = np.array([[1.0], [2.0], [3.0], [4.0], [5.0]], "float32")
Y = np.array([[1.2], [1.9], [3.3], [3.8], [5.1]], "float32")


def dense(loss):
    """One Dense unit with Adam."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), loss=loss)
    return model


def fit(loss, steps=100):
    """The mean of ``prediction - target`` after so many epochs, and the predictions."""
    model = dense(loss)
    for _ in range(steps):  # an epoch has one batch
        model.train_on_batch(X, Y)
    predictions = np.asarray(model(X))
    return float(np.mean(predictions - Y)), predictions


def mse_and_penalty():
    """Case 2: squared error plus the penalty, as one loss."""
    return CombinedLoss({"mse": "mse", "under": Underestimation()}, {"mse": 1.0, "under": 1.0})


def test_penalty_alone():
    """Case 1: alone, the penalty lifts every prediction over its target, and then rests at zero."""
    _, predictions = fit(Underestimation())
    assert (predictions >= Y).all()
    assert float(Underestimation()(Y, predictions)) == 0.0


def test_penalty_with_squared_error():
    """Case 2: the sum errs on the high side, where squared error alone does not err on average."""
    fair, _ = fit("mse", steps=300)
    high, predictions = fit(mse_and_penalty(), steps=300)
    assert fair == pytest.approx(0.0, abs=0.02)
    # At the optimum the bias is the weights' ratio times the part of points underestimated, which
    # is between two multiples of 1/5 when the line runs through a point.
    assert 0.05 < high <= 0.6
    assert np.mean(predictions < Y) < 0.5
    assert np.corrcoef(predictions[:, 0], Y[:, 0])[0, 1] > 0.98


def test_as_the_article_runs_it():
    """Case 2: compiled and fitted for 100 epochs, the sum falls and the line leans high."""
    model = dense(mse_and_penalty())
    history = model.fit(X, Y, epochs=100, batch_size=5, verbose=0).history["loss"]
    assert history[-1] < 0.05 * history[0]
    assert np.mean(model.predict(X, verbose=0) - Y) > 0.0


def test_the_sign_that_went_wrong():
    """``where(error < 0, -2 error, 0)`` with ``error = y - p`` punishes the other side."""

    def wrong(y_true, y_pred):
        error = y_true - y_pred
        return ops.square(error) + ops.where(error < 0, -2 * error, 0.0)

    low, _ = fit(wrong, steps=300)
    assert low < -0.05
    mirrored, _ = fit(CombinedLoss({"mse": "mse", "over": Underestimation()}), steps=300)
    assert mirrored > 0.05


def penalised(y_true, y_pred):
    """Case 3: the same as a plain function."""
    error = y_true - y_pred
    return ops.square(error) + 2 * ops.relu(error)


FORMS = {
    "function": penalised,
    "lambda": lambda y, p: ops.square(y - p) + 2 * ops.relu(y - p),
    "terms in a lambda": lambda y, p: MeanSquaredError().call(y, p) + Underestimation().call(y, p),
    "lambdas in a combined loss": CombinedLoss(
        {"mse": lambda y, p: ops.square(y - p), "under": lambda y, p: 2 * ops.relu(y - p)}
    ),
    "call of a combined loss": mse_and_penalty().call,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_no_class_in_sight(form):
    """Case 3: passed to ``compile`` as a function or a lambda, training is the same."""
    _, expected = fit(mse_and_penalty())
    _, found = fit(form)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_terms_of_comparable_size():
    """Case 6: scaled by the data, a term in thousands no longer drowns one in units."""
    thousands = 1000 * Y
    terms = {"mse": "mse", "mae": MeanAbsoluteError()}
    raw, scaled = CombinedLoss(terms), CombinedLoss(terms, scales="data")
    scaled.adapt(thousands)
    best = {"mse": thousands.mean(), "mae": np.median(thousands)}

    def shares(loss):
        parts = []
        for name, constant in best.items():  # each term's own best constant
            found = loss.components(thousands, np.full_like(thousands, constant))
            parts.append(loss.effective_weights[name] * float(found[name]))
        return [part / sum(parts) for part in parts]

    assert shares(raw)[0] > 0.999
    assert shares(scaled) == pytest.approx([0.5, 0.5], abs=1e-5)


def test_a_weight_of_one_matters_once_scaled():
    """Case 6: in thousands, the penalty of weight 1 lifts the line only under scales from data."""
    thousands = 1000 * Y
    biases = {}
    for scales in (None, "data"):
        loss = CombinedLoss({"mse": "mse", "under": Underestimation()}, scales=scales)
        if scales == "data":
            loss.adapt(thousands)
        # The optimum itself: with the slope free and Adam in units, training would take long.
        biases[scales] = best_intercept(loss, thousands) / 1000
    assert 0 <= biases[None] < 1e-3
    assert biases["data"] > 0.1


def best_intercept(loss, y):
    """The shift of ``y``'s best line that the loss likes best."""
    slope, intercept = np.polyfit(X[:, 0], y[:, 0], 1)
    shifts = np.linspace(-1000, 1000, 4001)
    line = (slope * X + intercept)[None] + shifts[:, None, None]
    losses = loss.call(np.broadcast_to(y[None, :, 0], (4001, 5)), line[:, :, 0].astype("float32"))
    return float(shifts[int(ops.argmin(losses))])


def test_a_list_of_losses_drops_all_but_the_first():
    """A canary: Keras 3.15 trains on the first of a list of losses, where 525 would be the sum.

    When this fails, Keras was mended, and the advice against lists can be softened.
    """
    model = keras.Sequential(
        [keras.layers.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")]
    )
    x, y = np.ones((4, 1)), np.full((4, 1), 5.0)
    model.compile("sgd", loss=["mse", "mae"], loss_weights=[1.0, 100.0])
    assert model.evaluate(x, y, verbose=0, return_dict=True)["loss"] == 25.0
    loss = CombinedLoss({"mse": "mse", "mae": "mae"}, {"mse": 1.0, "mae": 100.0})
    model.compile("sgd", loss=loss)
    assert model.evaluate(x, y, verbose=0) == 525.0
