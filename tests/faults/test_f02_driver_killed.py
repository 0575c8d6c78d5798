"""F02: the driver is killed with -9; nobody trains on, and the next start settles what it left."""

import pytest

from lossweights.executors._environment import WORKER
from lossweights.records import Failure
from lossweights.results.status import read_status

from .helpers import alive, check_mlflow, eventually, kill

pytestmark = pytest.mark.faults

HANGS = """
def during(member, epoch):
    if epoch == 1 and once(f"hung-{member.weights['b']}"):
        announce()
        hang()

sweep = FakeSweep("fake", during=during)
"""

TRAINS_ON = """
def during(member, epoch):
    if epoch == 1:
        announce()

sweep = FakeSweep("fake", during=during, epochs=10**9)
"""


def test_f02_children_of_a_killed_driver_end(scripted):
    """Even those that hang, where the kernel tells them that their driver is gone."""
    script = scripted(HANGS, settle=True)
    process = script.start()
    pids = {script.announced(), script.announced()}
    assert len(pids) == 2
    kill(process.pid)
    process.communicate()
    eventually(lambda: not any(alive(pid) for pid in pids), seconds=5)


def test_f02_children_end_at_their_next_report(scripted, monkeypatch):
    """Without the kernel's help too: a report to a driver that is gone ends the worker."""
    script = scripted(TRAINS_ON, settle=True)
    library = script.folder / "nobody.py"
    library.write_text("import sys\nsys.platform = 'elsewhere'\n")
    monkeypatch.setenv("PYTHONPATH", str(script.folder))
    script.path.write_text(
        f"import os\nif {WORKER!r} in os.environ:\n    import nobody\n" + script.path.read_text()
    )
    process = script.start(workers=1)
    pid = script.announced()
    kill(process.pid)
    process.communicate()
    eventually(lambda: not alive(pid), seconds=5)


def test_f02_resume_settles_orphans_and_reaches_the_asked_number(tracked):
    """Orphans are failed, their weights tried again, the counts add up, MLflow agrees."""
    script = tracked(HANGS)
    process = script.start(tracking=True)
    script.announced()
    script.announced()
    eventually(lambda: len(script.running()) >= 2)
    kill(process.pid)
    process.communicate()
    assert not read_status(script.root, "fake").running
    script.edit("hang()\n\nsweep", "pass\n\nsweep")
    done = script.call("--resume", "--accept-change", "code", trials=None, tracking=True)
    assert done.returncode == 0, done.stderr
    outcomes = script.outcomes()
    assert outcomes["COMPLETE"] == 10
    results = script.results()
    orphans = [f for f in results.values() if f.again]
    assert orphans
    for orphan in orphans:
        assert orphan.result.failure is Failure.INTERRUPTED
        (retry,) = [f for f in results.values() if f.asked.retry_of == orphan.asked.number]
        assert retry.asked.parameters == orphan.asked.parameters
    check_mlflow(script.root)


def test_f02_reports_of_orphans_are_kept(scripted):
    """What a trial had reported when its driver died is in its failed result."""
    script = scripted(HANGS)
    process = script.start(workers=1)
    script.announced()
    eventually(lambda: list((script.sweep_folder / "spool").glob("*.jsonl")) and script.running())
    kill(process.pid)
    process.communicate()
    script.edit("hang()\n\nsweep", "pass\n\nsweep")
    script.run(3, resume=True, accept_change=["code"])
    (orphan,) = [f for f in script.results().values() if f.again]
    assert [report.epoch for report in orphan.result.reports] == [0]
    assert list((script.sweep_folder / "spool").glob("*")) == []
