"""Early stopping: when a training ends, and which of its epochs is the best."""

import math

import pytest

from lossweights.base.errors import RecipeError
from lossweights.records import EpochReport
from lossweights.training.early_stopping import BestEpoch, EarlyStopping

NAN = math.nan


def watch(values, **options):
    """The best epoch and the last one, of a training whose metric takes these values."""
    best = BestEpoch(EarlyStopping("m", **options))
    assert not best.add(EpochReport(0, {}, {}, {"m": -1e9}))  # before training: never the best
    last = 0
    for last, value in enumerate(values, start=1):
        is_best = best.add(EpochReport(last, {}, {}, {"m": value}))
        assert is_best == (best.epoch == last)
        if best.is_over:
            break
    return best.epoch, last


@pytest.mark.parametrize(
    ("values", "options", "epochs"),
    [
        ([3, 2, 1, 0], {}, (4, 4)),
        ([3, 1, 2, 2, 0], {"patience": 2}, (2, 4)),
        ([3, 1, 2, 0, 5, 5, 5], {"patience": 2}, (4, 6)),
        ([1, 1, 1, 1], {"patience": 1}, (1, 2)),  # as good is not better
        ([1, 3, 2, 2, 9], {"patience": 2, "direction": "maximize"}, (2, 4)),
        ([-3, -1, -2, -2], {"patience": 2, "direction": "maximize"}, (2, 4)),
        ([3, 2.6, 2.2, 1], {"patience": 2, "min_delta": 1.0}, (1, 3)),
        ([1, 1.4, 1.8, 9], {"patience": 2, "min_delta": 1.0, "direction": "maximize"}, (1, 3)),
    ],
)
def test_best_epoch_and_end(values, options, epochs):
    """Training ends after ``patience`` epochs in a row that improve on the best by too little."""
    assert watch(values, **options) == epochs


@pytest.mark.parametrize("undefined", [NAN, math.inf, -math.inf])
@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_an_undefined_metric_is_never_the_best(undefined, direction):
    """An epoch without a value counts as not better, and what comes after is compared as ever."""
    sign = 1 if direction == "minimize" else -1
    values = [3 * sign, undefined, 2 * sign, undefined, undefined, 1 * sign]
    assert watch(values, patience=2, direction=direction) == (3, 5)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_waiting_begins_with_the_first_value(direction):
    """Undefined epochs at the start neither end a training nor are better than a value."""
    assert watch([NAN] * 6 + [5, 5, 5, 5], patience=2, direction=direction) == (7, 9)


def test_a_metric_that_never_has_a_value_keeps_the_last_epoch():
    """Without any value a training goes on to its end, as it does without early stopping."""
    assert watch([NAN] * 6, patience=2) == (6, 6)


@pytest.mark.parametrize(
    "options",
    [
        {"direction": "down"},
        {"patience": 0},
        {"patience": 1.5},
        {"patience": True},
        {"min_delta": -1.0},
        {"min_delta": NAN},
    ],
)
def test_impossible_rules_are_refused(options):
    """A rule that could not be followed is an error that says what was expected."""
    with pytest.raises(RecipeError, match="Expected"):
        EarlyStopping("m", **options)
