"""What an earlier sweep found, in another space."""

import pytest

from lossweights.search.space import Fixed, LogUniform, Off, Simplex, Space, Uniform
from lossweights.search.warm import warm_parameters

NAMES = ["a", "b", "c"]
ANCHORED = Space(NAMES, {"a": Fixed(2.0), "b": LogUniform(1e-2, 1e2), "c": Uniform(0.0, 5.0)})


def ratios(space, parameters):
    """The weights over that of the first term."""
    weights = space.weights(parameters)
    return {name: weights[name] / weights["a"] for name in NAMES}


@pytest.mark.parametrize("factor", [1e-3, 1.0, 7.0])
@pytest.mark.parametrize("space", [ANCHORED, Space(NAMES, Simplex())], ids=["anchored", "simplex"])
def test_only_ratios_of_weights_are_taken_over(space, factor):
    """Whatever was fixed in the earlier sweep."""
    earlier = {"a": 1.0 * factor, "b": 3.0 * factor, "c": 0.5 * factor}
    (found,) = warm_parameters(space, [earlier])
    assert ratios(space, found) == pytest.approx({"a": 1.0, "b": 3.0, "c": 0.5})


def test_all_terms_free_keep_their_weights():
    """There is nothing to be measured against."""
    space = Space(NAMES, dict.fromkeys(NAMES, LogUniform(1e-2, 1e2)))
    weights = {"a": 0.3, "b": 4.0, "c": 1.0}
    assert warm_parameters(space, [weights]) == [weights]


def test_several_fixed_terms_are_met_as_nearly_as_one_factor_can():
    """One is twice too heavy then, and the other half as heavy as it was."""
    space = Space(NAMES, {"a": Fixed(1.0), "b": Fixed(1.0), "c": LogUniform(1e-2, 1e2)})
    assert warm_parameters(space, [{"a": 1.0, "b": 4.0, "c": 8.0}]) == [pytest.approx({"c": 4.0})]


def test_terms_that_one_sweep_does_not_have():
    """A new one is as heavy as if all were equal; one that is gone is left out."""
    earlier = [{"a": 4.0, "b": 8.0, "gone": 3.0}]
    assert warm_parameters(ANCHORED, earlier) == [{"b": 4.0, "c": 1.0}]
    simplex = Space(NAMES, Simplex())
    (found,) = warm_parameters(simplex, [{"a": 1.0, "b": 3.0}])
    assert ratios(simplex, found) == pytest.approx({"a": 1.0, "b": 3.0, "c": 2.0})


def test_bounds_hold_and_what_comes_out_alike_is_tried_once():
    """Weights of 0 too: a term that was off is as light as it can be."""
    earlier = [{"a": 2.0, "b": 1e6, "c": 9.0}, {"a": 2.0, "b": 1e5, "c": 8.0},
               {"a": 2.0, "b": 0.0, "c": 0.0}, {"b": 1.0, "c": 1.0}]  # fmt: skip
    assert warm_parameters(ANCHORED, earlier) == [
        {"b": 100.0, "c": 5.0}, {"b": 0.01, "c": 0.0}, {"b": 1.0, "c": 1.0}
    ]  # fmt: skip


def test_a_term_that_was_off_is_off_where_it_may_be():
    """Elsewhere it is as light as it can be."""
    spec = {"a": Fixed(1.0), "b": Off(LogUniform(0.1, 10.0)), "c": LogUniform(0.1, 10.0)}
    space = Space(NAMES, spec)
    (found,) = warm_parameters(space, [{"a": 1.0, "b": 0.0, "c": 0.0}])
    assert space.weights(found) == {"a": 1.0, "b": 0.0, "c": 0.1}
    assert found == space.parameters_of(space.weights(found))
