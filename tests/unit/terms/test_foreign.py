"""Keras' losses and custom functions as terms: values, weights, arguments, refusals."""

import keras
import numpy as np
import pytest
from keras import ops

from lossweights.base.errors import TermError
from lossweights.terms import CustomLoss, KerasLoss, as_term
from lossweights.terms._foreign import BUILTINS

RNG = np.random.default_rng(0)
ONE_HOT = np.eye(3, dtype="float32")[RNG.integers(0, 3, size=(4, 5))]
PROBABILITIES = RNG.dirichlet(np.ones(3), size=(4, 5)).astype("float32")
LABELS = np.argmax(ONE_HOT, axis=-1)
# Their call wants other data than one-hot classes, or has one value for the whole batch.
SPECIAL = {
    "CTC",
    "CategoricalGeneralizedCrossEntropy",
    "Circle",
    "Dice",
    "SparseCategoricalCrossentropy",
    "Tversky",
}


@pytest.mark.parametrize("name", sorted(set(BUILTINS) - SPECIAL))
def test_values_are_those_of_keras(name):
    """The mean of the term is the Keras loss, with any weights; each sample has its own value."""
    term, loss = KerasLoss(name), BUILTINS[name]()
    weight = RNG.uniform(size=(4, 5)).astype("float32")
    for given in (None, weight):
        expected = float(loss(ONE_HOT, PROBABILITIES, sample_weight=given))
        found = float(term(ONE_HOT, PROBABILITIES, sample_weight=given))
        assert found == pytest.approx(expected, rel=1e-5)
    values = ops.convert_to_numpy(term.per_sample(ONE_HOT, PROBABILITIES))
    alone = [float(loss(ONE_HOT[i : i + 1], PROBABILITIES[i : i + 1])) for i in range(4)]
    np.testing.assert_allclose(values, alone, rtol=1e-5)


SPARSE = keras.losses.SparseCategoricalCrossentropy()
IGNORING = keras.losses.SparseCategoricalCrossentropy(ignore_class=2)
GENERALIZED = keras.losses.CategoricalGeneralizedCrossEntropy()


@pytest.mark.parametrize(
    ("loss", "labels"),
    [
        (SPARSE, LABELS),
        (SPARSE, LABELS[..., None]),
        (IGNORING, LABELS),
        (IGNORING, LABELS[..., None]),
        (GENERALIZED, LABELS),
    ],
)
def test_class_numbers(loss, labels):
    """Losses of class numbers take them as Keras' do, with any weights."""
    term = as_term(loss, "ce")
    weight = RNG.uniform(size=(4, 5)).astype("float32")
    for given in (None, weight):
        expected = float(loss(labels, PROBABILITIES, sample_weight=given))
        assert float(term(labels, PROBABILITIES, given)) == pytest.approx(expected, rel=1e-5)


def test_labels_with_an_axis_of_their_own_are_those_of_their_sample():
    """Keras 3.15 sets labels (batch, 1) of its generalized entropy against every sample."""
    term, labels = as_term(GENERALIZED, "ce"), LABELS[:, 0]
    alone = ops.convert_to_numpy(term.per_sample(labels, PROBABILITIES[:, 0]))
    np.testing.assert_array_equal(term.per_sample(labels[:, None], PROBABILITIES[:, 0]), alone)
    wrong = keras.losses.categorical_generalized_cross_entropy
    assert ops.shape(wrong(labels[:, None], PROBABILITIES[:, 0], 0.5)) == (4, 4)


