"""F14: a trial hangs."""

import time

import pytest

from lossweights.base.errors import RecipeError
from lossweights.executors import _child as child
from lossweights.records import Failure

pytestmark = pytest.mark.faults

LIMIT = 1.0  # seconds: more than a machine that is busy with other things takes for sums

HANGS = """
def during(member, epoch):
    if epoch == 1 and member.weights["b"] == 1.5{once}:
        {before}
        hang()

sweep = FakeSweep("fake", during=during, baselines=[{{"b": 1.5}}])
"""


def test_f14_a_hanging_trial_is_ended_and_tried_again(scripted):
    """After its time its worker goes; the weights get another chance, the others never wait."""
    script = scripted(HANGS.format(once=" and once('hung')", before="pass"))
    script.run(6, trial_timeout=LIMIT)
    assert script.outcomes() == {"COMPLETE": 6, "AGAIN": 1}
    (failed,) = [f.result for f in script.results().values() if f.again]
    assert failed.failure is Failure.TIMEOUT
    assert f"{LIMIT:g} s" in failed.reason


def test_f14_weights_that_always_hang_are_given_up(scripted):
    """Twice is enough."""
    script = scripted(HANGS.format(once="", before="pass"))
    script.run(4, trial_timeout=LIMIT)
    assert script.outcomes() == {"COMPLETE": 3, "AGAIN": 1, "FAILED": 1}


def test_f14_a_worker_that_will_not_go_is_killed(scripted, monkeypatch):
    """SIGTERM first, SIGKILL when that is ignored."""
    monkeypatch.setattr(child, "TERMINATE_SECONDS", 0.2)
    script = scripted(
        HANGS.format(once=" and once('hung')", before="signal.signal(15, signal.SIG_IGN)")
    )
    script.run(4, trial_timeout=LIMIT)
    assert script.outcomes() == {"COMPLETE": 4, "AGAIN": 1}


def test_f14_in_this_process_the_limit_acts_at_the_next_report(scripted):
    """Nobody can end a thread; a trial that reports can be stopped all the same."""
    script = scripted()
    sweep = script.sweep()

    def during(member, epoch):
        if epoch == 1 and member.weights["b"] == 1.5:
            deadline = time.monotonic() + LIMIT
            while time.monotonic() < deadline:
                pass

    sweep._during, sweep.baselines = during, [{"b": 1.5}]
    options = {"root": script.root, "workers": 0, "tracking": False, "quiet": True}
    sweep.run(3, trial_timeout=LIMIT / 2, max_retries=0, **options)
    assert script.outcomes() == {"COMPLETE": 2, "FAILED": 1}


@pytest.mark.parametrize("limit", [0, -1.0, float("nan")])
def test_f14_a_limit_is_a_time(scripted, limit):
    """Refused before anything is trained."""
    with pytest.raises(RecipeError, match="trial_timeout"):
        scripted().run(1, trial_timeout=limit)
