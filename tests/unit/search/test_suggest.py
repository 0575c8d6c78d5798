"""Suggested ranges: what they are centred on, and what they hold."""

import pytest

from lossweights.loss.weights import FLOAT32_MAX, FLOAT32_TINY
from lossweights.search.space import Fixed, LogUniform, Space
from lossweights.search.suggest import suggested_space


def under(centres, balances):
    """The range of a second term."""
    return suggested_space(["mse", "under"], "mse", centres, balances)["under"]


def test_two_decades_to_each_side_of_the_scales():
    """Where the gradients agree, they change nothing."""
    assert under({"under": 1.0}, {"under": [0.02, 50.0]}) == LogUniform(0.01, 100.0)
    assert under({"under": 300.0}, {}) == LogUniform(3.0, 30000.0)


@pytest.mark.parametrize("balance", [3e-5, 4e3])
def test_a_balance_beyond_is_let_in(balance):
    """The range is widened to the next power of ten, on that side alone."""
    found = under({"under": 1.0}, {"under": [1.0, balance]})
    assert found.low <= balance <= found.high
    assert (found.low == 0.01) == (balance > 1)
    assert (found.high == 100.0) == (balance < 1)


@pytest.mark.parametrize("balances", [[], [0.0], [float("inf")], [float("nan")]])
def test_without_scale_and_gradient_there_is_a_usual_range(balances):
    """A term that has no gradient yet may get one."""
    assert under({}, {"under": balances}) == LogUniform(0.01, 100.0)


@pytest.mark.parametrize("centre", [1e-37, 1e37])
def test_ranges_are_such_that_a_sweep_takes(centre):
    """Float32 holds their ends."""
    space = suggested_space(["a", "b"], "b", {"a": centre}, {})
    assert space["b"] == Fixed(1.0)
    assert FLOAT32_TINY <= space["a"].low < space["a"].high <= FLOAT32_MAX
    Space(["a", "b"], space)
