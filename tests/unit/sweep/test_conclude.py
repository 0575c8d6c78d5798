"""What fails in drawing conclusions costs that conclusion alone, and can be drawn again."""

import json
from dataclasses import replace

import numpy as np
import pytest

import lossweights as lw
from lossweights.base.errors import StoreError
from lossweights.dominance import judge, sweep_verdict
from lossweights.records import Outcome
from lossweights.report.summary import print_summary
from lossweights.results.proof import _proof
from lossweights.results.result import SweepResult
from lossweights.sweep import _conclude
from lossweights.sweep._winner import Winner

from ..results.contests import contest, contestant
from ..samples import finished, save_sweep

TRIALS = [
    finished(i, rmse=1.0 + i / 10, shortfall=2.0 - i / 10, under=0.1 * 2**i, driver=driver)
    for i, driver in enumerate(["mse"] * 5 + ["under"] * 5)
]
# What may fail, where, and what that one is called.
FAILING = {
    "flips": (sweep_verdict, "find_flip"),
    "sensitivity": (sweep_verdict, "sensitivities"),
    "verdict": (sweep_verdict, "sweep_sentence"),
    "importance": (_conclude, "importances"),
    "report": (_conclude, "write_report"),
    "winner": (_conclude, "make_winner"),
}


class Trainer:
    """Stands for the trainer of the winner."""


@pytest.fixture(autouse=True)
def _no_training(monkeypatch):
    """The winner is not trained, which is not the point here."""
    monkeypatch.setattr(_conclude, "make_winner", lambda *_: Winner(None, {"rmse": 3.0}))


@pytest.fixture
def sweep(root):
    """A sweep whose trials have ended, and its folder."""
    return save_sweep(root, TRIALS)


def conclude(root):
    """Draw the conclusions of the sweep on disk."""
    return _conclude.conclude_sweep(SweepResult.read("demand", root), root, Trainer(), None)


def left_by(root, folder):
    """What a sweep leaves: whether each of its conclusions is there."""
    verdict = folder / "verdict.json"
    told = json.loads(verdict.read_text()) if verdict.exists() else {}
    importance = json.loads((folder / "importance.json").read_text())
    return {
        "flips": bool(told.get("flips")),
        "sensitivity": bool(told.get("sensitivity")),
        "verdict": "drove" in told.get("sentence", ""),
        "importance": bool(importance),
        "report": (folder / "report.html").exists(),
        "winner": (folder / "winner.json").exists(),
    }


def fail(*_, **__):
    """Something nobody thought of."""
    raise ValueError("out of range: inf")


def test_a_sweep_leaves_all_of_it(root, sweep):
    """Where nothing fails."""
    ending = conclude(root)
    assert set(left_by(root, sweep).values()) == {True}
    assert ending.status == "FINISHED"
    assert "Not drawn" not in ending.note
    assert not [key for key in ending.metrics if key.startswith("test/")]


def test_a_person_is_told_before_what_takes_long(root, sweep, monkeypatch):
    """With the weight sets and the winner written, and what is to be said of it; once."""
    told = []

    def tell(result):
        there = {what for what, there in left_by(root, sweep).items() if there}
        weights = (root / "weights" / "demand" / "knee.json").exists()
        told.append((there, result.winner.val, result.remark, weights))

    made = Winner(None, {"rmse": 3.0}, "another one")
    monkeypatch.setattr(_conclude, "make_winner", lambda *_: made)
    result = SweepResult.read("demand", root)
    _conclude.conclude_sweep(result, root, Trainer(), None, tell=tell)
    assert told == [(set(FAILING) - {"report"}, {"rmse": 3.0}, "another one", True)]
    assert (sweep / "report.html").exists()


def test_a_person_who_reads_no_further_costs_the_summary_alone(root, sweep):
    """As `| head` does: what prints ends the program when the pipe is closed."""

    def tell(_):
        raise SystemExit(1)

    result = SweepResult.read("demand", root)
    ending = _conclude.conclude_sweep(result, root, Trainer(), None, tell=tell)
    assert ending.status == "FINISHED"
    assert "summary (SystemExit" in ending.note
    assert set(left_by(root, sweep).values()) == {True}


@pytest.mark.parametrize("what", FAILING)
def test_f36_what_fails_costs_that_alone(root, sweep, monkeypatch, what):
    """It is named in the ending, weight sets can be loaded, and the sweep has not failed."""
    with monkeypatch.context() as broken:
        broken.setattr(*FAILING[what], fail)
        ending = conclude(root)
        print_summary(SweepResult.read("demand", root), root)  # and reading it never fails
    lost = {"flips", "sensitivity", "verdict"} if what == "verdict" else {what}
    found = left_by(root, sweep)
    assert {name for name, there in found.items() if not there} == lost
    assert ending.status == "FINISHED"
    assert f"Not drawn: {what} (ValueError: out of range: inf)" in ending.note
    assert "lossweights resume demand" in ending.note
    assert lw.load("demand", root).weights == lw.load("demand@knee", root).weights
    assert {"best/rmse", "best/shortfall"} <= set(ending.metrics)


