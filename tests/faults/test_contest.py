"""The contest of a sweep, interrupted: it goes on, and nothing that ended is trained again."""

import signal
import sqlite3
from collections import Counter
from contextlib import closing

import pytest

from lossweights.records import Outcome
from lossweights.results.contest import read_contest
from lossweights.results.status import read_status

from .helpers import check_mlflow, eventually, kill

pytestmark = pytest.mark.faults

# A baseline beside the trials, then three picks and the baseline from the seeds 1, 2 and 3. One
# training hangs the first time: which one, a file says.
BODY = """
from lossweights.search.baselines import Outside

class Raced:
    names = ("without:b",)
    def inside(self, space):
        return {}
    def outside(self, space, magnitudes):
        return [Outside("without:b", {"a": 1.0, "b": 1e-9}, None)]
    def to_json(self, space):
        return {}
    def check_scales(self, space, scales):
        pass

def during(member, epoch):
    what = f"{member.seed} {member.weights['b']!r}"
    if epoch == 0 and (member.seed or member.weights["b"] == 1e-9):
        with open(HERE / "trained", "a") as file:
            file.write(what + "\\n")
    hangs = (HERE / "hangs").read_text()
    is_it = hangs == f"{member.seed}" or hangs == what
    if epoch == 1 and is_it and once("hung"):
        announce()
        hang()

sweep = FakeSweep("fake", during=during, confirm=3)
sweep.contest_baselines = Raced()
"""
BESIDE, CONFIRMED = 1, 4 * 3


def trainings(script):
    """How often each training of the contest began."""
    path = script.folder / "trained"
    return Counter(path.read_text().splitlines()) if path.exists() else Counter()


def ended(script):
    """The trainings that have ended, as often as the journal has them."""
    outings = read_contest(script.sweep_folder).outings
    return Counter(f"{o.seed} {o.result.weights['b']!r}" for o in outings)


def check_contest(script):
    """It is over: every contestant from every seed, once; and all of it in MLflow, if at all."""
    contest = read_contest(script.sweep_folder)
    assert contest.looks == 1
    assert contest.is_over(0)
    assert contest.is_over(1)
    assert len(contest.outings) == BESIDE + CONFIRMED
    assert {outing.result.outcome for outing in contest.outings} == {Outcome.COMPLETE}
    assert set(ended(script).values()) == {1}
    if not (script.root / "mlflow.db").exists():
        return
    with closing(sqlite3.connect(script.root / "mlflow.db")) as database:
        rows = database.execute(
            "SELECT value, status, run_uuid FROM tags JOIN runs USING (run_uuid) "
            "WHERE key = 'lossweights.outing' AND lifecycle_stage = 'active'"
        ).fetchall()
        kinds = Counter(
            value
            for (value,) in database.execute(
                "SELECT t.value FROM tags t JOIN tags o USING (run_uuid) "
                "WHERE t.key = 'lossweights.kind' AND o.key = 'lossweights.outing'"
            )
        )
    wanted = {f"{o.look}/{o.seed}/{o.contestant}" for o in contest.outings}
    assert sorted(value for value, _, _ in rows) == sorted(wanted)
    assert {status for _, status, _ in rows} == {"FINISHED"}
    assert kinds == {"baseline": BESIDE, "confirm": CONFIRMED}
    check_mlflow(script.root)


def started(script, hangs, **options):
    """The script, running, at the training that hangs."""
    (script.folder / "hangs").write_text(hangs)
    process = script.start(**options)
    script.announced()
    return process


@pytest.mark.parametrize(("hangs", "workers"), [("0 1e-09", 0), ("2", 2)])
def test_contest_a_killed_driver_goes_on_where_it_was(scripted, hangs, workers):
    """Beside the trials, and in the confirmation; until then the status says what is trained."""
    script = scripted(BODY)
    process = started(script, hangs, workers=workers)
    if workers:
        eventually(lambda: read_status(script.root, "fake").contest.startswith("confirmation"))
        said = read_status(script.root, "fake")
        assert said.contest.endswith(f"of {CONFIRMED}")
        assert f"contest   {said.contest}" in said.describe(script.root)
    kill(process.pid)
    process.communicate()
    assert read_status(script.root, "fake").contest == ""
    before, began = ended(script), trainings(script)
    script.run(10, resume=True, workers=workers, confirm=None)
    check_contest(script)
    after = trainings(script)
    assert all(after[what] == began[what] == 1 for what in before)  # what had ended, once
    assert set(after) == set(ended(script))


def test_contest_a_torn_line_is_trained_again(tracked):
    """The one that was being written at the end; MLflow has each training once, whoever wrote."""
    script = tracked(BODY)
    process = started(script, "3 1e-09", tracking=True, workers=1)
    kill(process.pid)
    process.communicate()
    path = script.sweep_folder / "contest.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    before = ended(script)
    done = script.call("--resume", trials=None, tracking=True, workers=1)
    assert done.returncode == 0, done.stderr
    check_contest(script)
    assert all(trainings(script)[what] == 1 for what in before)


def test_contest_a_signal_ends_it_in_order(scripted, signals_heard):
    """With the command that goes on; which trains the rest."""
    script = scripted(BODY)
    process = started(script, "2")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "resume fake" in err
    assert 0 < len(ended(script)) < BESIDE + CONFIRMED
    assert script.call("--resume", trials=None).returncode == 0
    check_contest(script)


def test_contest_a_killed_worker_costs_a_retry(tracked):
    """The training is tried again, by another worker, and MLflow has it once."""
    script = tracked(BODY)
    (script.folder / "hangs").write_text("2")
    process = script.start(tracking=True)
    kill(script.announced())
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    check_contest(script)
