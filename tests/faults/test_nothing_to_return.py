"""A sweep without one complete trial: it raises, says what to change, and can be gone on with."""

import json

import keras
import pytest
from typer.testing import CliRunner

from lossweights.base.errors import NoneComplete, SweepFailed
from lossweights.cli._app import app
from lossweights.driver._driver import AHEAD
from lossweights.records import Outcome
from lossweights.report.summary import print_summary
from lossweights.results.result import SweepResult

from .helpers import check_sweep
from .tiny import tiny_sweep

pytestmark = pytest.mark.faults

# Explodes for as long as the script says so.
EXPLODES = """
LIMIT = 1e9

def during(member, epoch):
    if epoch == 2 and member.weights["b"] < LIMIT:
        bad = {"a": float("inf"), "b": 1.0}
        return EpochReport(epoch, bad, bad, {"miss": 1.0, "cost": 1.0})

sweep = FakeSweep("fake", during=during)
"""
FAILS = """
def during(member, epoch):
    if epoch == 1:
        raise ValueError(f"no column {member.weights['b'] > 1}")

sweep = FakeSweep("fake", during=during)
"""


def ending(script):
    """How the sweep says that it ended."""
    return json.loads((script.sweep_folder / "ending.json").read_text())


@pytest.mark.parametrize("workers", [0, 2])
def test_row_17_a_sweep_whose_first_16_trials_diverge_stops(scripted, workers):
    """It says how many, which term, and what to change; nothing is left open."""
    script = scripted(EXPLODES)
    with pytest.raises(NoneComplete) as raised:
        script.run(64, workers=workers)
    text = str(raised.value)
    diverged = script.outcomes()["DIVERGED"]
    # What had been handed out to workers may end before they hear of it.
    assert diverged == 16 or (workers and diverged <= 16 + AHEAD)
    said = f"{diverged} of {diverged} trials diverged"
    assert f"of 64. Found none: {said}: term a was not finite" in text
    assert "and there the sweep stopped" in text
    assert "smaller learning rate, or with ranges of the weights that end lower" in text
    assert "lossweights report fake" in text
    assert "lossweights resume fake" in text
    assert set(script.outcomes()) <= {"DIVERGED", "AGAIN"}
    check_sweep(script.root)
    result = SweepResult.read("fake", script.root)
    assert result.verdict.startswith(f"No trial is complete ({said}: term a")
    assert set(result.trials["outcome"]) <= {"DIVERGED", "FAILED"}
    assert ending(script)["status"] == "FAILED"


def test_row_17_fewer_trials_than_16_are_all_tried(scripted):
    """And if all of them diverged, that is said."""
    script = scripted(EXPLODES)
    with pytest.raises(NoneComplete, match="7 of 7 trials diverged") as raised:
        script.run(7, workers=0)
    assert "stopped" not in str(raised.value)
    assert "--trials 14" in str(raised.value)


def test_row_17_one_that_trains_lets_the_sweep_go_on(scripted):
    """Of the first 16 as well as of any before; the sampler learns where nothing trains."""
    script = scripted(EXPLODES.replace("LIMIT = 1e9", "LIMIT = 30.0"))
    result = script.run(40, workers=0)
    assert script.outcomes()["DIVERGED"] > 8
    assert len(script.results()) == 40
    assert result.has_best


def test_row_17_the_count_holds_over_resumes_until_something_changes(scripted):
    """10 and 6 are 16; resumed as it is the sweep trains nothing more, after a change it does."""
    script = scripted(EXPLODES)
    for trials, expected in ((10, 10), (64, 16), (64, 16)):
        with pytest.raises(NoneComplete, match=f"{expected} of {expected} trials diverged"):
            script.run(trials, workers=0, resume=expected != 10 or trials != 10)
        assert script.outcomes() == {"DIVERGED": expected}
    script.edit("LIMIT = 1e9", "LIMIT = 1e8")  # no remedy
    with pytest.raises(NoneComplete, match="32 of 32 trials diverged"):
        script.run(64, workers=0, resume=True, accept_change=["code"])
    script.edit("LIMIT = 1e8", "LIMIT = 0.0")
    result = script.run(64, workers=0, resume=True, accept_change=["code"])
    assert script.outcomes() == {"DIVERGED": 32, "COMPLETE": 32}
    assert "No trial is complete" not in result.verdict
    check_sweep(script.root)


def test_row_17_the_learning_rate_is_named_and_a_smaller_one_goes_on(root):
    """With Keras, in stacks: what was trained with is said, and the change is accepted by name."""
    options = {"root": root, "workers": 0, "tracking": False, "quiet": True, "trainer": "serial"}
    options["confirm"] = 0
    with pytest.raises(NoneComplete, match=r"smaller learning rate than 1e\+30") as raised:
        tiny_sweep(learning_rate=1e30).run(18, **options)
    assert "--accept-change recipe" in str(raised.value)
    assert len(SweepResult.read("tiny", root).trials) == 16
    mended = tiny_sweep(learning_rate=0.05)
    result = mended.run(18, resume=True, accept_change=["recipe"], **options)
    assert result.trials["outcome"].tolist() == ["DIVERGED"] * 16 + ["COMPLETE"] * 2
    assert result.best("knee").origin["trial"] >= 16


def test_row_8_a_sweep_whose_trials_all_fail_raises(scripted):
    """Also one too short for three failures in a row; the way on is said."""
    script = scripted(FAILS)
    with pytest.raises(SweepFailed) as raised:
        script.run(2, workers=0)
    assert isinstance(raised.value, NoneComplete)
    assert "2 of 2 trials failed: ValueError: no column" in str(raised.value)
    assert "Mend the cause" in str(raised.value)
    assert "--trials 4 --accept-change code" in str(raised.value)
    script.edit('raise ValueError(f"no column', 'print(f"no column')
    result = script.run(4, workers=0, resume=True, accept_change=["code"])
    assert script.outcomes() == {"FAILED": 2, "COMPLETE": 2}
    assert result.has_best


def test_row_8_what_is_printed_and_what_is_raised_agree(scripted, capsys):
    """On the command line: the summary, the error's sentence, 70; the folder can be read."""
    script = scripted(EXPLODES)
    ended = script.call(trials=20, workers=0)
    assert ended.returncode == 70
    result = SweepResult.read("fake", script.root)
    assert f"Verdict: {result.verdict}" in ended.stdout
    assert "No weight set was saved, since no trial is complete." in ended.stdout
    assert "lossweights: NoneComplete: Expected at least one complete trial of 20." in ended.stderr
    assert result.none_complete.found in ended.stderr
    assert "Traceback" not in ended.stderr
    report = CliRunner().invoke(app, ["report", "fake", "--root", str(script.root)])
    assert report.exit_code == 0
    assert "16 of 16 trials diverged" in report.output.replace("\n", " ")


def test_row_8_a_keras_sweep_that_returns_nothing_raises(root, monkeypatch):
    """A model that cannot be trained: no result that looks as if nothing were wrong."""

    def boom(*_args, **_kwargs):
        raise RuntimeError("svd did not converge")

    monkeypatch.setattr(keras.Model, "fit", boom)
    with pytest.raises(NoneComplete, match="2 of 2 trials failed: RuntimeError: svd did not"):
        tiny_sweep().run(2, root=root, workers=0, tracking=False, quiet=True, trainer="fit")
    result = SweepResult.read("tiny", root)
    assert {f.result.outcome for f in result.finished.values()} == {Outcome.FAILED}
    assert (root / "studies" / "tiny" / "report.html").exists()
    print_summary(result, root)
