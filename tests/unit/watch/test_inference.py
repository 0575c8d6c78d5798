"""A model is measured with the statistics of the rows, and left exactly as it was."""

import keras
import numpy as np
import pytest
from keras import layers

from lossweights.watch.inference import (
    OwnLosses,
    batch_statistics,
    build,
    normalizing_layers,
    outputs_of,
)

X = np.random.default_rng(0).normal(2.0, 3.0, size=(20, 3)).astype("float32")


def normalized():
    """Two layers of batch normalisation, the second behind dropout."""
    return keras.Sequential(
        [
            keras.Input((3,)), layers.BatchNormalization(momentum=0.9), layers.Dropout(0.5),
            layers.Dense(4), layers.BatchNormalization(center=False),
        ]
    )  # fmt: skip


def test_statistics_are_those_of_the_rows():
    """Mean and variance of what goes into each layer, dropout off; nothing is kept."""
    model = normalized()
    before = [np.array(variable) for variable in model.variables]
    values = [np.asarray(value) for _, value in batch_statistics(model, X)]
    np.testing.assert_allclose(values[0], X.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(values[1], X.var(axis=0), rtol=1e-5)
    first, _, dense, _ = model.layers
    scaled = (X - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + first.epsilon)
    hidden = np.asarray(dense(scaled))
    np.testing.assert_allclose(values[2], hidden.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(values[3], hidden.var(axis=0), rtol=1e-4)
    for kept, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(kept, variable)
    assert first.momentum == 0.9
    assert "call" not in vars(first)


def test_outputs_with_other_values():
    """With the statistics of the rows outputs are normalised; without, they are as in use."""
    model = normalized()
    found = np.asarray(outputs_of(model, X, batch_statistics(model, X)))
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_array_equal(outputs_of(model, X), model(X, training=False))


def test_a_frozen_layer_keeps_its_averages():
    """In training too it normalises by them, so that it is no business of the rows."""
    model = normalized()
    model.layers[0].trainable = False
    assert normalizing_layers(model) == [model.layers[-1]]
    model.layers[-1].trainable = False
    assert batch_statistics(model, X) == []


def test_a_layer_that_fails_leaves_no_trace():
    """What was set for the measurement is taken back, whatever happens."""
    model = normalized()
    with pytest.raises(ValueError, match="shape"):
        batch_statistics(model, X[:, :2])
    assert model.layers[0].momentum == 0.9
    assert "call" not in vars(model.layers[0])


@pytest.mark.parametrize(
    ("options", "fixed", "a_row"),
    [
        ({"kernel_regularizer": keras.regularizers.L1(1.0)}, 12.0, 0.0),
        ({"activity_regularizer": keras.regularizers.L1(1.0)}, 12.0, 0.0),
        ({"kernel_regularizer": "l2", "bias_regularizer": "l2"}, 0.12, 0.0),
    ],
)
def test_own_losses_of_a_layer(options, fixed, a_row):
    """Neither a penalty of parameters nor Keras' own of activities depends on the batch."""
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(4, kernel_initializer="ones", **options)]
    )
    own = OwnLosses(model, X[:2])
    assert own.exist
    found = [float(part) for part in own.measure(np.ones((7, 3), "float32"))]
    assert found == pytest.approx([fixed, a_row], abs=1e-5)


def test_most_models_have_no_own_losses():
    """Batch normalisation and dropout add none."""
    assert not OwnLosses(normalized(), X[:2]).exist


def test_building_takes_types_as_training_does():
    """Doubles become Keras' own float, whole numbers stay."""
    words = keras.Sequential([layers.Embedding(5, 2), layers.Flatten(), layers.Dense(1)])
    build(words, np.array([[1, 4], [0, 2]]))
    assert words.output_shape == (None, 1)
    numbers = keras.Sequential([layers.Dense(2)])
    build(numbers, np.ones((4, 3)))
    assert numbers.layers[0].kernel.shape == (3, 2)
