"""What the shell is offered as picks: all that `best` takes without conditions."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from lossweights.cli._completion import complete_pick
from lossweights.results.result import SweepResult

from ..samples import finished, save_sweep

CONTEST = {
    "equal": {"weights": {"mse": 1.0, "under": 1.0}, "parameters": {"under": 1.0}},
    "dwa": {"weights": {"mse": 1.0, "under": 1.0}, "method": {"method": "DWA"}},
}


@pytest.fixture
def raced(root):
    """A root with a sweep whose second trial is its baseline of equal weights."""
    trials = [finished(0, 3.0, 1.0), finished(1, 1.0, 3.0, under=1.0), finished(2, 1.5, 1.5)]
    trials[1] = replace(trials[1], asked=replace(trials[1].asked, baseline="equal"))
    save_sweep(root, trials, contest=CONTEST)
    return root


def offered(root, incomplete=""):
    """The picks that complete a word."""
    context = SimpleNamespace(params={"name": "demand", "root": root})
    return [pick for pick, _ in complete_pick(context, incomplete)]


def test_picks_within_a_standard_error_and_baselines_are_offered(raced):
    """But no method, which has no weights to keep."""
    assert offered(raced, "one") == ["one-se:rmse", "one-se:shortfall"]
    assert offered(raced, "eq") == ["equal"]
    assert offered(raced) == [
        *("knee", "min:rmse", "min:shortfall", "one-se:rmse", "one-se:shortfall", "equal")
    ]


def test_a_baseline_that_is_a_trial_is_a_pick(raced):
    """Also before a confirmation has trained it anew."""
    weights = SweepResult.read("demand", raced).best("equal")
    assert weights.origin["trial"] == 1
    assert weights.origin["baseline"] == "equal"
    assert weights.name == "demand@equal"
