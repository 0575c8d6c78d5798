"""Whole numbers within bounds."""

import pytest

from lossweights.base.errors import RecipeError
from lossweights.base.numbers import whole_number


@pytest.mark.parametrize("value", [1, 7, 2**40])
def test_whole_numbers_pass(value):
    """As they are."""
    assert whole_number("epochs", value, 1) == value


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "1", None])
def test_others_are_refused(value):
    """With what was expected and what was found."""
    with pytest.raises(RecipeError, match="Expected epochs as a whole number of at least 1"):
        whole_number("epochs", value, 1)


def test_there_may_be_an_upper_bound():
    """It is said, and belongs to what may be."""
    assert whole_number("seed", 5, 0, 5) == 5
    with pytest.raises(RecipeError, match=r"from 0 to 5\. Found 6"):
        whole_number("seed", 6, 0, 5)
