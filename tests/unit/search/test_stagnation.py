"""A search is done when its hypervolume has not grown for so many trials."""

import itertools

import numpy as np
import pytest

from lossweights.search.stagnation import Stagnation

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
