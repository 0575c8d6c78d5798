"""Aims: one number for each constraint and one for the wish, as Optuna orders trials by them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossweights.base.errors import StoreError
from lossweights.search.aims import Aims
from lossweights.search.conditions import FAR, Condition

SHORTFALL, DICE = Condition("shortfall", "<=", 5.0), Condition("dice", ">=", 0.8)
WISH = (Condition("rmse", "<=", 50.0), Condition("bias", "<=", 0.0))
AIMS = Aims(WISH, (SHORTFALL, DICE))
METRICS = st.fixed_dictionaries(
    {name: st.floats() for name in ("rmse", "bias", "shortfall", "dice")}
)


def order(metrics):
    """What Optuna's samplers order trials by that are not feasible: the sum of what is above 0."""
    return sum(number for number in AIMS.violations(metrics).values() if number > 0)


def satisfies(metrics):
    """Whether the constraints hold."""
    return all(bool(each.holds(metrics[each.metric])) for each in AIMS.constraints)


def test_violations_by_hand():
    """Constraints by their texts, in parts of bounds; of a wish a tenth of miss and square."""
    found = AIMS.violations({"rmse": 75.0, "bias": 0.2, "shortfall": 4.0, "dice": 0.8})
    assert found == pytest.approx(
        {
            "shortfall<=5": -0.2,
            "dice>=0.8": 0.0,
            "wish rmse<=50": 0.075,
            "wish bias<=0": 0.024,
        }
    )
    reached = AIMS.violations({"rmse": 49.0, "bias": -1.0, "shortfall": 4.0, "dice": 0.9})
    assert all(number <= 0 for number in reached.values())
    assert Aims().violations({"rmse": 1.0}) == {}


def test_a_constraint_outweighs_a_wish():
    """A violation of a tenth counts more than a wish that is missed by half."""
    poor = {"rmse": 75.0, "bias": 0.0, "shortfall": 5.0, "dice": 0.8}
    good = {"rmse": 50.0, "bias": 0.0, "shortfall": 5.5, "dice": 1.0}
    assert 0 < order(poor) < order(good)


def test_a_balanced_miss_is_nearer():
    """Of two metrics that miss as much in sum, both by a little rather than one by much."""
    both = {"rmse": 60.0, "bias": 0.2, "shortfall": 1.0, "dice": 1.0}
    one = {"rmse": 70.0, "bias": 0.0, "shortfall": 1.0, "dice": 1.0}
    assert order(both) < order(one)


@given(METRICS)
def test_feasible_is_what_holds(metrics):
    """A sum of 0 says that constraints hold and the wish is fulfilled, and nothing else does."""
    assert (AIMS.violation(metrics) == 0) == satisfies(metrics)
    fulfilled = all(bool(each.holds(metrics[each.metric])) for each in WISH)
    assert (order(metrics) == 0) == (satisfies(metrics) and fulfilled)


@given(METRICS)
def test_no_number_is_anything_but_finite(metrics):
    """Whatever was measured, or nothing."""
    for numbers in (AIMS.violations(metrics), AIMS.violations({})):
        assert all(abs(number) <= FAR for number in numbers.values())


def test_aims_come_back_from_a_manifest():
    """A manifest of before there were any has none."""
    assert Aims.of_manifest(AIMS.to_json()) == AIMS
    assert Aims().to_json() == {}
    assert not Aims.of_manifest({"name": "earlier"})
    for said in ("<=5", ["<=5"], {"rmse": 5}, {"rmse": "=5"}, None):
        with pytest.raises(StoreError, match="was edited"):
            Aims.of_manifest({"name": "edited", "wish": said})
