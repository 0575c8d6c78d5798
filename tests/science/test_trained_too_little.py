"""The diagnostic of training too little is told only where it can be known."""

import keras
import numpy as np
import pytest

from lossweights import CombinedLoss, TermMonitor

X = np.linspace(-1, 1, 64, dtype="float32")[:, None]
BELOW = 2 * X - 3  # below zero: a bias that may not be negative cannot follow


def verdict(target, optimizer, epochs=60, **bias):
    """The verdict on a linear model whose output bias is held as given."""
    loss = CombinedLoss({"mse": "mse"})
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, **bias)])
    model.compile(optimizer, loss=loss)
    monitor = TermMonitor(loss, probe=(X, target), gradients=None, budget=None)
    model.fit(X, target, epochs=epochs, batch_size=64, verbose=0, callbacks=[monitor])
    return monitor.verdict


def sgd(**options):
    """An optimizer that trains the model to its end."""
    return keras.optimizers.SGD(0.3, **options)


@pytest.mark.parametrize(
    ("optimizer", "bias"),
    [
        (sgd(), {"bias_constraint": "non_neg"}),
        (sgd(weight_decay=0.5), {}),
        (sgd(), {"bias_regularizer": keras.regularizers.L2(1.0)}),
    ],
    ids=["NonNeg", "strong decay", "regularised"],
)
def test_a_bias_that_something_holds_is_not_undertrained(optimizer, bias):
    """NonNeg, very strong decay, a penalty: trained to its end, it is not said to be too little."""
    assert "trained too little" not in verdict(BELOW, optimizer, **bias).paragraph


def test_a_free_bias_that_was_not_trained_long_enough_is_told():
    """With nothing that holds it, one epoch at a small rate is too little, and 60 are enough."""
    assert "trained too little" in verdict(BELOW, keras.optimizers.SGD(0.05), 1).paragraph
    assert "trained too little" not in verdict(BELOW + 0.1 * np.cos(9 * X), sgd()).paragraph
