"""How long a sweep trains: what a step took, times the steps; and which trainer is timed."""

import time

import keras
import numpy as np
import pytest

import lossweights as lw
from lossweights.base.errors import RecipeError
from lossweights.terms import as_term
from lossweights.training import Trainers
from lossweights.training.aside import Aside, put_back
from lossweights.training.estimate import TimeEstimate
from lossweights.training.problem import Problem
from lossweights.training.timing import seconds_a_step
from lossweights.watch.reading import Reading

X, Y = np.arange(200.0).reshape(100, 2) / 100, np.arange(100.0).reshape(100, 1) / 100
USUAL = {"trials": 8, "epochs": 5, "steps_per_epoch": 10, "seconds_a_step": 0.5, "seeds": 2}


@pytest.mark.parametrize("name", USUAL)
def test_time_is_in_proportion_to_each_number(name):
    """Twice as many trials, epochs, steps, seeds or seconds a step take twice as long."""
    usual = TimeEstimate(how="fit", **USUAL)
    assert usual.seconds == 8 * 5 * 10 * 0.5 * 2
    twice = TimeEstimate(how="fit", **{**USUAL, name: 2 * USUAL[name]})
    assert twice.seconds == 2 * usual.seconds
    assert str(usual).startswith("about 6:40 min of training: 8 trials x 2 seeds x 5 epochs")


@pytest.mark.parametrize(("seconds", "said"), [(0.5, "about 2 s"), (3600.0, "about 4:00 h")])
def test_short_and_long_times_are_said_in_their_units(seconds, said):
    """Seconds below a minute, hours from one on."""
    parts = {"trials": 4, "epochs": 1, "steps_per_epoch": 1, "how": "fit"}
    assert str(TimeEstimate(seconds_a_step=seconds, **parts)).startswith(said)


def test_what_cannot_be_timed_is_told():
    """With what to leave out."""

    def fail(steps):
        raise MemoryError

    with pytest.raises(RecipeError, match="Leave out trials="):
        seconds_a_step(fail)


def make_model():
    """A small model."""
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])


def make_trainers(seeds=1, **changes):
    """The trainers of a small problem."""
    recipe = {"optimizer": "sgd", "epochs": 3, "batch_size": 16, **changes}
    problem = Problem(
        build_model=make_model, terms={"mse": as_term("mse", "mse")}, metrics={}, **recipe
    )
    return Trainers(problem, lw.Data(train=(X, Y), val=(X, Y)), seeds)


def test_the_trainer_of_the_sweep_is_timed(monkeypatch):
    """A step of a stack is shared by its members; epochs and seeds are the problem's."""
    monkeypatch.setattr("lossweights.training._trainers.seconds_a_step", lambda timed: 0.5)
    found = make_trainers(seeds=2).estimate(32)
    members = int(found.how.removeprefix("stacked, ").partition(" ")[0])
    assert 1 < members <= 8  # of 32 trials
    assert found.seconds_a_step == 0.5 / members
    assert (found.epochs, found.steps_per_epoch, found.seeds) == (3, 7, 2)
    assert found.seconds == 32 * 3 * 7 * 2 * 0.5 / members
    ten, more = (make_trainers().estimate(trials, 10) for trials in (32, 33))
    assert ten.epochs == 10
    assert ten.seconds < more.seconds


def test_what_only_fit_trains_is_timed_there(monkeypatch):
    """As the sweep would."""
    monkeypatch.setattr("lossweights.training._trainers.seconds_a_step", lambda timed: 0.5)
    assert make_trainers(callbacks=list).estimate(32).how == "fit"


def test_steps_aside_are_clocked(monkeypatch):
    """The time between two readings of the clock, over the steps."""
    model = make_model()
    loss = lw.CombinedLoss({"mse": "mse"})
    with put_back(model):
        aside = Aside(model, Reading(model, loss), "sgd", (X, Y, None), 16)
        readings = iter([100.0, 106.0])
        monkeypatch.setattr(time, "monotonic", lambda: next(readings))
        assert aside.seconds_a_step(3) == 2.0
        monkeypatch.undo()
