"""F42: the process that workers are forked from is killed with -9."""

import os
import signal
from pathlib import Path

import pytest

from lossweights.executors import Forkserver

from .helpers import alive, eventually, kill
from .test_f01_worker_killed import HANGS_ONCE

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(not Forkserver.is_possible(), reason="no pidfd_open here"),
]


# As a `multiprocessing.Pool` that reads data: it has all files open that the driver has.
FORKS = """
class Forking(FakeSweep):
    def prepare(self, *, rehearse):
        if rehearse:
            child = os.fork()
            if child == 0:
                hang()
            (HERE / "child").write_text(str(child))
        return super().prepare(rehearse=rehearse)
""" + HANGS_ONCE.replace("FakeSweep(", "Forking(")


def parent_of(pid):
    """The process id of a process's parent."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("PPid:"))


def test_f42_its_workers_end_and_it_is_started_again(scripted):
    """Costs what its workers were training, and nothing that had ended."""
    script = scripted(HANGS_ONCE)
    process = script.start(trials=8)
    worker = script.announced()
    server = parent_of(worker)
    assert b"lossweights.cli.forkserver" in Path(f"/proc/{server}/cmdline").read_bytes()
    assert parent_of(server) == process.pid
    kill(server)
    eventually(lambda: not alive(worker))
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    outcomes = script.outcomes()
    assert outcomes["COMPLETE"] == 8
    assert 1 <= outcomes["AGAIN"] <= 2  # that of each worker


def test_f42_it_ends_with_its_driver(scripted):
    """No training outlives the driver."""
    script = scripted(HANGS_ONCE)
    process = script.start(trials=8)
    worker = script.announced()
    server = parent_of(worker)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    eventually(lambda: not alive(worker))
    eventually(lambda: not alive(server))
    script.settle()


def test_f42_it_ends_with_its_driver_though_what_the_driver_forked_lives_on(scripted):
    """That has every pipe and socket of the driver open; no training outlives the driver."""
    script = scripted(FORKS, settle=True)
    process = script.start(trials=8)
    worker = script.announced()
    server = parent_of(worker)
    child = int((script.folder / "child").read_text())
    try:
        assert parent_of(child) == process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        eventually(lambda: not alive(worker))
        eventually(lambda: not alive(server))
        assert alive(child)
    finally:
        kill(child)
    process.communicate()
