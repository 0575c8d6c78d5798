"""A search is done when its hypervolume has not grown for so many trials."""

import itertools

import numpy as np
import pytest

from lossweights.search.aims import Aims
from lossweights.search.conditions import Condition
from lossweights.search.stagnation import BEYOND, Stagnation

BOTH = {"cost": "minimize", "gain": "maximize"}


def watched(points, patience, min_growth=0.01, directions=BOTH):
    """After trials with these metrics."""
    made = Stagnation(directions, patience, min_growth)
    for point in points:
        made.add(None if point is None else dict(zip(directions, point, strict=True)))
    return made


def test_growth_is_of_the_area_that_the_front_dominates():
    """By hand. Between costs 0 and 2 and gains 0 and 2 the reference is cost 2.2 and gain -0.2.

    The ends dominate 2.2 * 0.2 + 0.2 * 2.2 - 0.2 * 0.2 = 0.84, the first of them 0.44. With gain
    1.5 at cost 1 the steps are 1 * 0.2 + 1 * 1.7 + 0.2 * 2.2 = 2.34.
    """
    made = watched([(0.0, 0.0), (2.0, 2.0)], patience=1)
    assert made.growth == pytest.approx(1 - 0.44 / 0.84)
    made.add({"cost": 1.0, "gain": 1.5})
    assert made.growth == pytest.approx(1 - 0.84 / 2.34)


def test_one_objective_is_measured_against_the_median():
    """The best went from 4 to 3, the median of all is 5, and a tenth of a span lies beyond."""
    made = watched([(9,), (5,), (4,), (6,), (3,)], 2, directions={"rmse": "minimize"})
    assert made.growth == pytest.approx(1 - (3 + 1.1 * 2 - 4) / (1.1 * 2))


@pytest.mark.parametrize("patience", [1, 4, 20])
def test_nothing_is_said_before_there_is_anything_to_compare(patience):
    """So many trials have to be there, and a complete one before them."""
    made = watched([(1.0, 1.0)] * patience, patience)
    assert not made.is_reached
    made.add({"cost": 1.0, "gain": 1.0})
    assert made.is_reached
    assert watched([None] * 30 + [(1.0, 1.0)] * patience, patience).is_reached is False


def test_trials_that_are_not_complete_count_and_bring_nothing():
    """A search that only diverges any more is done too."""
    assert watched([(1.0, 2.0), (0.0, 0.0), *[None] * 8], 8).is_reached
    assert not watched([(1.0, 2.0), (0.0, 0.0), *[None] * 7], 8).is_reached


def test_what_is_worse_brings_nothing():
    """However many there are."""
    rng = np.random.default_rng(0)
    worse = [(2.0 + c, 0.5 - g) for c, g in rng.uniform(0, 2, (10, 2))]
    made = watched([(0.0, 0.0), (2.0, 1.0), (1.0, 0.8), *worse], 10)
    assert (made.is_reached, made.growth) == (True, 0.0)


def test_it_is_done_once():
    """Trials that were under way when it was do not begin it anew."""
    made = watched([(1.0, 1.0)] * 6, 3)
    assert (made.is_reached, made.trials) == (True, 4)
    made.add({"cost": -9.0, "gain": 99.0})
    assert (made.is_reached, made.trials) == (True, 4)


@pytest.mark.parametrize("factor", [1e-6, 1e9])
def test_units_do_not_matter(factor):
    """Nor does which objective comes first."""
    rng = np.random.default_rng(1)
    points = rng.uniform(size=(40, 2))
    one = watched(points, 10).growth
    assert watched(points * [factor, 1.0], 10).growth == pytest.approx(one)
    turned = watched(points[:, ::-1], 10, directions=dict(reversed(BOTH.items())))
    assert turned.growth == pytest.approx(one)


def test_a_search_that_fills_its_front_ends_and_one_that_moves_it_goes_on():
    """Random points on an exact front, against a front that comes nearer with every trial."""
    rng = np.random.default_rng(2)
    filled = [(u, np.sqrt(u)) for u in rng.uniform(size=200)]
    ends = next(n for n in itertools.count(1) if watched(filled[:n], 16).is_reached)
    assert 30 < ends < 150
    moved = [(u - 0.05 * n, np.sqrt(u)) for n, (u, _) in enumerate(filled)]
    assert not watched(moved, 16).is_reached


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e6])
def test_an_objective_that_is_always_the_same_hides_no_growth(offset):
    """Such as a fill rate of 1: what grows is the front of the others."""
    falling = [(9.0, offset), (7.0, offset), (5.0, offset), (3.0, offset), (1.0, offset)]
    assert not watched(falling, 3).is_reached
    assert watched([*falling, *[(1.0, offset)] * 3], 3).is_reached


def test_one_trial_that_beats_all_is_measured_against_the_worst():
    """At least half of the trials are as good as it in one objective: there the median is its own.

    Costs 9, 8, 3 and a gain of 1 for all but the second: its gain of 0 is the worst. The second is
    at the median of costs and at the worst gain, a tenth of a span from the reference in both.
    """
    made = watched([(9.0, 1.0), (8.0, 0.0), (3.0, 1.0)], 1)
    assert made.growth == pytest.approx(1 - (BEYOND - 1.0) ** 2 / BEYOND**2)
    made.add({"cost": 2.0, "gain": 1.0})
    span = 5.5 - 2.0  # of the costs 9, 8, 3 and 2 the median is 5.5
    assert made.growth == pytest.approx(1 - (BEYOND - 1.0 / span) / BEYOND)


AIMS = Aims(constraints=(Condition("shortfall", "<=", 5.0),))


def aimed(rows, patience=3):
    """After trials with these costs and shortfalls, of a sweep whose shortfall is to be small."""
    made = Stagnation({"cost": "minimize"}, patience, 0.01, AIMS)
    for cost, shortfall in rows:
        made.add({"cost": cost, "shortfall": shortfall})
    return made


def test_only_what_meets_the_aims_grows():
    """The front of all trials stands still, that of those with a small shortfall does not."""
    cheap = (1.0, 50.0)
    rows = [(9.0, 4.0), cheap, (8.0, 4.0), cheap, (7.0, 4.0), (5.0, 4.0), (3.0, 4.0)]
    assert watched([(cost,) for cost, _ in rows], 3, directions={"rmse": "minimize"}).is_reached
    assert not aimed(rows).is_reached
    made = aimed([*rows, cheap, cheap, cheap])
    assert (made.is_reached, made.is_near) == (True, False)


def test_as_long_as_none_meets_them_less_is_missed():
    """The nearest misses 30 of 5, then 20, then 10, and then it stays."""
    nearer = [(1.0, 35.0), (1.0, 25.0), (1.0, 15.0)]
    assert aimed([*nearer, (0.5, 12.0)]).growth == pytest.approx(1 - 7 / 30)
    made = aimed([*nearer, *[(0.5, 15.0)] * 3])
    assert (made.is_reached, made.is_near, made.growth) == (True, True, 0.0)


def test_the_first_that_meets_them_is_growth():
    """However cheap what did not was."""
    assert not aimed([*[(1.0, 9.0)] * 3, (7.0, 4.0)]).is_reached
