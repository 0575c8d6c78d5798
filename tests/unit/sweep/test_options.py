"""The options of a run are refused before anything else is done."""

import pytest

from lossweights.base.errors import RecipeError
from lossweights.base.machine import available_cores
from lossweights.sweep._options import RunOptions

TRAINERS = ("auto", "fit")
TOO_MANY = 4 * available_cores() + 1
REFUSED = {
    "trainer": ("guess", "Expected a trainer among"),
    "trials": (0, "Expected trials as a whole number of at least 1"),
    "max_retries": (-1, "Expected max_retries as a whole number of at least 0"),
    "workers": (TOO_MANY, f"Found {TOO_MANY}"),
    "trial_timeout": (0.0, "Expected a trial_timeout above 0 seconds"),
    "time_limit": ("soon", "Expected time_limit as seconds above 0"),
}


@pytest.mark.parametrize("option", REFUSED)
def test_what_cannot_be_is_refused(option):
    """With what was expected, and what was found."""
    value, message = REFUSED[option]
    with pytest.raises(RecipeError, match=message):
        RunOptions(**{option: value}).check(TRAINERS)


@pytest.mark.parametrize("option", ["trials", "workers", "max_retries"])
@pytest.mark.parametrize("value", [True, 1.0, "1"])
def test_counts_are_whole_numbers(option, value):
    """Truth values, fractions and texts are none."""
    with pytest.raises(RecipeError, match=f"Expected {option} as a whole number"):
        RunOptions(**{option: value}).check(TRAINERS)


def test_no_number_of_seconds_that_is_none():
    """A limit that is not a number would never be reached."""
    with pytest.raises(RecipeError):
        RunOptions(trial_timeout=float("nan")).check(TRAINERS)


def test_the_usual_options_pass():
    """With as many workers as are allowed, too."""
    RunOptions().check(TRAINERS)
    RunOptions(trainer="fit", workers=TOO_MANY - 1, trial_timeout=0.1).check(TRAINERS)
    assert RunOptions(time_limit="2h").check(TRAINERS).time_limit == 7200.0
