"""The options of a run are refused before anything else is done."""

import pytest

from lossweights.base.errors import RecipeError
from lossweights.base.machine import available_cores
from lossweights.sweep import _where as where
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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"executor": "dask"}, "Expected an executor among"),
        ({"address": "auto"}, "Expected an address with executor='ray' alone"),
        ({"executor": "inline", "workers": 2}, "Expected no workers with executor='inline'"),
        ({"executor": "processes", "workers": 0}, "Expected workers with executor='processes'"),
        ({"executor": "ray", "workers": 0}, "Expected workers with executor='ray'"),
        ({"executor": "ray", "address": "head"}, "Expected an address such as 'auto'"),
    ],
)
def test_executor_address_and_workers_go_together(options, message, monkeypatch):
    """Each names another place where trials are trained."""
    monkeypatch.setattr(where, "refuse_without_ray", lambda: None)
    with pytest.raises(RecipeError, match=message):
        RunOptions(**options).check(TRAINERS)


def test_each_executor_has_its_workers(monkeypatch):
    """Inline has none; a cluster as many as are asked for."""
    monkeypatch.setattr(where, "refuse_without_ray", lambda: None)
    assert RunOptions(executor="inline").check(TRAINERS).workers == 0
    assert RunOptions(executor="processes").check(TRAINERS).workers is None
    options = RunOptions(executor="ray", address="ray://head:10001", workers=1000)
    assert options.check(TRAINERS).workers == 1000


def test_no_number_of_seconds_that_is_none():
    """A limit that is not a number would never be reached."""
    with pytest.raises(RecipeError):
        RunOptions(trial_timeout=float("nan")).check(TRAINERS)


def test_the_usual_options_pass():
    """With as many workers as are allowed, too."""
    RunOptions().check(TRAINERS)
    RunOptions(trainer="fit", workers=TOO_MANY - 1, trial_timeout=0.1).check(TRAINERS)
    assert RunOptions(time_limit="2h").check(TRAINERS).time_limit == 7200.0
