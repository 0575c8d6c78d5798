"""F01: a worker is killed with -9 in the middle of a trial."""

from collections import Counter
from contextlib import nullcontext

import pytest

from lossweights.base.errors import NoneComplete, SweepFailed
from lossweights.records import Failure
from lossweights.results.status import read_status

from .helpers import check_mlflow, eventually, kill

pytestmark = pytest.mark.faults

HANGS_ONCE = """
def during(member, epoch):
    if epoch == 1 and once("hung"):
        announce()
        hang()

sweep = FakeSweep("fake", during=during)
"""

DIES = """
def during(member, epoch):
    if epoch == 1 and member.weights["b"] == {weight}:
        os.kill(os.getpid(), 9)

sweep = FakeSweep("fake", during=during, capacity={capacity}, baselines=[{{"b": 1.5}}])
"""


def test_f01_killed_worker_costs_one_failed_trial_and_no_result(tracked):
    """Seen at once, failed with its reason, its weights tried once more, its place refilled."""
    script = tracked(HANGS_ONCE)
    process = script.start(trials=8, tracking=True)
    pid = script.announced()
    eventually(lambda: pid in [w.pid for w in read_status(script.root, "fake").workers])
    status = read_status(script.root, "fake")
    assert status.running
    assert status.driver == process.pid
    assert len(status.workers) == 2
    kill(pid)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "SIGKILL" in err
    assert script.outcomes() == {"COMPLETE": 8, "AGAIN": 1}
    (failed,) = [f for f in script.results().values() if f.again]
    assert failed.result.failure is Failure.WORKER_KILLED
    assert [r.epoch for r in failed.result.reports] == [0]  # what it had sent is kept
    (retry,) = [f for f in script.results().values() if f.asked.retry_of is not None]
    assert retry.asked.retry_of == failed.asked.number
    assert retry.asked.parameters == failed.asked.parameters
    states = {number: state for number, state, _ in script.rows()}
    assert states[failed.asked.number] == "FAIL"
    check_mlflow(script.root)


def test_f01_retries_carry_weights_only(scripted):
    """The study knows the retry by its attribute; nothing else of the dead trial comes along."""
    script = scripted(HANGS_ONCE.replace("announce()\n        hang()", "os.kill(os.getpid(), 9)"))
    script.run(6)
    outcome = {"magnitude", "decrease", "driver"}  # of what trained
    rows = {
        number: {key: value for key, value in attributes.items() if key not in outcome}
        for number, _, attributes in script.rows()
    }
    (retry,) = [number for number, attributes in rows.items() if "retry_of" in attributes]
    dead = rows[retry]["retry_of"]
    assert rows[retry] == {**rows[dead], "retry_of": dead}
    assert set(rows[dead]) == {"kind", "weights"}


@pytest.mark.parametrize(("max_retries", "failed"), [(0, 0), (1, 1), (2, 2)])
def test_f01_weights_that_kill_their_worker_are_given_up(scripted, max_retries, failed):
    """Tried again as often as allowed, then a failure like any other."""
    script = scripted(DIES.format(weight=1.5, capacity=1))
    script.run(5, max_retries=max_retries)
    assert script.outcomes() == {"COMPLETE": 4, "FAILED": 1} | ({"AGAIN": failed} if failed else {})


def test_f01_one_weight_set_that_kills_does_not_end_the_sweep(scripted):
    """However often it is tried again, it is one failure; three in a row would stop the sweep."""
    script = scripted(DIES.format(weight=1.5, capacity=1))
    with pytest.raises(NoneComplete, match="1 of 1 trials failed"):
        script.run(1, max_retries=4)
    assert script.outcomes() == {"FAILED": 1, "AGAIN": 4}


def test_f01_a_stack_that_dies_is_tried_again_in_halves(scripted):
    """A batch of many is lost together; smaller ones may train where it could not."""
    script = scripted(
        DIES.format(weight=1.5, capacity=8).replace(
            'member.weights["b"] == 1.5', 'member.weights["b"] == 1.5 and once("died")'
        )
    )
    script.run(8, workers=1)
    assert script.outcomes() == {"COMPLETE": 8, "AGAIN": 8}


@pytest.mark.parametrize(("max_retries", "failed", "again"), [(1, 1, 8 + 4 + 2 + 1), (0, 8, 0)])
def test_f01_of_a_stack_only_the_guilty_member_fails(scripted, max_retries, failed, again):
    """Halved until it is alone, it is given up as any other; its neighbours are all trained."""
    script = scripted(DIES.format(weight=1.5, capacity=8))
    all_failed = pytest.raises(NoneComplete) if failed == 8 else nullcontext()
    with all_failed:
        script.run(8, workers=1, max_retries=max_retries)
    assert script.outcomes() == Counter(COMPLETE=8 - failed, FAILED=failed, AGAIN=again)


def test_f01_workers_that_keep_dying_stop_the_sweep(scripted):
    """Three in a row, and the reason is the first thing said."""
    script = scripted(
        "def during(member, epoch):\n    os.kill(os.getpid(), 9)\n"
        "sweep = FakeSweep('fake', during=during)"
    )
    with pytest.raises(SweepFailed, match="the worker process died"):
        script.run(20)
    assert set(script.outcomes()) <= {"AGAIN", "FAILED"}
