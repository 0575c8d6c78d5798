"""Conditions on metrics: read strictly, and missed by parts of their bounds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossweights.search.conditions import (
    FAR,
    Condition,
    as_json,
    contradiction,
    from_json,
    parse_condition,
)

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
CONDITIONS = st.builds(Condition, st.just("rmse"), st.sampled_from(["<=", ">=", "<", ">"]), NUMBERS)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("shortfall<=5", "shortfall<=5"),
        (" rmse-night  >= .8 ", "rmse-night>=0.8"),
        ("a.b<1e-1", "a.b<0.1"),
        ("dice>-3", "dice>-3"),
    ],
)
def test_conditions_by_hand(text, shown):
    """Spaces do not count, numbers are read as Python's."""
    assert str(parse_condition(text)) == shown


@pytest.mark.parametrize(
    "text", ["", "rmse", "rmse=5", "rmse==5", "rmse<=", "<=5", "rmse<=x", "rmse<=nan", "rmse<=inf",
             "5>=rmse", "rmse<=5 6", "rmse<=5 and dice>=1"],
)  # fmt: skip
def test_other_texts_are_no_conditions(text):
    """What is nearly one is none."""
    assert parse_condition(text) is None


@given(CONDITIONS)
def test_a_condition_comes_back_from_what_it_shows(condition):
    """No digit is lost on the way through a manifest."""
    assert parse_condition(str(condition)) == condition
    assert from_json(as_json((condition,))) == (condition,)


@given(CONDITIONS, st.floats())
def test_it_is_missed_by_a_plain_number_above_0_or_it_holds(condition, value):
    """Optuna takes 0 or less for satisfied; a reader of the study knows no infinity."""
    excess = condition.excess(value)
    assert abs(excess) <= FAR
    assert (excess <= 0) == bool(condition.holds(value))


@pytest.mark.parametrize(
    ("condition", "value", "excess"),
    [
        (Condition("m", "<=", 5.0), 6.0, 0.2),
        (Condition("m", "<=", 5000.0), 6000.0, 0.2),
        (Condition("m", ">=", 0.8), 0.6, 0.25),
        (Condition("m", ">=", -10.0), -12.0, 0.2),
        (Condition("m", "<=", 0.0), 3.0, 3.0),
        (Condition("m", "<=", 5.0), 4.0, -0.2),
        (Condition("m", "<=", 5.0), math.nan, FAR),
        (Condition("m", "<=", 5.0), -math.inf, FAR),
    ],
)
def test_excess_by_hand(condition, value, excess):
    """In parts of the bound; a bound of 0 has none."""
    assert condition.excess(value) == pytest.approx(excess)


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        (("<=", 5.0), (">=", 6.0), True),
        (("<=", 5.0), (">=", 5.0), False),
        (("<", 5.0), (">=", 5.0), True),
        (("<=", 5.0), (">", 5.0), True),
        (("<=", 5.0), (">=", -1.0), False),
        (("<=", 5.0), ("<=", -1.0), False),
    ],
)
def test_contradictions(one, other, clash):
    """Bounds that leave no number."""
    assert (contradiction([Condition("m", *one), Condition("m", *other)]) is not None) == clash
    assert contradiction([Condition("m", *one), Condition("n", *other)]) is None
