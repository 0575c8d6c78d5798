"""Weights of rows, elements, outputs and classes, as data take them."""

import numpy as np
import pytest
import tensorflow as tf

from lossweights.base.errors import DataError
from lossweights.data import Data, pooled

RNG = np.random.default_rng(0)
X = RNG.normal(size=(10, 2))
MASKS = np.eye(3)[RNG.integers(0, 3, (10, 4, 5))]
LABELS = MASKS.argmax(-1)
LEVELS = RNG.normal(size=(10, 3))
BOTH = {"mask": MASKS, "level": LEVELS}
W = RNG.uniform(0.5, 2.0, (10, 4, 5))


@pytest.mark.parametrize(
    ("y", "shape"),
    [
        (MASKS, (10,)),
        (MASKS, (10, 4, 5)),
        (MASKS, (10, 4, 5, 1)),
        (MASKS, (10, 4, 5, 3)),
        (LABELS, (10, 4, 5)),
        (LABELS[..., None], (10, 4, 5)),
        (LEVELS, (10, 3)),
    ],
)
def test_weights_of_elements_keep_their_shape(y, shape):
    """Of the shape of y, with or without its last axis; rows can be picked from them."""
    weight = RNG.uniform(0.5, 2.0, shape)
    split = Data((X, y, weight), (X, y)).train
    np.testing.assert_allclose(split.sample_weight, weight, rtol=1e-6)
    np.testing.assert_array_equal(split.at(np.array([3])).sample_weight, split.sample_weight[[3]])


def test_a_column_of_weights_is_one_a_row():
    """As before there were others."""
    weight = W[:, 0, 0]
    row, column = (Data((X, MASKS, w), (X, MASKS)) for w in (weight, weight[:, None]))
    assert row.fingerprint() == column.fingerprint()
    assert column.train.sample_weight.shape == (10,)


def test_weights_by_output_are_made_whole():
    """An output without any weighs 1, by name or by place; the order is that of y."""
    split = Data((X, BOTH, {"mask": W}), (X, BOTH)).train
    assert list(split.sample_weight) == ["mask", "level"]
    assert split.sample_weight["level"].tolist() == [1.0] * 10
    listed = Data((X, [MASKS, LEVELS], [W, None]), (X, [MASKS, LEVELS])).train
    np.testing.assert_array_equal(listed.sample_weight[0], split.sample_weight["mask"])
    one = Data((X, BOTH, W[:, 0, 0]), (X, BOTH)).train.sample_weight
    assert one.shape == (10,)


@pytest.mark.parametrize(
    ("y", "weight", "says"),
    [
        (MASKS, W[:, :3], r"weights of shape \(10, 3, 5\) for y of shape \(10, 4, 5, 3\)"),
        (MASKS, np.ones((10, 3)), "for each element of y"),
        (MASKS, -W, "none negative"),
        (MASKS, 0 * W, "not all 0"),
        (BOTH, W, "by output"),
        (BOTH, {"mask": W, "lvl": W}, "'lvl'"),
        (BOTH, {"mask": W, "level": 0 * LEVELS}, r"sample_weight\.level.*0 alone"),
        (BOTH, {"mask": W[:, :2]}, r"sample_weight\.mask"),
        ([MASKS, LEVELS], {"mask": W}, "as the targets are given"),
        ([MASKS, LEVELS], [W], "1 arrays for 2 arrays"),
    ],
)
def test_weights_that_do_not_fit_are_refused(y, weight, says):
    """With both shapes, or the outputs, and what fits."""
    with pytest.raises(DataError, match=says):
        Data((X, y, weight), (X, y))


def test_a_stream_has_weights_of_elements_and_outputs():
    """A dataset gives them batch by batch, checked alike; a column is one a row."""
    weights = {"mask": W, "level": np.ones((10, 1))}
    dataset = tf.data.Dataset.from_tensor_slices((X, BOTH, weights)).batch(4)
    held = Data(dataset, (X, BOTH)).train.head(10).sample_weight
    np.testing.assert_allclose(held["mask"], W, rtol=1e-6)
    assert held["level"].shape == (10,)
    for bad, says in (({"mask": -W}, "none negative"), ({"mask": 0 * W}, "0 alone")):
        dataset = tf.data.Dataset.from_tensor_slices((X, BOTH, {**weights, **bad})).batch(4)
        with pytest.raises(DataError, match=f"mask.*{says}"):
            Data(dataset, (X, BOTH))


def test_class_weights_of_folds_are_of_what_each_trains_on():
    """Divided rows are weighed in training alone, also where a sweep divides them."""
    table, y = {0: 3.0}, LABELS[:, 0, 0]
    for folds in (
        Data.folds((X, y), 2, class_weight=table),
        pooled(Data((X[:6], y[:6]), (X[6:], y[6:]), class_weight=table), 2, seed=0),
    ):
        for fold in folds:
            expected = np.where(fold.train.y == 0, 3.0, 1.0)
            np.testing.assert_array_equal(fold.train.sample_weight, expected)
            assert fold.val.sample_weight is None


def test_class_weights_by_output():
    """A dict by output; those that are given are multiplied, others stay 1."""
    data = Data((X, BOTH, {"mask": W}), (X, BOTH), class_weight={"mask": {1: 4.0}})
    found = data.train.sample_weight
    np.testing.assert_allclose(found["mask"], W * np.where(LABELS == 1, 4.0, 1.0), rtol=1e-6)
    assert found["level"].tolist() == [1.0] * 10


def test_unknown_labels_have_no_class():
    """NaN weighs 1: nothing counts there anyway."""
    y = np.array([0.0, np.nan, 1.0])
    data = Data((X[:3], y), (X[:3], y), missing="nan", class_weight={0: 2.0, 1: 0.5})
    assert data.train.sample_weight.tolist() == [2.0, 1.0, 0.5]


@pytest.mark.parametrize(
    ("y", "given", "says"),
    [
        (LABELS, {}, "class_weight={}"),
        (LABELS, {"a": 1.0}, "a number of at least 0"),
        (LABELS, {0: -1.0}, "a number of at least 0"),
        (LABELS, {0: float("nan")}, "a number of at least 0"),
        (LABELS, {0: 0.0, 1: 0.0, 2: 0.0}, "0 alone"),
        (MASKS, {3: 1.0}, r"classes up to 2, .*\[3\]"),
        (LEVELS, {0: 2.0}, "targets that are classes in train.y"),
        (np.ones((10, 3)), {2: 2.0}, "labels that do not exclude each other"),
        (BOTH, {0: 2.0}, "by the names of outputs"),
        (BOTH, {"other": {0: 2.0}}, "by the names of outputs"),
    ],
)
def test_class_weights_that_mean_nothing_are_refused(y, given, says):
    """With what was found and what to give instead."""
    with pytest.raises(DataError, match=says):
        Data((X, y), (X, y), class_weight=given)


def test_class_weights_of_a_dataset_are_refused():
    """The message says how a dataset gives weights itself."""
    dataset = tf.data.Dataset.from_tensor_slices((X, LABELS)).batch(5)
    with pytest.raises(DataError, match=r"dataset\.map"):
        Data(dataset, (X, LABELS), class_weight={0: 2.0})