def confirmed(root, knee):
    """The sweep with a confirmation of its knee, and of equal weights beside the trials."""
    result = SweepResult.read("demand", root)
    noise = [0.0, 0.1, -0.1, 0.05, 0.02]
    numbers = {
        "knee": {"rmse": [knee + n for n in noise], "shortfall": [5.0] * 5},
        "equal": {"rmse": [9.0 + n / 2 for n in noise], "shortfall": [5.0] * 5},
    }
    trial = result.best_number("knee")
    of = contest(numbers, knee=contestant("knee", 1.0, 40.0, trial=trial))
    return replace(result, contest=of)


@pytest.mark.parametrize(
    ("knee", "model", "seed", "said"),
    [(8.0, "knee.keras", 7, "is better than equal weights by 11 % of rmse"),
     (9.01, "equal.keras", 101, "is no better than equal weights within noise")],
)  # fmt: skip
def test_what_is_promoted_is_trained_once_more(root, sweep, monkeypatch, knee, model, seed, said):
    """A baseline that takes the pick's place is the winner; MLflow is told the sentence."""
    asked = []

    def train(_, __, training, label, path, *___):
        asked.append((path.name, training.seed, label))
        path.write_bytes(b"a model")
        return Winner(path, {})

    monkeypatch.setattr(_conclude, "make_winner", train)
    result = confirmed(root, knee)
    ending = _conclude.conclude_sweep(result, root, Trainer(), None)
    number = result.best_number("knee")
    assert asked == [(model, seed, f"trial {number}" if knee == 8.0 else "equal")]
    assert lw.load("demand", root).provenance.model["file"] == model
    assert said in result.sentence
    assert ending.note.startswith(result.sentence)
    assert ending.tags["lossweights.sentence"] == result.sentence
    assert "Not drawn" not in ending.note


def test_f36_a_confirmation_that_cannot_be_judged_costs_itself_alone(root, sweep, monkeypatch):
    """The sweep promotes its own pick, and says what is missing."""
    monkeypatch.setattr(_proof, "promotion", fail)
    result = confirmed(root, 9.01)
    ending = _conclude.conclude_sweep(result, root, Trainer(), None)
    assert "Not drawn: confirmation (ValueError: out of range: inf)" in ending.note
    assert lw.load("demand", root).weights == lw.load("demand@knee", root).weights
    assert result.sentence.startswith("Not confirmed: the confirmation cannot be judged")


@pytest.mark.parametrize("what", FAILING)
def test_f36_it_can_be_drawn_again(root, sweep, monkeypatch, what):
    """As if nothing had happened."""
    with monkeypatch.context() as broken:
        broken.setattr(*FAILING[what], fail)
        conclude(root)
    assert "Not drawn" not in conclude(root).note
    assert set(left_by(root, sweep).values()) == {True}


def test_f36_a_trial_that_cannot_be_judged_hides_no_other(root, sweep, monkeypatch):
    """It is undetermined, and says why."""
    real = judge.judge

    def judged(weights, *given, **options):
        in_force = np.unique(weights["under"])
        bad = np.array_equal(in_force, [TRIALS[3].result.weights["under"]])
        return fail() if bad else real(weights, *given, **options)

    monkeypatch.setattr(judge, "judge", judged)
    ending = conclude(root)
    assert "Not drawn" not in ending.note
    verdicts = SweepResult.read("demand", root).verdicts
    assert [n for n, v in verdicts.items() if v.undetermined] == [3]
    assert "could not be judged (ValueError: out of range: inf)" in verdicts[3].sentence


def test_f36_a_full_disk_still_ends_the_sweep(root, sweep, monkeypatch):
    """Nothing else could be written either; what is there stays."""

    def full(*_, **__):
        raise StoreError("no space left")

    monkeypatch.setattr(_conclude, "write_report", full)
    with pytest.raises(StoreError, match="no space left"):
        conclude(root)
    assert lw.load("demand", root).weights


@pytest.mark.parametrize("error", [FileNotFoundError("bert.h5"), SystemExit(3), MemoryError()])
def test_row_10_code_of_the_users_own_loses_no_finished_sweep(root, sweep, monkeypatch, error):
    """What build_model needs may be gone when the winner is made: that is no full disk."""

    def build_model(*_):
        raise error

    monkeypatch.setattr(_conclude, "make_winner", build_model)
    ending = conclude(root)
    assert ending.status == "FINISHED"
    assert f"Not drawn: winner ({type(error).__name__}" in ending.note
    assert lw.load("demand", root).weights


def test_f36_no_complete_trial_is_no_winner(root, monkeypatch):
    """And no failure of drawing one."""
    save_sweep(root, [finished(i, outcome=Outcome.DIVERGED) for i in range(3)])
    monkeypatch.setattr(_conclude, "make_winner", fail)
    ending = conclude(root)
    assert ending.status == "FAILED"
    assert ending.note.startswith("No trial is complete (3 of 3 trials diverged), so train with")
    assert "Not drawn" not in ending.note
