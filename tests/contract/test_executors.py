"""Every executor passes the contract, whatever it trains with and wherever."""

import pytest

from lossweights.cli._script import load_sweep
from lossweights.executors import Forkserver, InlineExecutor, ProcessExecutor
from lossweights.testing import ExecutorContract, IsolatedExecutorContract

pytestmark = pytest.mark.faults


class TestInline(ExecutorContract):
    """This very thread."""

    def make_executor(self, script, folder):
        """The trainer of the script's sweep, in this process."""
        return InlineExecutor(lambda: load_sweep(script).prepare(rehearse=False).make_trainer(""))


class TestProcesses(IsolatedExecutorContract):
    """Two worker processes."""

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

    @pytest.fixture(autouse=True)
    def _forkserver(self, forkserver):
        self.forkserver = forkserver()

    def make_executor(self, script, folder):
        """Two workers that load the script."""
        return processes(script, folder, workers=2, forkserver=self.forkserver)


class TestOneProcess(IsolatedExecutorContract):
    """One worker process, which is replaced whenever it dies."""

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
