"""Whole numbers within bounds, and what is a number at all."""

import math
from fractions import Fraction

import numpy as np
import pytest

from lossweights.base.errors import RecipeError
from lossweights.base.numbers import as_number, whole_number


@pytest.mark.parametrize("value", [1, 7, 2**40])
def test_whole_numbers_pass(value):
    """As they are."""
    assert whole_number("epochs", value, 1) == value


@pytest.mark.parametrize(
    "value", [0, -1, True, 1.0, "1", None, np.True_, np.float64(1), np.int8(0)]
)
def test_others_are_refused(value):
    """With what was expected and what was found."""
    with pytest.raises(RecipeError, match="Expected epochs as a whole number of at least 1"):
        whole_number("epochs", value, 1)


def test_there_may_be_an_upper_bound():
    """It is said, and belongs to what may be."""
    assert whole_number("seed", 5, 0, 5) == 5
    with pytest.raises(RecipeError, match=r"from 0 to 5\. Found 6"):
        whole_number("seed", 6, 0, 5)


@pytest.mark.parametrize("value", [np.int64(7), np.uint8(7), np.int16(7)])
def test_whole_numbers_of_numpy(value):
    """They pass, and come out as Python's, which JSON knows."""
    number = whole_number("epochs", value, 1)
    assert number == 7
    assert type(number) is int


@pytest.mark.parametrize(
    "value",
    [2, 2.0, Fraction(4, 2), *(np.dtype(t).type(2) for t in "bBhHiIlLefdg"), np.array(2)],
    ids=lambda value: type(value).__name__,
)
def test_numbers_of_every_kind(value):
    """Python's and NumPy's come out as a float."""
    assert as_number(value) == 2.0
    assert type(as_number(value)) is float


@pytest.mark.parametrize(
    "value",
    [
        *(True, np.True_, "2", b"2", None, [2], np.array([2]), 2j, np.complex64(2), 10**400),
        *(np.timedelta64(2, "s"), np.datetime64("2020"), np.str_("2")),
    ],
    ids=repr,
)
def test_no_numbers(value):
    """Truth values, texts, times, complex numbers and arrays are NaN."""
    assert math.isnan(as_number(value))
