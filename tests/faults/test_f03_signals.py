"""F03: Ctrl-C and SIGTERM; the first asks, the second insists."""

import os
import shlex
import signal
import subprocess
import time

import pytest

from lossweights.driver._driver import STOP_SECONDS
from lossweights.records import Failure, Outcome

from .helpers import HANGS, eventually

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("signals_heard")]

TRAINS_ON = """
def during(member, epoch):
    if epoch == 1:
        announce()

sweep = FakeSweep("fake", during=during, epochs=10**9)
"""

LOADS = """
class Loading(FakeSweep):
    def prepare(self, *, rehearse):
        announce()
        hang()

sweep = Loading("fake")
"""


def test_f03_a_signal_before_anything_has_begun_names_no_sweep(scripted):
    """While the script still loads its data there is nothing to go on with, and that is said."""
    script = scripted(LOADS)
    process = script.start()
    script.announced()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Nothing had begun" in err
    assert not script.root.exists()


@pytest.mark.parametrize(
    ("number", "workers"), [(signal.SIGINT, 0), (signal.SIGTERM, 2), (signal.SIGHUP, 2)]
)
def test_f03_first_signal_ends_in_order_and_the_sweep_goes_on(scripted, number, workers):
    """Exit code as shells count it, nothing running, and the command that it names goes on."""
    script = scripted(TRAINS_ON)
    process = script.start(workers=workers, trials=3)
    script.announced()
    eventually(script.running)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert "Stopping" in err
    advice = err.rpartition("Go on with it: ")[2].strip()
    assert "lossweights resume fake" in advice
    assert script.running() == []
    interrupted = [f for f in script.results().values() if f.again]
    assert interrupted
    assert {f.result.failure for f in interrupted} == {Failure.INTERRUPTED}
    assert all(f.result.reports for f in interrupted)
    script.edit("epochs=10**9", "epochs=3")
    command = [*shlex.split(advice), "--accept-change", "recipe"]
    done = subprocess.run(command, cwd=script.folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert script.outcomes()["COMPLETE"] == 3  # as many as it was started for
    assert not (script.root / "mlflow.db").exists()  # as it was started, without tracking


def test_f03_trials_that_hang_are_not_waited_for(scripted):
    """A trial that does not end by itself is cut short after a few seconds."""
    script = scripted(HANGS)
    process = script.start()
    script.announced()
    eventually(script.running)
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert time.monotonic() - started < STOP_SECONDS + 5
    assert script.running() == []


def test_f03_second_signal_ends_at_once(scripted):
    """Who presses Ctrl-C twice does not wait; what was running is settled all the same."""
    script = scripted(HANGS)
    process = script.start()
    script.announced()
    eventually(script.running)
    process.send_signal(signal.SIGINT)
    while "Stopping" not in process.stderr.readline():
        assert process.poll() is None
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGINT
    assert time.monotonic() - started < STOP_SECONDS
    script.edit("        hang()\n", "")
    script.run(3, resume=True, accept_change=["code"])
    assert script.outcomes()["COMPLETE"] == 3


def test_f03_trials_that_end_in_time_count(scripted):
    """A trial that completes while the sweep stops is complete: nothing is thrown away."""
    script = scripted(
        """
def during(member, epoch):
    if epoch == 1 and once("waited"):
        announce()
        with open(HERE / "go on") as gate:
            gate.read()

sweep = FakeSweep("fake", during=during, epochs=1)
"""
    )
    gate = script.folder / "go on"
    os.mkfifo(gate)
    process = script.start(workers=1)
    script.announced()
    process.send_signal(signal.SIGTERM)
    while "Stopping" not in process.stderr.readline():
        assert process.poll() is None
    gate.write_text("the training ends now")
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert script.results()[0].result.outcome is Outcome.COMPLETE
