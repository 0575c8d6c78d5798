"""When a sweep is said to have learned nothing, from numbers alone."""

import math

import pytest

from lossweights.results._learned import why_nothing_learned

AIMS = {"rmse": "minimize", "dice": "maximize"}
KNOWN = {"rmse": {"value": 2.0, "perfect": 0.0}, "dice": {"value": 0.4, "perfect": 1.0}}
RECIPE = {"epochs": 2, "optimizer": {"class": "Adam", "learning_rate": 0.001}}


@pytest.mark.parametrize(
    ("trials", "nothing"),
    [
        ([(2.5, 0.3), (2.1, 0.39)], True),
        ([(2.0, 0.4)], True),  # as good as the constant
        ([(2.0 - 1e-6, 0.4 + 1e-7)], True),  # better by rounding
        ([(1.9, 0.3)], False),
        ([(2.5, 0.3), (9.0, 0.5)], False),  # another trial, the other objective
        ([(math.nan, 0.3)], False),  # nothing is known of one objective
        ([], False),
    ],
)
def test_by_hand(trials, nothing):
    """No trial beats the constant in any objective."""
    metrics = [{"rmse": rmse, "dice": dice} for rmse, dice in trials]
    assert bool(why_nothing_learned(metrics, AIMS, KNOWN, RECIPE)) == nothing


def test_the_sentence():
    """One, with the figures and what to change, as far as the recipe tells."""
    told = why_nothing_learned([{"rmse": 2.5, "dice": 0.25}], AIMS, KNOWN, RECIPE)
    assert told == (
        "This sweep learned nothing: no trial is better than the best constant prediction (rmse "
        "2.5 at best against 2, dice 0.25 at best against 0.4), so train for more epochs than 2, "
        "or with a larger learning rate than 0.001."
    )
    plain = why_nothing_learned([{"rmse": 2.5, "dice": 0.25}], AIMS, KNOWN, {})
    assert plain.endswith("train for more epochs, or with a larger learning rate.")


def test_what_cannot_be_said():
    """Where a constant is not known, or all objectives are satisfied by one."""
    trial = [{"rmse": 2.5, "dice": 0.25}]
    assert why_nothing_learned(trial, AIMS, {"rmse": KNOWN["rmse"]}, RECIPE) == ""
    satisfied = {
        name: {"value": v["perfect"], "perfect": v["perfect"]} for name, v in KNOWN.items()
    }
    assert why_nothing_learned(trial, AIMS, satisfied, RECIPE) == ""


def test_a_loss_that_rose_asks_for_a_smaller_learning_rate():
    """More of what makes the loss rise is no remedy."""
    recipe = {"epochs": 2, "optimizer": {"learning_rate": 30.0}}
    constants = {"rmse": {"value": 2.0, "perfect": 0.0}}
    said = why_nothing_learned(
        [{"rmse": 22.0}] * 4, {"rmse": "minimize"}, constants, recipe, risen=3
    )
    assert "so train with a smaller learning rate than 30: the loss rose or diverged in 3" in said
