"""Terms on one output of several: what they read, and what they say when it is not there."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from lossweights.base.errors import InvalidName, TermError
from lossweights.terms import CustomLoss, Dice, OnOutput, Underestimation, on, reading
from lossweights.terms.summands import as_terms, terms_by_output, values_of

Y = {"depth": np.array([[1.0], [2.0]], "float32"), "mask": np.ones((2, 3), "float32")}
P = {"depth": np.array([[0.0], [4.0]], "float32"), "mask": np.full((2, 3), 0.5, "float32")}


def test_reads_its_output():
    """The value is that of the inner term on the output, with weights for all or by output."""
    term = on("depth", Underestimation())
    np.testing.assert_array_equal(term.per_sample(Y, P), [2.0, 0.0])
    assert float(term(Y, P)) == 1.0
    assert float(term(Y, P, sample_weight=[0.5, 1.0])) == 0.5
    assert float(term(Y, P, sample_weight={"depth": [0.5, 1.0], "mask": [9.0, 9.0]})) == 0.5
    assert float(term(Y, P, sample_weight={"mask": [9.0, 9.0]})) == 1.0


def test_weights_by_element():
    """Weights by element reach the inner term, alone or by output."""
    term = on("mask", "mae")
    weight = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]], "float32")
    expected = [1 / 6, 0.5]
    np.testing.assert_allclose(term.per_sample(Y, P, weight), expected)
    np.testing.assert_allclose(term.per_sample(Y, P, {"mask": weight}), expected)


@pytest.mark.parametrize(
    ("y", "p", "found"),
    [
        (Y["depth"], P["depth"], "y_true to be a dict.*one array"),
        ({"mask": Y["mask"]}, P, r"y_true to be a dict.*the outputs \['mask'\]"),
        (Y, P["depth"], "y_pred to be a dict.*one array"),
    ],
)
def test_missing_output(y, p, found):
    """Data without the output are refused, with how to compile the model."""
    with pytest.raises(TermError, match=f"{found}.*by_output"):
        on("depth", "mse").per_sample(y, p)


def test_config_round_trip():
    """The config is JSON and makes the same term."""
    term = on("depth", Underestimation(3.0))
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(term)))
    again = keras.saving.deserialize_keras_object(config)
    assert (again.output, again.term.factor) == ("depth", 3.0)
    assert again.get_config() == term.get_config()


def test_one_output_each():
    """A term reads one output, which has a name."""
    with pytest.raises(TermError, match="Found 'a' and 'b'"):
        on("a", on("b", "mse"))
    for output in ("", None, 3):
        with pytest.raises(TermError, match="Expected the name of an output"):
            on(output, "mse")


def test_terms_of_a_loss():
    """Names are plain, terms are terms, and either all of them name an output or none."""
    assert list(as_terms({"a": "mse", "b": Dice})) == ["a", "b"]
    assert all(isinstance(t, OnOutput) for t in as_terms({"a": on("x", "mse")}).values())
    with pytest.raises(TermError, match=r"all of the terms.*Found \['plain'\] without"):
        as_terms({"plain": "mse", "depth": on("depth", "mse")})
    with pytest.raises(InvalidName, match="term name"):
        as_terms({"a/b": "mse"})
    for nothing in ({}, None, ["mse"], "mse"):
        with pytest.raises(TermError, match="Expected a mapping"):
            as_terms(nothing)


def test_errors_have_the_name_of_the_term():
    """Whatever goes wrong inside a term, the message or its note names it."""
    with pytest.raises(TermError, match=r"The term 'shape': .*y_true of shape"):
        values_of("shape", Underestimation(), np.zeros((2, 3)), np.zeros((2, 1)))
    with pytest.raises(TermError, match="'mask': Expected y_true to have at least"):
        values_of("mask", reading(Dice()), np.zeros((2, 3, 3, 1)), np.zeros((2, 3, 3, 2)))

    def broken(y_true, y_pred):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        values_of("own", CustomLoss(broken), np.zeros((2, 1)), np.zeros((2, 1)))
    assert caught.value.__notes__ == ["This happened in the term 'own'."]


def test_a_value_for_each_element_is_none_for_a_sample():
    """A term class that leaves an axis over is refused with its name."""

    class Leftover(Underestimation):
        def per_sample(self, y_true, y_pred, element_weight=None):
            return ops.abs(y_true - y_pred)

    with pytest.raises(TermError, match=r"'own'.*\(batch,\).*\(2, 3\)"):
        values_of("own", Leftover(), Y["mask"], P["mask"])


def test_parts_of_a_loss():
    """Terms are sorted by the output that they read; a loss that names none is one part."""
    terms = as_terms({"a": on("x", "mse"), "b": on("y", "mae"), "c": on("x", "mae")})
    first, second = terms_by_output(terms)
    assert (first.output, list(first.terms), second.output) == ("x", ["a", "c"], "y")
    assert first.terms["a"] is terms["a"].term
    assert second.read({"x": 1, "y": 2}, "y_true") == 2
    assert (second.weight_of({"x": 1}), second.weight_of(3)) == (None, 3)
    with pytest.raises(TermError, match="y_true to be a dict with the output 'y'"):
        second.read({"x": 1}, "y_true")
    (plain,) = terms_by_output(as_terms({"a": "mse", "b": "mae"}))
    assert (plain.output, list(plain.terms)) == (None, ["a", "b"])
    assert (plain.read([1], "y"), plain.weight_of([2])) == ([1], [2])
