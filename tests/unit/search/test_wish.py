"""Wishes: what is wanted in outcomes, and the trial that is nearest."""

import contextlib
import copy
import math
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lossweights.base.errors import InvalidName, ObjectiveError, PickError
from lossweights.search.conditions import Condition
from lossweights.search.selection import costs, pareto_mask
from lossweights.search.wish import Wish, nearest, told

BOTH = {"rmse": "minimize", "shortfall": "minimize"}


def test_a_wish_is_a_value():
    """Equal if the same is wished for; it cannot be changed, and can be copied."""
    wish = Wish(rmse=55, shortfall=3)
    assert wish == Wish({"shortfall": 3.0, "rmse": np.float32(55)})
    assert wish != Wish(rmse=55)
    assert len({wish, Wish(shortfall=3, rmse=55)}) == 1
    with pytest.raises(AttributeError):
        wish.rmse = 3
    wish.metrics["rmse"] = 0.0
    assert wish.metrics == {"rmse": 55.0, "shortfall": 3.0}
    assert copy.deepcopy(wish) == pickle.loads(pickle.dumps(wish)) == wish
    for each in (wish, Wish({"rmse-night": 0.1})):
        assert eval(repr(each)) == each
        assert Wish.of_pick(each.pick) == each


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, ObjectiveError),
        ({"rmse": math.nan}, ObjectiveError),
        ({"rmse": math.inf}, ObjectiveError),
        ({"rmse": "55"}, ObjectiveError),
        ({"rmse": True}, ObjectiveError),
        ({"loss": 1}, ObjectiveError),
        ({"val_loss": 1}, ObjectiveError),
        ({"a b": 1}, InvalidName),
        ({3: 1}, InvalidName),
    ],
)
def test_what_cannot_be_wished_for(given, error):
    """Nothing, no number, no name, and nothing that weights enter."""
    with pytest.raises(error, match=r"Expected"):
        Wish(given)


def test_a_metric_is_wished_for_once():
    """As an argument or in the mapping, and the mapping is one."""
    with pytest.raises(ObjectiveError, match="two"):
        Wish({"rmse": 1}, rmse=2)
    with pytest.raises(ObjectiveError, match="Name the metric"):
        Wish(55)


def test_which_way_is_better_says_the_metric():
    """A maximised metric is to be no less; one without a better end is asked for otherwise."""
    wish = Wish(rmse=55, dice=0.8)
    assert wish.conditions({"dice": "maximize", "rmse": "minimize"}) == (
        Condition("rmse", "<=", 55.0),
        Condition("dice", ">=", 0.8),
    )
    with pytest.raises(ObjectiveError, match=r"among the metrics \['rmse'\]. Found 'dice'"):
        wish.conditions({"rmse": "minimize"})
    with pytest.raises(ObjectiveError, match="constraints="):
        wish.conditions({"rmse": "minimize", "dice": None})


@pytest.mark.parametrize(
    "pick", ["wish:", "wish:rmse", "wish:rmse=", "wish:rmse=x", "wish:rmse=nan", "wish:rmse<=5",
             "wish:rmse=1,rmse=2", "wish:rmse=1,", "wish:loss=1", "wish:rmse=1 and dice=2"],
)  # fmt: skip
def test_bad_picks_are_pick_errors(pick):
    """With what was written."""
    with pytest.raises(PickError, match="Found"):
        Wish.of_pick(pick)


@given(st.text(max_size=30))
def test_any_text_is_a_wish_or_a_pick_error(text):
    """No text does anything else."""
    with contextlib.suppress(PickError):
        assert Wish.of_pick(f"wish:{text}").metrics


def table(*rows, names=("rmse", "shortfall")):
    """A table of trials."""
    return pd.DataFrame([{"number": n, **dict(zip(names, r, strict=True))} for n, r in rows])


def picked(rows, wish, objectives=BOTH):
    """The number of the nearest trial, and what is said."""
    directions = {"dice": "maximize", "other": "minimize", **objectives}
    front = pareto_mask(costs(rows, objectives))
    wanted = wish.conditions(directions)
    found = nearest(rows, wanted, objectives, front)
    return int(rows["number"].iloc[found.row]), told(rows, wanted, found)


