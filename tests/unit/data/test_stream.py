"""Streams: rows that are read from a dataset, the same each time, and checked like arrays."""

from itertools import chain

import keras
import numpy as np
import pytest
import tensorflow as tf

from lossweights.base.errors import DataError
from lossweights.data._data import Data
from lossweights.data._stream import Stream

X, Y = np.arange(20.0, dtype="float32").reshape(10, 2), np.arange(10.0, dtype="float32")[:, None]
W = np.linspace(0.5, 2, 10, dtype="float32")
GOOD = (X, Y)
Dataset = tf.data.Dataset


def slices(*arrays):
    """A dataset of the rows of arrays."""
    return Dataset.from_tensor_slices(arrays)


def rows_of(stream, epochs=1, batch_size=4):
    """The targets of epochs, one list for each batch."""
    return [y[:, 0].tolist() for _, y, *_ in stream.epochs(epochs, batch_size).as_numpy_iterator()]


def generated():
    """A dataset of a Python generator that does not know its shapes."""
    return Dataset.from_generator(
        lambda: zip(X, Y, strict=True), output_types=(tf.float32, tf.float32)
    ).batch(3)


def interleaved():
    """A dataset read from several sources at once."""
    return Dataset.range(2).interleave(
        lambda half: slices(X, Y).skip(half * 5).take(5).shuffle(5, seed=1),
        num_parallel_calls=2,
        deterministic=None,
    )


# Datasets that are put back to their start, and whether their epochs differ.
REPEATABLE = {
    "plain": (lambda: slices(X, Y).batch(3), False),
    "shuffled": (lambda: slices(X, Y).shuffle(6, seed=1).batch(3), True),
    "shuffled once": (
        lambda: slices(X, Y).shuffle(6, seed=1, reshuffle_each_iteration=False).batch(3),
        False,
    ),
    "shuffled batches": (lambda: slices(X, Y).batch(2).shuffle(6, seed=1).prefetch(2), True),
    "cached": (lambda: slices(X, Y).cache().shuffle(6, seed=1).batch(3), True),
    "generator": (generated, False),
    "shuffled generator": (lambda: generated().unbatch().shuffle(6, seed=1).batch(3), True),
    "interleaved": (lambda: interleaved().batch(3), False),
}


@pytest.mark.parametrize(("make", "differ"), REPEATABLE.values(), ids=REPEATABLE.keys())
def test_every_training_sees_the_same_epochs(make, differ):
    """Put back to its start a dataset gives its epochs again, wherever reading had stopped."""
    stream = Stream("train", make())
    first = rows_of(stream, epochs=2)
    assert [len(rows) for rows in first] == [4, 4, 2, 4, 4, 2]
    for epoch in (first[:3], first[3:]):
        assert sorted(chain(*epoch)) == Y[:, 0].tolist()
    assert (first[:3] != first[3:]) == differ
    iterator = iter(stream.epochs(5, 3))
    for _ in range(7):
        next(iterator)
    del iterator
    assert rows_of(stream, epochs=2) == first
    assert rows_of(Stream("train", make()), epochs=2) == first
    assert stream.head(4).y[:, 0].tolist() == first[0]


def test_batches_are_cut_anew():
    """How the dataset is batched decides nothing; a static batch size neither."""
    whole = rows_of(Stream("train", slices(X, Y).batch(10)))
    for batched in (slices(X, Y).batch(1), slices(X, Y).batch(5, drop_remainder=True)):
        assert rows_of(Stream("train", batched)) == whole


def test_head_is_the_first_rows_and_is_kept():
    """The first rows of the first epoch, as many as asked for and there are."""
    stream = Stream("train", slices({"a": X, "b": (X, X)}, Y, W).batch(3))
    assert len(stream) == 10
    for rows in (1, 5, 2, 99):
        head = stream.head(rows)
        np.testing.assert_array_equal(head.x["b"][1], X[:rows])
        np.testing.assert_array_equal(head.y, Y[:rows])
        np.testing.assert_array_equal(head.sample_weight, W[:rows])
    assert len(stream.sample) == 10


def test_rows_are_as_keras_takes_them():
    """Doubles are narrowed, integers stay, a column of weights is a row, shapes are known."""
    numbers = np.arange(10)
    stream = Stream("train", slices((X.astype("float64"), numbers), Y, W[:, None]).batch(4))
    (x, n), y, w = stream.epochs(1, 4).element_spec
    assert (x.dtype, n.dtype, y.dtype) == (tf.float32, tf.int64, tf.float32)
    assert w.shape.as_list() == [None]
    x, y = Stream("train", generated()).epochs(1, 4).element_spec
    assert (x.shape.as_list(), y.shape.as_list()) == ([None, 2], [None, 1])


def broken(value):
    """Targets with one bad value."""
    y = Y.copy()
    y[7] = value
    return y


def spent():
    """A generator that gives its rows only once."""
    rows = zip(X, Y, strict=True)
    spec = (tf.TensorSpec((2,), tf.float32), tf.TensorSpec((1,), tf.float32))
    return Dataset.from_generator(lambda: rows, output_signature=spec).batch(3)


