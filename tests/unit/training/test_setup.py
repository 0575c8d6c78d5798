"""How trials are trained, as it is kept in a manifest that a person may have edited."""

from dataclasses import asdict

import pytest

from lossweights.training import SetupRequest, TrainingSetup

SETUP = TrainingSetup("stacked", workers=2, members=8, why="I say so")


@pytest.mark.parametrize("setup", [SETUP, TrainingSetup("fit")])
def test_what_was_kept_comes_back(setup):
    """Also where the trainer decides how many members it takes."""
    assert TrainingSetup.from_json(asdict(setup)) == setup


@pytest.mark.parametrize(
    "change",
    [
        {"workers": "many"},
        {"workers": -1},
        {"workers": True},
        {"members": 2.5},
        {"trainer": 3},
        {"why": None},
        {"else": 1},
    ],
)
def test_what_was_edited_into_nonsense_is_none(change):
    """It is chosen anew."""
    assert TrainingSetup.from_json({**asdict(SETUP), **change}) is None


@pytest.mark.parametrize("value", [None, 3, "fit", []])
def test_what_is_no_setup_is_none(value):
    """Nothing is raised."""
    assert TrainingSetup.from_json(value) is None


@pytest.mark.parametrize(("workers", "least", "taken"), [(None, 0, 0), (None, 1, 1), (3, 1, 3)])
def test_as_requested_means_what_was_named(workers, least, taken):
    """In this process, unless workers are wanted."""
    setup = TrainingSetup.as_requested(SetupRequest("fit", 9, workers, least))
    assert setup == TrainingSetup("fit", workers=taken)
