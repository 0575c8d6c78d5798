"""Descriptions of terms: flat, strict JSON, and harmless to read whatever they hold."""

import json

import keras
import pytest

from lossweights.base.errors import TermError
from lossweights.terms import (
    Boundary,
    Dice,
    KerasLoss,
    OnChannels,
    Term,
    Underestimation,
    as_term,
    describe,
    from_description,
    on,
    reading,
)
from lossweights.terms._registry import TERMS


class OwnTerm(Underestimation):
    """A term of the user's, that no file can describe."""


def test_descriptions():
    """They are what a weight-set file shows."""
    assert describe(Underestimation(3)) == {"class": "Underestimation", "factor": 3.0, "power": 1}
    boundary = {"class": "Boundary", "axes": [1, 2], "kernel": "sobel"}
    assert describe(Boundary((1, 2), "sobel")) == boundary
    assert describe(Dice(name="own", reduction="sum")) == {"class": "Dice"}
    assert describe(as_term("mse", "x")) == {"class": "MeanSquaredError"}
    assert describe(as_term(keras.losses.Huber(2.0), "x")) == {"class": "Huber", "delta": 2.0}
    assert describe(on("depth", reading(Dice()))) == {
        "class": "Dice",
        "on_mask": True,
        "output": "depth",
    }


def test_dice_axes_survive_json():
    """Axes given as a tuple come back as a list and mean the same."""
    description = describe(as_term(keras.losses.Dice(axis=(1, 2)), "x"))
    assert description == {"class": "keras:Dice", "axis": [1, 2]}
    again = from_description(json.loads(json.dumps(description)))
    assert describe(again) == description
    assert again.per_sample([[[1.0]]], [[[0.0]]]).shape == (1,)


@pytest.mark.parametrize(
    "term",
    [
        as_term(lambda y, p: abs(y - p), "own"),
        OwnTerm(),
        on("depth", OwnTerm()),
        reading(OwnTerm()),
        KerasLoss("Huber", {"delta": float("inf")}),
    ],
)
def test_what_cannot_be_described(term):
    """Code, classes of the user's and numbers that JSON has not have no description."""
    assert describe(term) is None


def test_composed_terms_come_back():
    """A term on the plain mask of one output is rebuilt in that order."""
    again = from_description({"class": "Dice", "on_mask": True, "output": "mask"})
    assert again.output == "mask"
    assert isinstance(again.term, OnChannels)
    assert isinstance(again.term.term, Dice)


BAD = [
    {},
    {"class": None},
    {"class": 3},
    {"class": "os.system"},
    {"class": "lossweights.terms.Dice"},
    {"class": "CombinedLoss"},
    {"class": "KerasLoss", "loss": "Huber"},
    {"class": "CustomLoss", "loss": "x"},
    {"class": "keras:Loss"},
    {"class": "keras:deserialize"},
    {"class": "keras:Huber", "reduction": "sum"},
    {"class": "keras:Huber", "name": "x"},
    {"class": "keras:Huber", "delta": {"class_name": "function"}},
    {"class": "Dice", "reduction": "sum"},
    {"class": "Underestimation", "factor": -1.0},
    {"class": "Underestimation", "factor": "2"},
    {"class": "Underestimation", "factor": float("nan")},
    {"class": "Underestimation", "cost": 2.0},
    {"class": "Pinball"},
    {"class": "Boundary"},
    {"class": "Boundary", "axes": []},
    {"class": "Boundary", "axes": [[1]]},
    {"class": "Boundary", "axes": "12"},
    {"class": "Dice", "output": 3},
]


@pytest.mark.parametrize("description", BAD, ids=str)
def test_bad_descriptions(description):
    """Unknown classes and arguments, and impossible values, are refused as errors of a term."""
    with pytest.raises(TermError, match="Expected"):
        from_description(description)


def test_the_table_is_complete():
    """Every term class with plain arguments is in the table; wrappers and foreign code are not."""
    from lossweights import terms

    exported = {
        name
        for name, member in vars(terms).items()
        if isinstance(member, type) and issubclass(member, Term)
    }
    assert exported - set(TERMS) == {
        *("Term", "Added", "KerasLoss", "CustomLoss"),
        *("OnChannels", "OnKnown", "OnOutput", "OnOutputs"),
    }
