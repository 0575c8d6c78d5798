"""Where a noisy rising curve passes zero: between which places, and when that is not to be seen."""

import numpy as np
import pytest

from lossweights.dominance._crossing import MOST, crossing


def test_without_noise_the_bracket_is_the_two_neighbours():
    """A straight line through its points passes zero between two of them, at its own place."""
    x = np.linspace(0.0, 10.0, 21)
    assert crossing(x, x - 3.3) == pytest.approx((3.0, 3.3, 3.5))


def test_the_scale_of_values_does_not_matter():
    """Values ten times as large have the same bracket."""
    x = np.linspace(-3.0, 3.0, 30)
    y = np.sinh(x) + np.random.default_rng(0).normal(0, 0.5, 30)
    assert crossing(x, 10 * y) == pytest.approx(crossing(x, y))


def test_more_noise_makes_a_wider_bracket():
    """Ten times the noise, more than twice the width."""
    x, jumps = np.linspace(-3.0, 3.0, 40), np.random.default_rng(0).normal(0, 0.2, 40)
    some, more = crossing(x, x + jumps), crossing(x, x + 10 * jumps)
    assert more.high - more.low > 2 * (some.high - some.low)


@pytest.mark.parametrize("values", [np.arange(1.0, 9.0), -np.arange(1.0, 9.0), np.arange(8) - 0.5])
def test_one_side_alone_is_no_crossing(values):
    """All above zero, all below, or a single point below: nothing is claimed."""
    assert crossing(np.arange(8.0), np.sort(values)[::-1] if values[0] < 0.5 else values) is None


def test_a_falling_curve_is_no_crossing():
    """What goes down through zero does not pass it from below."""
    assert crossing(np.arange(20.0), 9.5 - np.arange(20.0)) is None


def test_of_many_points_those_around_the_crossing_are_used():
    """Thousands of points take as long as some, wherever among them the crossing is."""
    x = np.linspace(0.0, 100.0, 5000)
    assert len(x) > MOST
    for at in (0.5, 50.0, 99.5):
        found = crossing(x, x - at)
        assert found.low <= at <= found.high
        assert found.high - found.low < 0.1


def test_a_clean_step_of_a_few_points():
    """Its order shows both sides, and the bracket is a place wider on either side."""
    x = np.log([0.1, 0.5, 1.0, 2.0, 4.0, 30.0, 100.0])
    found = crossing(x, np.repeat([-7.0, 7.0], [4, 3]))
    assert (found.low, found.high) == (x[2], x[5])


def test_a_step_of_four_points_shows_nothing():
    """Two and two in order are chance in one of six."""
    assert crossing(np.arange(4.0), np.repeat([-7.0, 7.0], 2)) is None