def test_circle_keeps_a_value_for_each_sample():
    """Circle loss compares samples with each other and still has one value for each."""
    labels = np.array([0, 0, 1, 1])
    embeddings = RNG.normal(size=(4, 8)).astype("float32")
    expected = float(keras.losses.Circle()(labels, embeddings))
    assert float(as_term("circle", "c")(labels, embeddings)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("axis", [None, 0, -3, (0, 1), (-3, -2, -1)])
@pytest.mark.parametrize("loss", [keras.losses.Dice, keras.losses.Tversky])
def test_batch_scalars_are_refused(loss, axis):
    """Keras' Dice over the batch is no value per sample: refused, with the term's name or axis."""
    with pytest.raises(TermError, match=r"term 'overlap'.*Take lw.terms|other than that of the b"):
        as_term(loss(axis=axis), "overlap").per_sample(ONE_HOT, PROBABILITIES)


def test_an_axis_that_is_the_batch_is_refused():
    """Also where the values happen to be as many as the samples."""
    y = np.eye(4, dtype="float32")
    for loss in (keras.losses.CategoricalCrossentropy(axis=0), keras.losses.CosineSimilarity(-2)):
        with pytest.raises(TermError, match="other than that of the batch"):
            as_term(loss, "x").per_sample(y, y)


def test_dice_with_axes():
    """With the axes of a sample, Keras' Dice is a term."""
    term = as_term(keras.losses.Dice(axis=(1, 2)), "overlap")
    expected = keras.losses.dice(ONE_HOT, PROBABILITIES, axis=(1, 2))
    np.testing.assert_allclose(term.per_sample(ONE_HOT, PROBABILITIES), expected, rtol=1e-6)


def test_weights_for_every_element():
    """Means over elements take weights of the whole shape; others say that they cannot."""
    weight = RNG.uniform(size=ONE_HOT.shape).astype("float32")
    expected = float(np.mean(weight * (ONE_HOT - PROBABILITIES) ** 2))
    found = float(KerasLoss("MeanSquaredError")(ONE_HOT, PROBABILITIES, weight))
    assert found == pytest.approx(expected, rel=1e-5)
    with pytest.raises(TermError, match="Expected weights"):
        KerasLoss("CategoricalCrossentropy")(ONE_HOT, PROBABILITIES, weight)


def test_targets_without_an_axis():
    """Predictions of one number a sample have one value a sample, where Keras takes their mean."""
    y, p = np.array([1.0, 2.0]), np.array([1.0, 4.0])
    np.testing.assert_array_equal(KerasLoss("MeanSquaredError").per_sample(y, p), [0.0, 4.0])


@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.Huber(delta=3.0),
        keras.losses.CosineSimilarity(axis=1),
        keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1),
        keras.losses.SparseCategoricalCrossentropy(ignore_class=0),
        keras.losses.Tversky(alpha=0.3, axis=(1, 2)),
        keras.losses.CategoricalFocalCrossentropy(alpha=[0.1, 0.2, 0.7]),
    ],
    ids=lambda loss: loss.name,
)
def test_arguments_are_kept(loss):
    """Every argument of the instance is kept, also those that Keras leaves out of its config."""
    term = as_term(loss, "x")
    again = type(term).from_config(term.get_config())
    y = LABELS if "sparse" in loss.name else ONE_HOT
    expected = float(loss(y, PROBABILITIES))
    if "tversky" in loss.name:
        expected = float(np.mean(loss.call(y, PROBABILITIES)))
    assert float(term(y, PROBABILITIES)) == pytest.approx(expected, rel=1e-5)
    assert float(again(y, PROBABILITIES)) == pytest.approx(expected, rel=1e-5)


def test_keras_still_loses_arguments():
    """Keras 3.15 drops Huber's delta from its config: why arguments are read elsewhere."""
    assert "delta" not in keras.losses.Huber(delta=3.0).get_config()


def test_shapes_that_broadcasting_would_hide():
    """Keras would broadcast (3, 1) against (3, 24) without a word; the term refuses."""
    with pytest.raises(TermError, match=r"y_true of shape \(3, 24\), y_pred of shape \(3, 1\)"):
        as_term("mse", "accuracy").per_sample(np.zeros((3, 24)), np.zeros((3, 1)))


@pytest.mark.parametrize(
    "function",
    [
        lambda y, p: ops.mean(ops.square(y - p)),
        lambda y, p: ops.mean(ops.square(y - p), axis=0),
        lambda y, p: 1.0,
    ],
)
def test_wrong_shapes_are_refused(function):
    """A function that gives one number, or loses the batch, is refused with the term's name."""
    with pytest.raises(TermError, match="one value per sample from the term 'own'"):
        CustomLoss(function, name="own").per_sample(ONE_HOT, PROBABILITIES)


def test_unknown_loss_or_argument():
    """A class or an argument that Keras does not have is refused with those it has."""
    with pytest.raises(TermError, match="Found 'Hubert'"):
        KerasLoss("Hubert")
    with pytest.raises(TermError, match=r"among \['delta'\].*Found \['beta'\]"):
        KerasLoss("Huber", {"beta": 1.0})
