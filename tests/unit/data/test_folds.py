"""Divisions of one data set: at random as scikit-learn's, and in time."""

import numpy as np
import pytest
from sklearn.model_selection import TimeSeriesSplit

import lossweights as lw
from lossweights.base.errors import DataError, RecipeError
from lossweights.data import pooled

X = np.arange(40.0, dtype="float32").reshape(20, 2)
Y = {"a": X[:, :1], "b": X}
WEIGHT = np.arange(1.0, 21.0, dtype="float32")
TEST = (X[:3], {name: y[:3] for name, y in Y.items()})


def at_random():
    """Five folds of rows with two outputs and weights."""
    return lw.Data.folds((X, Y, WEIGHT), 5, seed=3, test=TEST)


def test_every_row_is_validated_once_and_trained_on_otherwise():
    """Rows of all arrays stay together; test data are those of every fold."""
    validated = []
    for data in at_random():
        for part in (data.train, data.val):
            rows = (part.x[:, 0] / 2).astype(int)
            np.testing.assert_array_equal(part.y["b"], X[rows])
            np.testing.assert_array_equal(part.y["a"], X[rows, :1])
            np.testing.assert_array_equal(part.sample_weight, WEIGHT[rows])
        both = np.concatenate([data.train.x, data.val.x])
        np.testing.assert_array_equal(np.sort(both[:, 0]), X[:, 0])
        assert len(data.test) == 3
        validated += data.val.x[:, 0].tolist()
    assert sorted(validated) == X[:, 0].tolist()


def test_the_seed_decides():
    """Equal seeds, equal folds; others are others."""
    assert at_random().fingerprint() == at_random().fingerprint()
    other = lw.Data.folds((X, Y, WEIGHT), 5, seed=4, test=TEST)
    assert other.fingerprint() != at_random().fingerprint()


@pytest.mark.parametrize("window", [None, 6])
@pytest.mark.parametrize("gap", [0, 2])
def test_rolling_origins_are_scikit_learns(gap, window):
    """Each horizon is validated by what was trained on rows before it alone."""
    split = TimeSeriesSplit(3, test_size=4, gap=gap, max_train_size=window)
    expected = [(train.tolist(), val.tolist()) for train, val in split.split(X)]
    folds = lw.Data.folds((X, X), 3, horizon=4, gap=gap, window=window)
    found = [
        tuple((part.x[:, 0] / 2).astype(int).tolist() for part in (data.train, data.val))
        for data in folds
    ]
    assert found == expected


def test_training_and_validation_rows_are_pooled():
    """As `Sweep(folds=)` does it: the folds of both, one after the other."""
    data = lw.Data(train=(X[:15], X[:15]), val=(X[15:], X[15:]), test=TEST[:1] + TEST[:1])
    folds = pooled(data, 4, seed=1)
    assert folds.fingerprint() == lw.Data.folds((X, X), 4, seed=1, test=data.test).fingerprint()
    mixed = lw.Data(train=(X[:15], X[:15], WEIGHT[:15]), val=(X[15:], X[15:]))
    with pytest.raises(DataError, match="a weight of 1"):
        pooled(mixed, 4, seed=1)


def test_folds_by_hand():
    """Any two divisions; the last stands for all."""
    one, two = (lw.Data(train=(X[:n], X[:n]), val=(X[n:], X[n:])) for n in (8, 12))
    folds = lw.Folds([one, two])
    assert (len(folds), folds.last) == (2, two)
    tested = lw.Data(train=(X, X), val=(X, X), test=(X, X))
    for parts, message in (([one], "two lw.Data or more"), ([one, 3], "Found Data, int"),
                           ([one, tested], "the same test=")):  # fmt: skip
        with pytest.raises(DataError, match=message):
            lw.Folds(parts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, "folds"),
        ({"folds": 21}, "at least 21 rows"),
        ({"folds": 3, "horizon": 7}, "at least 22 rows"),
        ({"folds": 3, "horizon": 4, "gap": 8}, "Take fewer folds"),
        ({"folds": 3, "horizon": 0}, "horizon"),
    ],
)
def test_divisions_that_cannot_be_are_refused(options, message):
    """With the number of rows that it takes."""
    with pytest.raises((DataError, RecipeError), match=message):
        lw.Data.folds((X, X), **options)
