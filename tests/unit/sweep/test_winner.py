"""Which parameters become the winner, and what is said of it; nothing is trained here."""

import pytest

from lossweights.sweep import _winner
from lossweights.sweep._winner import make_winner
from lossweights.training import NotStackable
from lossweights.watch.probe import Measurement

from ..samples import finished

BEST = finished(5, rmse=0.7207, shortfall=0.0)
TRIAL = dict(BEST.result.metrics)


class Data:
    """Data of which nobody reads anything."""

    val, test = "val", None


class Trainers:
    """Trainers whose trainings end with the metrics that a test gives, by trainer."""

    def __init__(self, **metrics):
        self.fit, self.metrics, self.asked = self, metrics, []

    def trained(self, name, member, copies):
        """The name of the trainer in the place of a model."""
        self.asked.append((name, copies))
        found = self.metrics[name]
        if isinstance(found, Exception):
            raise found
        return name

    def model_of(self, member, parameters):
        """What was held, in the place of a model with it."""
        if parameters == ["of another shape"]:
            raise ValueError("they do not fit")
        return "held"

    def measure_on(self, split, model):
        """What the test says."""
        return Measurement({}, self.metrics[model])


@pytest.fixture(autouse=True)
def saved(monkeypatch):
    """What would have been saved."""
    models = []

    def save(model, path):
        models.append(model)
        return path, ""

    monkeypatch.setattr(_winner, "_save", save)
    return models


def winner(trainers, trainer="stacked", at_once=8, parameters=None):
    """The winner of a trial that this trainer trained."""
    object.__setattr__(BEST.result, "trainer", trainer)
    wanted = ["rmse", "shortfall"]
    path = "knee.keras"
    return make_winner(trainers, Data(), BEST.result, "trial 5", path, wanted, at_once, parameters)


def test_what_the_trial_ended_with_is_the_winner(saved):
    """Where it was held, and has the trial's numbers: nothing is trained."""
    trainers = Trainers(held=TRIAL)
    found = winner(trainers, parameters=["held"])
    assert (saved, found.val, found.remark, trainers.asked) == (["held"], TRIAL, "", [])


@pytest.mark.parametrize("parameters", [["of another shape"], ["held"]])
def test_what_was_held_and_is_not_the_trial_is_no_winner(saved, parameters):
    """It is trained again, as where nothing was held."""
    trainers = Trainers(held={**TRIAL, "rmse": 0.7208}, fit=TRIAL)
    found = winner(trainers, parameters=parameters)
    assert (saved, found.remark, trainers.asked) == (["fit"], "", [("fit", 1)])


def test_row_1_model_fit_is_enough_where_it_gives_the_number(saved):
    """Rounding is no other number, of 0 neither."""
    trainers = Trainers(fit={"rmse": TRIAL["rmse"] * (1 + 5e-6), "shortfall": 5e-9})
    found = winner(trainers)
    assert trainers.asked == [("fit", 1)]
    assert (saved, found.remark) == (["fit"], "")


def test_row_1_where_it_does_not_the_trial_is_repeated_as_it_was(saved):
    """In a stack of the same size, which gives the same rounding."""
    trainers = Trainers(fit={**TRIAL, "rmse": 0.7208}, stacked=TRIAL)
    found = winner(trainers)
    assert trainers.asked == [("fit", 1), ("stacked", 8)]
    assert (saved, found.remark, found.val) == (["stacked"], "", TRIAL)


@pytest.mark.parametrize("other", [{**TRIAL, "rmse": 0.73}, LookupError(), NotStackable("x")])
def test_row_1_what_cannot_be_repeated_is_told(saved, other):
    """With both numbers of each objective that is off, and that of `model.fit` is kept."""
    found = winner(Trainers(fit={**TRIAL, "rmse": 0.7769}, stacked=other))
    assert saved == ["fit"]
    assert "rmse 0.7769 instead of 0.7207" in found.remark
    assert "shortfall" not in found.remark


def test_row_1_no_training_that_ends_is_no_winner(saved):
    """Where the trial diverges when it is trained again."""
    found = winner(Trainers(fit=LookupError()), trainer="fit")
    assert (saved, found.path) == ([], None)
    assert found.remark == "No winner is saved: trial 5 could not be repeated."
