"""Where a combined loss reads in a compiled model, what is added to it, and what multiplies it."""

import keras
import numpy as np
import pytest
from keras import layers

from lossweights import CombinedLoss
from lossweights.base.errors import ModelError
from lossweights.terms import on
from lossweights.watch.reading import Reading, compiled_losses


def model(kind="dict"):
    """A model of two outputs ``a`` and ``b``, or of one."""
    inputs = keras.Input((3,))
    a, b = (layers.Dense(1, name=name)(inputs) for name in "ab")
    return keras.Model(inputs, {"dict": {"a": a, "b": b}, "list": [a, b], "one": a}[kind])


def compiled(kind="dict", **options):
    """The model compiled with these options."""
    made = model(kind)
    made.compile("sgd", **options)
    return made


@pytest.mark.parametrize(
    ("kind", "loss", "loss_weights", "expected"),
    [
        ("one", "mse", None, {None: ("mse", None)}),
        ("one", "mse", 0.5, {None: ("mse", 0.5)}),
        ("one", ["mse"], [0.5], {None: ("mse", 0.5)}),
        ("list", ["mse", "mae"], None, {"a": ("mse", None), "b": ("mae", None)}),
        ("list", ["mse", None], [2.0, 3.0], {"a": ("mse", 2.0), "b": (None, 3.0)}),
        ("list", {"a": "mse", "b": "mae"}, [2.0, 3.0], {"a": ("mse", 2.0), "b": ("mae", 3.0)}),
        ("dict", {"a": "mse", "b": "mae"}, {"b": 3.0, "a": 2.0}, {"a": ("mse", 2.0),
                                                                  "b": ("mae", 3.0)}),
    ],
)  # fmt: skip
def test_losses_by_output(kind, loss, loss_weights, expected):
    """However ``compile`` was given them, each loss stands with its weight under its output."""
    assert compiled_losses(compiled(kind, loss=loss, loss_weights=loss_weights)) == expected


def test_a_model_that_is_not_compiled():
    """It has no losses, and terms read all there is."""
    loss = CombinedLoss({"one": on("a", "mse")})
    assert compiled_losses(model()) == {}
    reading = Reading(model("list"), loss)
    assert reading.of_terms([1, 2]) == {"a": 1, "b": 2}
    assert reading.weights() == {"one": 1.0}


def test_a_loss_of_one_output_reads_that_output():
    """From dicts, from lists, and from what is one for all."""
    loss = CombinedLoss({"mse": "mse"}, {"mse": 4.0})
    made = compiled("list", loss={"a": "mae", "b": loss}, loss_weights={"a": 3.0, "b": 0.5})
    reading = Reading(made, loss)
    assert [reading.of_terms(v) for v in ({"a": 1, "b": 2}, [1, 2], 7, None)] == [2, 2, 7, None]
    assert reading.weights() == {"mse": 2.0, "a_loss": 3.0}
    y, p = [np.zeros((4, 1))] * 2, [np.full((4, 1), 2.0), np.full((4, 1), 3.0)]
    means = {name: float(value) for name, value in reading.components(y, p).items()}
    assert means == {"mse": 9.0, "a_loss": 2.0}


def test_names_of_other_losses_are_free():
    """A term that has the name of another output's loss keeps it."""
    loss = CombinedLoss({"a_loss": "mse"})
    assert list(Reading(compiled(loss={"a": "mae", "b": loss}), loss).others) == ["a_loss_"]


def test_readings_are_alike_if_nothing_was_compiled_anew():
    """The same losses with the same weights; another ``compile`` may have changed them."""
    loss = CombinedLoss({"mse": "mse"})
    made = compiled(loss={"a": loss, "b": "mse"}, loss_weights={"a": 1.0, "b": 2.0})
    first = Reading(made, loss)
    assert first.reads_like(Reading(made, loss))
    made.compile("sgd", loss={"a": loss, "b": "mse"}, loss_weights={"a": 1.0, "b": 5.0})
    assert not first.reads_like(Reading(made, loss))


def test_another_combined_loss_is_refused():
    """Its weights may differ; a model with a loss of another kind may be watched."""
    loss = CombinedLoss({"mse": "mse"})
    with pytest.raises(ModelError, match=r"Pass model\.loss"):
        Reading(compiled("one", loss=CombinedLoss({"mse": "mse"})), loss).refuse_other_weights()
    Reading(compiled("one", loss="mse"), loss).refuse_other_weights()
