"""Every executor passes the contract, whatever it trains with and wherever."""

import pytest

from lossweights.cli._script import load_sweep
from lossweights.executors import (
    Batch,
    Ended,
    Forkserver,
    InlineExecutor,
    Lost,
    ProcessExecutor,
)
from lossweights.testing import ExecutorContract, IsolatedExecutorContract
from lossweights.testing._contract_tools import member, train

pytestmark = pytest.mark.faults


class TestInline(ExecutorContract):
    """This very thread."""

    holds = True

    def make_executor(self, script, folder):
        """The trainer of the script's sweep, in this process."""
        return InlineExecutor(lambda: load_sweep(script).prepare(rehearse=False).make_trainer(""))


class TestProcesses(IsolatedExecutorContract):
    """Two worker processes."""

    holds = True

    def make_executor(self, script, folder):
        """Two workers that load the script."""
        return processes(script, folder, workers=2)


@pytest.fixture(scope="module")
def forkserver():
    """Gives what workers are forked from, the same as long as no test has ended it."""
    made = []

    def living():
        if not Forkserver.is_possible():
            return None
        if not made or made[-1]._closed:
            made.append(Forkserver())
        return made[-1]

    yield living
    for each in made:
        each.close()


@pytest.mark.skipif(not Forkserver.is_possible(), reason="no pidfd_open here")
class TestForked(IsolatedExecutorContract):
    """Two worker processes, forked from one that has imported."""

    holds = True

    @pytest.fixture(autouse=True)
    def _forkserver(self, forkserver):
        self.forkserver = forkserver()

    def make_executor(self, script, folder):
        """Two workers that load the script."""
        return processes(script, folder, workers=2, forkserver=self.forkserver)


class TestOneProcess(IsolatedExecutorContract):
    """One worker process, which is replaced whenever it dies."""

    holds = True

    @pytest.fixture(autouse=True)
    def _forkserver(self, forkserver):
        self.forkserver = forkserver()

    def make_executor(self, script, folder):
        """A worker that loads the script."""
        return processes(script, folder, workers=1, forkserver=self.forkserver)


def processes(script, folder, workers, forkserver=None):
    """Worker processes for a script; one that cannot be loaded has no fingerprint."""
    try:
        fingerprint = load_sweep(script).prepare(rehearse=False).fingerprint
    except ValueError:
        fingerprint = ""
    target = {"script": str(script)}
    logs = folder / "logs"
    return ProcessExecutor(workers, target, "auto", fingerprint, logs, forkserver=forkserver)


WARM = """
import os
from dataclasses import replace
from lossweights.testing import FakeSweep, FakeTrainer

def during(member, epoch):
    if member.seed:
        os.kill(os.getpid(), 9)

class Warm(FakeTrainer):
    def warm_up(self):
        print("compiled", flush=True)
        raise MemoryError("nearly")

class WarmSweep(FakeSweep):
    def prepare(self, *, rehearse):
        return replace(super().prepare(rehearse=rehearse), trainer=Warm(1, during))

sweep = WarmSweep("contract")
"""


def test_a_worker_compiles_before_its_first_batch_but_not_in_the_place_of_a_dead_one(tmp_path):
    """Which may have died of that; what fails then is left to the batches to tell."""
    script = tmp_path / "warm.py"
    script.write_text(WARM)
    with processes(script, tmp_path, workers=1) as executor:
        executor.start()
        ends = [
            train(executor, [Batch(key, (member(seed=seed),))])[-1]
            for key, seed in enumerate((0, 1, 0))
        ]
    assert [type(end) for end in ends] == [Ended, Lost, Ended]
    said = (tmp_path / "logs" / "worker-1.log").read_text()
    assert said.count("compiled") == said.count("MemoryError: nearly") == 1
