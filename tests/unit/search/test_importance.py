"""Importance: the weight that a metric follows, up and down again, and nothing from nothing."""

import numpy as np
import pytest

from lossweights.search.importance import LEAST_TRIALS, TRIALS, importances


def sampled(n=80, seed=0):
    """Weights of three terms, the first of them fixed."""
    rng = np.random.default_rng(seed)
    under, boundary = 10 ** rng.uniform(-2, 2, (2, n))
    return {"mse": np.ones(n), "under": under, "boundary": boundary}


def test_the_weight_that_a_metric_follows_explains_it():
    """All but nothing is left for the other one, and the parts sum to one."""
    weights = sampled()
    found = importances(weights, {"rmse": np.log(weights["under"])})
    assert set(found["rmse"]) == {"under", "boundary"}, "a fixed weight explains nothing"
    assert found["rmse"]["under"] > 0.9
    assert sum(found["rmse"].values()) == pytest.approx(1.0)


def test_what_goes_up_and_down_again_is_seen():
    """A metric best in the middle has no rank correlation with the weight, but follows it."""
    weights = sampled()
    found = importances(weights, {"rmse": np.log(weights["boundary"]) ** 2})
    assert found["rmse"]["boundary"] > 0.8


def test_the_same_trials_give_the_same_numbers():
    """No chance is left in it."""
    weights = sampled()
    metrics = {"rmse": np.log(weights["under"]) + np.log(weights["boundary"])}
    assert importances(weights, metrics) == importances(weights, metrics)


def test_what_else_was_chosen_explains_its_part():
    """A learning rate beside weights, and a name without an order."""
    rng, weights = np.random.default_rng(1), sampled()
    rate, term = 10 ** rng.uniform(-4, -2, 80), rng.choice(["dice", "tversky", "mse"], 80)
    beside = {"hyper/learning_rate": rate, "term/region": term}
    found = importances(
        {**weights, **beside}, {"rmse": np.log(rate), "dice": (term == "dice").astype(float)}
    )
    assert found["rmse"]["hyper/learning_rate"] > 0.9
    assert found["dice"]["term/region"] > 0.9


def test_undefined_values_are_left_out():
    """Trials in which a metric is not defined do not count for it."""
    weights = sampled()
    rmse = np.log(weights["under"])
    rmse[::3] = np.nan
    assert importances(weights, {"rmse": rmse})["rmse"]["under"] > 0.9


@pytest.mark.parametrize("n", [LEAST_TRIALS - 1, 0])
def test_few_trials_say_nothing(n):
    """Below a handful no number is given."""
    weights = sampled(n)
    assert importances(weights, {"rmse": np.log(weights["under"])}) == {}


def test_constant_metrics_and_fixed_weights_say_nothing():
    """What does not change is explained by nothing, and explains nothing."""
    weights = sampled()
    assert importances(weights, {"rmse": np.ones(80)}) == {}
    assert importances({"mse": np.ones(80)}, {"rmse": np.arange(80.0)}) == {}


def test_many_trials_cost_no_more():
    """Of thousands an even choice is looked at: that is what keeps the end of a sweep short."""
    weights = sampled(50 * TRIALS)
    assert importances(weights, {"rmse": np.log(weights["under"])})["rmse"]["under"] > 0.9
