"""F38: the time for a sweep is up."""

import json
import shlex
import subprocess
import time

import pytest

from lossweights.driver._driver import STOP_SECONDS

from .helpers import HANGS

pytestmark = pytest.mark.faults

# The first trial ends at once, the others train for minutes.
TRAINS_ON = """
def during(member, epoch):
    if member.weights["b"] != 1.5 and not (HERE / "go on").exists():
        threading.Event().wait(0.05)

sweep = FakeSweep("fake", during=during, epochs=1000, baselines=[{"b": 1.5}])
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_f38_a_sweep_whose_time_is_up_ends_in_order_and_can_be_gone_on_with(scripted, workers):
    """What has ended counts and is concluded on, it says why it ends and how to go on."""
    script = scripted(TRAINS_ON)
    started = time.monotonic()
    done = script.call("--time-limit", "12s", workers=workers, trials=4)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < 12 + STOP_SECONDS + 20
    assert "The time limit was reached after 1 of 4 trials. Go on with: " in done.stderr
    outcomes = script.outcomes()
    assert outcomes["COMPLETE"] == 1
    assert set(outcomes) == {"COMPLETE", "AGAIN"}
    assert script.running() == []
    ending = json.loads((script.sweep_folder / "ending.json").read_text())
    assert ending["status"] == "FINISHED"
    assert "The time limit was reached" in ending["note"]
    assert (script.root / "weights" / "fake" / "knee.json").exists()
    (script.folder / "go on").touch()
    advice = done.stderr.partition("Go on with: ")[2].splitlines()[0]
    command = [*shlex.split(advice), "--no-tracking", "--time-limit", "10m"]
    done = subprocess.run(command, cwd=script.folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert script.outcomes()["COMPLETE"] == 4
    assert "time limit" not in done.stderr


def test_f38_a_trial_that_hangs_is_not_waited_for(scripted):
    """Its worker is ended; where no trial is complete, that is said as ever."""
    script = scripted(HANGS)
    started = time.monotonic()
    done = script.call("--time-limit", "8s", workers=1, trials=2)
    assert time.monotonic() - started < 8 + STOP_SECONDS + 20
    assert done.returncode == 70
    assert "The time limit was reached after 0 of 2 trials" in done.stderr
    assert set(script.outcomes()) == {"AGAIN"}


def test_f38_nothing_to_return_is_said_also_where_nothing_has_begun(scripted):
    """The time was up before the first trial: no error of the trials, but none is complete."""
    script = scripted(TRAINS_ON)
    done = script.call("--time-limit", "0.01s", workers=0, trials=4)
    assert done.returncode == 70
    assert "none had ended when the time limit was reached" in done.stderr


def test_f38_a_limit_that_is_not_reached_changes_nothing(scripted):
    """As without one."""
    script = scripted()
    script.run(3, workers=0, time_limit="2h")
    assert script.outcomes() == {"COMPLETE": 3}
    ending = json.loads((script.sweep_folder / "ending.json").read_text())
    assert ending["note"] == "3 trials"