FRONT = table((3, (50, 9)), (12, (56.1, 3.4)), (31, (70, 1)), (40, (71, 9.5)))


def test_a_wish_out_of_reach_gets_the_nearest_and_says_so():
    """Nearest in parts of the ranges of the front, 20 and 8 here."""
    number, said = picked(FRONT, Wish(rmse=55, shortfall=3))
    assert number == 12
    assert said == (
        "rmse 55 with shortfall 3 was not reached; nearest is rmse 56.1, shortfall 3.4 (trial 12)."
    )
    assert picked(FRONT, Wish(shortfall=0.5))[0] == 31


def test_a_miss_is_not_rounded_away():
    """A number that misses the wish never reads as if it did not."""
    said = picked(table((1, (55.000004, 3)), (2, (99, 1))), Wish(rmse=55))[1]
    assert said == "rmse 55 was not reached; nearest is rmse 55.000004 (trial 1)."


def test_what_surpasses_a_wish_does_so_in_balance():
    """Of trials that fulfil it, the one whose tightest metric has most to spare."""
    rows = table((1, (40, 9.9)), (2, (70, 5)), (3, (99, 1)), (4, (100, 0)), (5, (30, 20)))
    number, said = picked(rows, Wish(rmse=100, shortfall=10))
    assert (number, said) == (2, "rmse 100 with shortfall 10 was reached: rmse 70, shortfall 5 "
                                 "(trial 2).")  # fmt: skip


def test_what_fulfils_a_wish_comes_first():
    """However near and however good in sum another one is."""
    rows = table((1, (10.0, 10.0)), (2, (10.0000001, -1e9)), (3, (1e9, -2e9)))
    assert picked(rows, Wish(rmse=10, shortfall=10))[0] == 1


def test_objectives_that_a_wish_leaves_open_are_as_good_as_they_can_be():
    """If an rmse of 60 will do, the shortfall decides among those that have it."""
    assert picked(FRONT, Wish(rmse=60))[0] == 12
    assert picked(FRONT, Wish(rmse=55))[0] == 3


def test_maximised_metrics_and_those_that_are_no_objectives():
    """A metric beside the objectives may be wished for, and then trials off the front count."""
    names = ("rmse", "dice", "other")
    rows = table((1, (1.0, 0.9, 8)), (2, (2.0, 0.95, 7)), (3, (3.0, 0.9, 1)), names=names)
    objectives = {"rmse": "minimize", "dice": "maximize"}
    assert picked(rows, Wish(dice=0.94), objectives)[0] == 2
    assert picked(rows, Wish(dice=0.99), objectives)[0] == 2
    assert picked(rows, Wish(other=2), objectives)[0] == 3
    assert picked(rows, Wish(other=9), objectives)[0] == 2  # as good as 1, and has more to spare


def test_numbers_that_are_not_finite_are_never_near():
    """A trial without a number for the wish is none of its candidates."""
    names = ("rmse", "shortfall", "other")
    rows = table((1, (1.0, 1.0, math.nan)), (2, (2.0, 2.0, math.inf)), (3, (3.0, 3.0, 5.0)),
                 names=names)  # fmt: skip
    assert picked(rows, Wish(other=1))[0] == 3
    with pytest.raises(PickError, match="finite other"):
        picked(rows.iloc[:2], Wish(other=1))


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20),
    st.tuples(st.floats(-1, 2), st.floats(-1, 2)),
)
@example([(1.0, 1.0), (0.0, 1.0)], (0.0, 1.4e-45))  # missed by so much that the rest is rounding
def test_the_nearest_is_on_the_front(points, wish):
    """With all objectives wished for, no trial beats the one that is picked."""
    rows = table(*enumerate(np.round(points, 2).tolist()))
    number, said = picked(rows, Wish(rmse=wish[0], shortfall=wish[1]))
    assert pareto_mask(costs(rows, BOTH))[number]
    fulfils = (rows["rmse"] <= wish[0]) & (rows["shortfall"] <= wish[1])
    assert ("was reached" in said) == fulfils.any()
    assert not fulfils.any() or fulfils[number]
