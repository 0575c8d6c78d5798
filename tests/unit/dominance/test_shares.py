"""The arithmetic of shares: sums to one, invariances, the second half, the noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lossweights.dominance.shares import (
    as_fractions,
    conflict_of,
    decrease_shares,
    decreases,
    noise,
    second_half,
    shares,
)

sizes = st.floats(0.01, 100.0)
weights = arrays(np.float64, 3, elements=sizes)
runs = arrays(np.float64, (6, 3), elements=sizes)


@given(weights, runs)
def test_shares_of_positive_terms_are_parts_of_one(w, rows):
    """Shares are between 0 and 1 and sum to 1, row by row."""
    found = shares(w, rows)
    assert found.shape == rows.shape
    assert np.all(found >= 0)
    np.testing.assert_allclose(found.sum(axis=-1), 1.0)


@pytest.mark.parametrize(
    "magnitudes", [[2.0, -2.0], [1.05, -1.0], [3.0, -0.1], [-1.0, -2.0], [0.0, 0.0]]
)
def test_only_a_sum_of_positive_terms_has_shares(magnitudes):
    """Near zero, with both signs, or of nothing at all: no part is told, in silence."""
    with np.errstate(all="raise"):
        assert np.isnan(shares([1.0, 1.0], magnitudes)).all()
    both = shares([1.0, 1.0], [[3.0, 1.0], magnitudes])
    assert both[0].tolist() == [0.75, 0.25]
    assert np.isnan(both[1]).all()


def test_a_term_below_zero_by_rounding_is_zero():
    """What float32 makes of zero takes the shares from no other term."""
    assert shares([1.0, 1.0], [2.0, -1e-7]).tolist() == [1.0, 0.0]


@given(weights, runs, st.floats(0.001, 1000.0), arrays(np.float64, 3, elements=sizes))
def test_decrease_shares_do_not_depend_on_scale_or_constants(w, rows, scale, constants):
    """One factor on all weights changes nothing, nor does a constant added to a term."""
    found = decrease_shares(w, rows[0], rows[-1])
    if abs((rows[0] - rows[-1]) @ w) < 1e-3 * (rows[0] @ w):
        return  # 0/0: rounding rules
    np.testing.assert_allclose(found.sum(), 1.0)
    np.testing.assert_allclose(decrease_shares(scale * w, rows[0], rows[-1]), found, rtol=1e-9)
    moved = decrease_shares(w, rows[0] + constants, rows[-1] + constants)
    np.testing.assert_allclose(moved, found, rtol=1e-6, atol=1e-6)


def test_decrease_shares_without_a_decrease_are_not_defined():
    """NaN for every term, not infinity."""
    assert np.isnan(decrease_shares([1.0, 1.0], [1.0, 2.0], [2.0, 1.0])).all()


@given(weights, runs)
def test_falls_add_up_to_the_ends(w, rows):
    """What the terms take off step by step is what they take off in all."""
    np.testing.assert_allclose(decreases(w, rows).sum(axis=0), w * (rows[0] - rows[-1]), atol=1e-9)


def test_falls_use_the_weights_in_force():
    """With weights that move, each step counts with the weight that it was trained with."""
    moved = [[9.0, 9.0], [1.0, 2.0], [3.0, 4.0]]  # the first row is of no training
    assert decreases(moved, [[3.0, 3.0], [2.0, 1.0], [1.0, 0.5]]).tolist() == [
        [1.0, 4.0],
        [3.0, 2.0],
    ]


def test_second_half_starts_between_two_reports():
    """Half of the decrease of 10 lies half way through the second step."""
    steps = [[3.0, 0.0], [2.0, 2.0], [0.0, 3.0]]
    assert second_half(steps).tolist() == [1.0, 4.0]


@given(weights, runs)
def test_second_half_is_half_of_the_decrease(w, rows):
    """Also where the loss goes up now and then: its sum is half, exactly."""
    steps = decreases(w, rows)
    if steps.sum() > 1e-6:
        np.testing.assert_allclose(second_half(steps).sum(), steps.sum() / 2, rtol=1e-6)
    elif steps.sum() < -1e-6:
        assert np.isnan(second_half(steps)).all()


def test_given_back_counts_what_the_others_lost():
    """Nothing is given back without conflict, everything if the terms cancel."""
    assert conflict_of([3.0, 1.0]) == 0.0
    assert conflict_of([3.0, -3.0]) == 1.0
    assert np.isnan(conflict_of([-1.0, -1.0]))


def test_noise_is_about_the_trend():
    """A straight fall has no noise; jumps of known size about it have theirs."""
    time = np.arange(12.0)
    assert noise(10 - time) == pytest.approx(0.0, abs=1e-12)
    jumps = np.zeros(12)
    jumps[-5:] = [1.0, -2.0, 0.0, 2.0, -1.0]  # no mean
    residual = jumps[-5:] - np.polyval(np.polyfit(np.arange(5), jumps[-5:], 1), np.arange(5))
    expected = np.sqrt((residual**2).sum() / 3)
    assert noise(10 - time + jumps) == pytest.approx(expected)
    both = noise(np.stack([10 - time, 10 - time + jumps], axis=1))
    assert both == pytest.approx([0.0, expected], abs=1e-12)


def test_noise_of_a_short_run_is_not_known():
    """Five reports with that from before training say nothing of jumps."""
    assert noise([5.0, 1.0, 4.0, 1.0, 4.0]).tolist() == 0.0


def test_parts_of_nothing_are_not_defined():
    """A sum of 0 has no parts."""
    assert np.isnan(as_fractions([1.0, -1.0])).all()