def ragged_rows():
    """Batches whose rows have differing lengths."""
    spec = (tf.TensorSpec((None, None), tf.float32), tf.TensorSpec((None, 1), tf.float32))
    batches = [(X[:4], Y[:4]), (X[4:, :1], Y[4:])]
    return Dataset.from_generator(lambda: iter(batches), output_signature=spec)


# What is refused, and what is said of it.
BAD = {
    "rows": (lambda: slices(X, Y), r"batches as train.*train.x: \(2,\).*\.batch"),
    "scalar rows": (lambda: slices(X, Y[:, 0]), r"train\.y: \(\)"),
    "one part": (lambda: Dataset.from_tensor_slices(X).batch(3), r"\(x, y\)"),
    "a dict": (lambda: Dataset.from_tensor_slices({"x": X, "y": Y}).batch(3), r"\(x, y\)"),
    "endless": (lambda: slices(X, Y).batch(3).repeat(), "an end"),
    "empty": (lambda: slices(X, Y).take(0).batch(3), "at least one row"),
    "NaN": (lambda: slices(X, broken(np.nan)).batch(3), r"train\.y.*index \(7, 0\)"),
    "infinity": (lambda: slices(X, Y, broken(np.inf)[:, 0]).batch(3), r"sample_weight.*\(7,\)"),
    "texts": (lambda: slices(X, np.array(["a"] * 10)).batch(3), "numbers"),
    "negative weights": (lambda: slices(X, Y, broken(-1.0)).batch(3), "none negative"),
    "weights all zero": (lambda: slices(X, Y, 0 * W).batch(3), "not all 0"),
    "weights of elements": (lambda: slices(X, Y, X).batch(3), "one number for each row"),
    "ragged": (
        lambda: Dataset.from_tensor_slices((tf.ragged.constant([[1.0], [1.0, 2.0]]), [[1.0]] * 2))
        .batch(2),
        "dense",
    ),
    "rows of two shapes": (ragged_rows, r"one shape.*\(2,\).*\(1,\)"),
    "read only once": (spent, "put back"),
    "shuffled twice": (
        lambda: slices(X, Y).shuffle(6, seed=1).shuffle(6, seed=2).batch(5), "put back"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "says"), BAD.values(), ids=BAD.keys())
def test_bad_datasets_are_refused(make, says):
    """What no training could use, or not twice, is a DataError that says what and where."""
    with pytest.raises(DataError, match=says) as raised:
        Data(train=make(), val=GOOD)
    assert "Expected" in str(raised.value)
    assert "Found" in str(raised.value)


def test_passes_of_differing_length_are_an_error():
    """A dataset that loses rows at random does not shift the epochs in silence."""
    noise = Dataset.random(seed=3, rerandomize_each_iteration=True)
    rows = Dataset.zip((slices(X, Y), noise)).filter(lambda row, n: n % 3 > 0)
    stream = Stream("train", rows.map(lambda row, n: row).batch(3))
    with pytest.raises(tf.errors.FailedPreconditionError, match=r"cardinality|elements"):
        rows_of(stream, epochs=9, batch_size=1)


def test_a_batch_without_weight_is_no_mistake():
    """Only weights that are zero everywhere are refused."""
    weight = W.copy()
    weight[:3] = 0
    assert len(Stream("train", slices(X, Y, weight).batch(3))) == 10


def test_validation_and_test_data_are_read_into_memory():
    """A dataset there is the same as its arrays."""
    data = Data(train=GOOD, val=slices(X, Y, W).batch(3), test=slices(X, Y).batch(4))
    arrays = Data(train=GOOD, val=(X, Y, W), test=GOOD)
    assert data.fingerprint() == arrays.fingerprint()
    for bad, says in (
        (slices(X, Y), "batches as val"),
        (slices(X, broken(np.nan)).batch(3), "val.y"),
    ):
        with pytest.raises(DataError, match=says):
            Data(train=GOOD, val=bad)


def test_fingerprint_is_of_rows_in_their_order():
    """Equal rows have one fingerprint however they are batched; others, or others first, not."""
    prints = [
        Data(train=dataset, val=GOOD).fingerprint()
        for dataset in (
            slices(X, Y).batch(3),
            slices(X, broken(3.5)).batch(3),
            slices(X, Y, W).batch(3),
            slices(X, Y).take(9).batch(3),
            slices({"a": X}, Y).batch(3),
            slices(X, Y).shuffle(6, seed=1).batch(3),
            slices(X, Y).shuffle(6, seed=2).batch(3),
            slices(X.astype("int32"), Y).batch(3),
        )
    ]
    assert len(set(prints)) == len(prints)
    assert Data(train=slices(X, Y).batch(7), val=GOOD).fingerprint() == prints[0]


def test_type_of_numbers_is_that_of_keras():
    """Where Keras computes in float64, doubles stay."""
    keras.config.set_floatx("float64")
    try:
        stream = Stream("train", slices(X.astype("float64"), Y).batch(3))
        assert stream.head(1).x.dtype == np.float64
    finally:
        keras.config.set_floatx("float32")
