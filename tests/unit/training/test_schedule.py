"""How much is measured of gradients: little enough, and the same on every machine."""

import keras
import numpy as np
import pytest

from lossweights.data import Split
from lossweights.metrics import RMSE
from lossweights.terms import as_term
from lossweights.training._schedule import FEWEST_ROWS, MOST_ROWS, gradient_epochs, gradient_rows
from lossweights.training.problem import Problem

TERMS = {name: as_term("mse", name) for name in "abc"}


def rows(train, epochs):
    """How many rows gradients of three terms are measured on, of so many training rows."""
    y = np.zeros((train, 1))
    made = Problem(
        build_model=keras.Sequential, terms=TERMS, metrics={"rmse": RMSE()}, epochs=epochs
    )
    return len(gradient_rows(made, Split(y, y)))


def test_many_rows_and_epochs_pay_for_the_most():
    """A training of a hundred thousand rows does not notice 256."""
    assert rows(6000, epochs=20) == MOST_ROWS


def test_a_short_training_measures_on_few():
    """About a twentieth of the rows that are differentiated, and some in any case."""
    few = rows(2000, epochs=10)
    assert few * 3 * len(gradient_epochs(10)) == pytest.approx(0.05 * 10 * 2000, rel=0.05)
    assert rows(320, epochs=10) == FEWEST_ROWS
    assert rows(5, epochs=1) == 5
