"""When multiplying all weights by 4 changes nothing, to the last bit (T8), and T12's duplicates."""

import keras
import numpy as np
import pytest
from keras import ops

from lossweights import CombinedLoss
from lossweights.terms import Boundary, Underestimation

pytestmark = pytest.mark.science

RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 5)).astype("float32")
Y = RNG.normal(size=(96, 4)).astype("float32")
TERMS = {"mse": "mse", "under": Underestimation(), "boundary": Boundary(axes=1)}
WEIGHTS = {"mse": 1.0, "under": 0.5, "boundary": 0.25}


def trained(loss, optimizer, regularizer=None, steps=9):
    """All parameters after three epochs of three batches, always from the same start."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.layers.Input((5,)),
            keras.layers.Dense(8, activation="tanh", kernel_regularizer=regularizer),
            keras.layers.Dense(4),
        ]
    )
    model.compile(optimizer, loss=loss)
    for step in range(steps):
        rows = slice(32 * (step % 3), 32 * (step % 3) + 32)
        model.train_on_batch(X[rows], Y[rows])
    return np.concatenate([weights.ravel() for weights in model.get_weights()])


def under_scale(factor):
    """The same three terms with all weights times ``factor``."""
    return CombinedLoss(TERMS, {name: factor * weight for name, weight in WEIGHTS.items()})


def largest_change(make, options, scaled, **recipe):
    """How far training under weights times 4 ends from training under the weights."""
    one = trained(under_scale(1.0), make(**options), **recipe)
    four = trained(under_scale(4.0), make(**{**options, **scaled}), **recipe)
    assert np.abs(one).max() > 0.1
    return np.abs(one - four).max()


O = keras.optimizers  # noqa: E741  the table below is read by its columns

# optimizer, its arguments, what is changed along with the weights
IDENTICAL = [
    (O.SGD, {"learning_rate": 0.1}, {"learning_rate": 0.025}),
    (O.SGD, {"learning_rate": 0.1, "momentum": 0.9}, {"learning_rate": 0.025}),
    (O.SGD, {"learning_rate": 0.1, "clipnorm": 1e-3}, {}),
    (O.Adam, {"learning_rate": 0.01, "epsilon": 1e-7}, {"epsilon": 4e-7}),
    (O.AdamW, {"learning_rate": 0.01, "epsilon": 1e-7}, {"epsilon": 4e-7}),
    (O.Nadam, {"learning_rate": 0.01, "epsilon": 1e-7}, {"epsilon": 4e-7}),
    (O.Adamax, {"learning_rate": 0.01, "epsilon": 1e-7}, {"epsilon": 4e-7}),
    (O.RMSprop, {"learning_rate": 0.01, "epsilon": 1e-7}, {"epsilon": 16e-7}),
    (O.Lion, {"learning_rate": 0.01}, {}),
]


@pytest.mark.parametrize(
    ("make", "options", "scaled"), IDENTICAL, ids=lambda value: getattr(value, "__name__", None)
)
def test_weights_times_four_change_no_bit(make, options, scaled):
    """With the learning rate or epsilon scaled to match, only the weights' ratios count."""
    assert largest_change(make, options, scaled) == 0.0


@pytest.mark.parametrize(
    ("make", "options", "least", "most"),
    [
        (O.Adam, {"learning_rate": 0.01}, 1e-9, 1e-3),
        (O.SGD, {"learning_rate": 0.1}, 1e-2, 10.0),
        (O.Adagrad, {"learning_rate": 0.1}, 1e-3, 10.0),
    ],
    ids=["Adam", "SGD", "Adagrad"],
)
def test_where_the_scale_does_count(make, options, least, most):
    """As they are, Adam's epsilon counts a little, plain steps and Adagrad's start a lot."""
    assert least < largest_change(make, options, {}) < most


def test_a_regularizer_gives_weights_an_absolute_scale():
    """Beside a penalty on the kernel, four times the weights is another problem."""
    options, scaled = {"learning_rate": 0.01, "epsilon": 1e-7}, {"epsilon": 4e-7}
    regularizer = keras.regularizers.L2(0.1)
    assert largest_change(O.Adam, options, scaled, regularizer=regularizer) > 1e-3


def test_a_term_twice_is_the_term_once():
    """Two halves of a term train as the whole, and their magnitudes are one number."""
    whole = CombinedLoss({"mse": "mse", "under": Underestimation()}, {"mse": 1.0, "under": 1.0})
    halves = CombinedLoss(
        {"mse": "mse", "one": Underestimation(), "two": Underestimation()},
        {"mse": 1.0, "one": 0.5, "two": 0.5},
    )
    uneven = CombinedLoss(halves.terms, {"mse": 1.0, "one": 0.2, "two": 0.8})
    ends = [trained(loss, O.Adam(0.01)) for loss in (whole, halves, uneven)]
    np.testing.assert_allclose(ends[1], ends[0], atol=1e-6)
    np.testing.assert_allclose(ends[2], ends[0], atol=1e-6)
    means = uneven.components(Y, Y + 1 - X[:, :4])
    shares = [uneven.weights[name] * float(means[name]) for name in ("one", "two")]
    assert shares[1] / shares[0] == pytest.approx(4.0)


def test_a_constant_changes_shares_but_no_training():
    """A term that costs 10 more everywhere trains and decreases alike; its share is larger."""

    def dearer(y_true, y_pred):
        return ops.square(y_true - y_pred) + 10.0

    terms = {"under": Underestimation(), "boundary": Boundary(axes=1)}
    plain = CombinedLoss({"mse": "mse", **terms}, WEIGHTS)
    raised = CombinedLoss({"mse": dearer, **terms}, WEIGHTS)
    np.testing.assert_array_equal(trained(plain, O.Adam(0.01)), trained(raised, O.Adam(0.01)))

    before, after = Y + 2.0, Y + 0.5  # any two predictions, as of two epochs

    def magnitudes(loss, p):
        return {n: loss.weights[n] * float(v) for n, v in loss.components(Y, p).items()}

    for name in WEIGHTS:
        decreases = [
            magnitudes(loss, before)[name] - magnitudes(loss, after)[name]
            for loss in (plain, raised)
        ]
        assert decreases[1] == pytest.approx(decreases[0], abs=1e-5)
    shares = [
        magnitudes(x, after)["mse"] / sum(magnitudes(x, after).values()) for x in (plain, raised)
    ]
    assert shares[1] > shares[0]
