"""The probe measures what the loss says of the whole set, in batches, with weights and outputs."""

import keras
import numpy as np
import pytest
from keras import layers

from lossweights import CombinedLoss, metrics
from lossweights.base.errors import DataError
from lossweights.terms import Boundary, Underestimation, on
from lossweights.watch import probe
from lossweights.watch.probe import Probe, as_arrays, spread
from lossweights.watch.reading import Reading, values_by_output

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4)).astype("float32")
Y = RNG.normal(size=(50, 6)).astype("float32")


def make():
    """A small model with dropout and normalisation, and three terms."""
    terms = {"mse": "mse", "under": Underestimation(), "boundary": Boundary(axes=1)}
    loss = CombinedLoss(terms, {"mse": 1.0, "under": 0.0, "boundary": 7.0})
    model = keras.Sequential(
        [keras.Input((4,)), layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(6)]
    )
    return model, loss


def numbers(tensors):
    """Tensors by name as floats, to be compared."""
    return pytest.approx({name: float(value) for name, value in tensors.items()}, rel=1e-5)


@pytest.mark.parametrize("weight", [None, "samples", "elements"])
def test_magnitudes_are_those_of_the_loss(weight):
    """In inference mode, over all samples, weighted as `CombinedLoss.components` does."""
    model, loss = make()
    shapes = {None: None, "samples": (50,), "elements": (50, 6)}
    given = shapes[weight] and RNG.uniform(0, 2, shapes[weight]).astype("float32")
    expected = loss.components(Y, model(X, training=False), given)
    assert Probe(model, loss, X, Y, given).measure().magnitudes == numbers(expected)


def test_batches_do_not_show(monkeypatch):
    """Seven rows at a time give what all at once give, also for metrics that need all outputs."""
    model, loss = make()
    measured = {"rmse": metrics.RMSE(), "under_rate": metrics.UnderRate()}
    whole = Probe(model, loss, X, Y, metrics=measured).measure()
    monkeypatch.setattr(probe, "BATCH_ROWS", 7)
    parts = Probe(model, loss, X, Y, metrics=measured).measure()
    assert parts.magnitudes == numbers(whole.magnitudes)
    assert parts.metrics == numbers(whole.metrics)
    p = model.predict(X, verbose=0)
    assert whole.metrics["rmse"] == pytest.approx(np.sqrt(np.mean((p - Y) ** 2)), rel=1e-5)


def test_large_rows_come_in_small_batches():
    """Rows of a quarter of a million elements are measured eight at a time, tables all at once."""
    images = np.zeros((20, 512, 512, 1), "float32")
    assert probe._batch_rows(images[:, :, :, 0], images[:, 0, 0]) == 7
    assert probe._batch_rows(X, Y) == probe.BATCH_ROWS


def test_it_measures_the_model_as_it_is():
    """Other parameters, other numbers, with no new probe; nothing of the model changes."""
    model, loss = make()
    watch = Probe(model, loss, X, Y)
    variables = [v.numpy().copy() for v in model.variables]
    before = watch.measure()
    for old, now in zip(variables, model.variables, strict=True):
        np.testing.assert_array_equal(old, now.numpy())
    model.layers[-1].bias.assign(np.ones(6))
    assert watch.measure().magnitudes != before.magnitudes
    assert watch.measure().magnitudes == numbers(loss.components(Y, model(X, training=False)))


@pytest.mark.parametrize("kind", [list, dict])
def test_several_outputs(kind):
    """Targets as a list or by name, outputs as the functional model gives them."""
    inputs = keras.Input((4,))
    outputs = [layers.Dense(6, name=name)(inputs) for name in ("a", "b")]
    model = keras.Model(inputs, outputs)
    loss = CombinedLoss({"one": on("a", "mse"), "two": on("b", Underestimation())})
    given = {"a": Y, "b": 2 * Y} if kind is dict else [Y, 2 * Y]
    a, b = model(X, training=False)
    expected = loss.components({"a": Y, "b": 2 * Y}, {"a": a, "b": b})
    assert Probe(model, loss, X, given).measure().magnitudes == numbers(expected)


def test_a_single_output_with_a_name():
    """One array becomes the one output that the terms read."""
    model = keras.Sequential([keras.Input((4,)), layers.Dense(6, name="a")])
    loss = CombinedLoss({"one": on("a", "mse")})
    assert values_by_output(model, loss, Y)["a"] is Y
    assert Probe(model, loss, X, Y).measure().magnitudes["one"] > 0


def test_rows_are_spread_over_the_data():
    """First and last row are among them, evenly spaced between; a small set is taken whole."""
    parts = (np.arange(101), {"a": np.arange(101) * 2}, None)
    x, y, weight = spread(parts, 5)
    assert x.tolist() == [0, 25, 50, 75, 100]
    assert y["a"].tolist() == [0, 50, 100, 150, 200]
    assert weight is None
    assert spread(parts, 101) is parts


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (X, "Found ndarray"),
        ((X,), "Found tuple"),
        ((X, Y[:-1]), r"lengths \[\(49,\), \(50,\)\]"),
        ((X[:0], Y[:0]), "length above 0"),
        ((X, Y, 1.0), "length above 0"),
    ],
)
def test_data_that_does_not_fit(data, message):
    """No pair, lengths that differ, nothing at all: each is refused with what was found."""
    with pytest.raises(DataError, match=message):
        as_arrays("probe", data)


def test_data_as_lists_and_trees():
    """Two or three parts, trees of arrays, and a missing weight."""
    x, y, weight = as_arrays("probe", ({"a": X, "b": X}, Y))
    assert set(x) == {"a", "b"}
    assert y is Y
    assert weight is None
    assert as_arrays("probe", (X, Y, np.ones(50)))[2].shape == (50,)


def test_output_shape():
    """The shape of the output, by name if terms name outputs, also of a model that is a class."""

    class Own(keras.Model):
        def call(self, x):
            return x[:, :2]

    x = keras.Input((4,))
    outputs = {"v": layers.Dense(2, name="v")(x), "u": layers.Dense(1, name="u")(x)}
    one, named = CombinedLoss({"mse": "mse"}), CombinedLoss({"u": on("u", "mse")})
    assert Reading(keras.Model(x, outputs["v"]), one).output_shape(X) == (None, 2)
    assert Reading(Own(), one).output_shape(X) == (None, 2)
    expected = {"v": (None, 2), "u": (None, 1)}
    assert Reading(keras.Model(x, outputs), named).output_shape(X) == expected
    assert Reading(keras.Model(x, list(outputs.values())), named).output_shape(X) == expected
